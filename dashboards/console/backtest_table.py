"""The back-test of a lesson as who approves it sees it: before and after, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alerts.applying import short
from alerts.backtest import BackTest, Drilled, Linted, Outcome, Replayed, Side
from core.community import Community
from core.grade import WARNING_GRADES, Grade
from dashboards.console.words import Words


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what is compared, under the file in use and under the proposed one."""

    label: str
    before: str
    proposed: str


@dataclass(frozen=True, slots=True)
class Table:
    """Lines of one thing; its note says what they are measured against."""

    caption: str
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the page shows of one back-test.

    Attributes:
        headline: Which file, from which version to which, and what came of it.
        about: What was replayed or drilled, by which program.
        tables: The figures.
    """

    headline: str
    about: str
    tables: tuple[Table, ...]


def comparison(
    test: BackTest, community: Community, words: Words, time: Callable[[int], str]
) -> Comparison:
    """Return what the page shows.

    Args:
        test: The back-test.
        community: For the names of places.
        words: The reader's.
        time: How an instant is written.
    """
    before, proposed = short(test.before), short(test.proposed)
    about = [_replayed(test.replay, words, time)] if test.replay is not None else []
    about += [_drilled(test, community, words, time)] if test.lint is not None else []
    about.append(words("tested_by", test.tool, time(test.tested_at)))
    tables = _replay_tables(test.replay, community, words, time) if test.replay is not None else []
    tables += [_lint_table(test.lint, words)] if test.lint is not None else []
    return Comparison(
        headline=words(
            "tested_headline", test.file, before, proposed, words(f"tested_{test.verdict}")
        ),
        about=words("full_stop").join(about),
        tables=tuple(tables),
    )


def _replayed(replay: Replayed, words: Words, time: Callable[[int], str]) -> str:
    text = words("tested_replayed", time(replay.start), time(replay.end), replay.readings)
    return text + (words("tested_rolled", replay.rolled) if replay.rolled else "")


def _drilled(test: BackTest, community: Community, words: Words, time: Callable[[int], str]) -> str:
    drill = test.drill
    if drill is None:
        return words("tested_no_drill")
    passed = words("tested_passed" if drill.passed else "tested_not_passed")
    place = community.place(drill.zone, words.language)
    return words(
        "tested_drill", drill.id, place, time(drill.ended_at), passed, _drill_times(drill, words)
    )


def _drill_times(drill: Drilled, words: Words) -> str:
    times = (drill.detected_s, drill.notified_s, drill.taken_over_s)
    shown = (words("tested_never") if one is None else words.duration(one) for one in times)
    return words("tested_drill_times", *shown)


def _replay_tables(
    replay: Replayed, community: Community, words: Words, time: Callable[[int], str]
) -> list[Table]:
    first = Table(
        words("tested_incident"),
        tuple(_reached(replay, words, time)),
        words("tested_danger", time(replay.danger_at)) if replay.danger_at is not None else "",
    )
    rest = [_outcome_table(outcome, community, words) for outcome in replay.outcomes]
    if replay.more:
        rest.append(Table(words("tested_more", replay.more), ()))
    return [first, *rest]


def _reached(replay: Replayed, words: Words, time: Callable[[int], str]) -> list[Row]:
    def told(at: int | None) -> str:
        if at is None:
            return words("tested_not_told")
        if replay.danger_at is None:
            return time(at)
        early_s = (replay.danger_at - at) / 1000
        if not early_s:
            return words("tested_at_once")
        key = "tested_early" if early_s > 0 else "tested_late"
        return words(key, words.duration(abs(early_s)))

    return [
        Row(
            words.grade(grade),
            told(replay.before.get(grade.word)),
            told(replay.proposed.get(grade.word)),
        )
        for grade in WARNING_GRADES
        if grade.word in replay.before or grade.word in replay.proposed
    ] or [Row(words("tested_any"), words("tested_not_told"), words("tested_not_told"))]


def _outcome_table(outcome: Outcome, community: Community, words: Words) -> Table:
    def row(key: str, figure: Callable[[Side], str]) -> Row:
        return Row(words(key), figure(outcome.before), figure(outcome.proposed))

    def lead(side: Side) -> str:
        return "–" if side.lead_s is None else words.duration(side.lead_s)

    caption = words(
        "tested_place",
        community.place(outcome.zone, words.language),
        words.hazard(outcome.hazard),
        outcome.dangers,
        words(f"tested_{outcome.verdict}"),
    )
    return Table(
        caption,
        (
            row("tested_lead", lead),
            row("tested_missed", lambda side: str(side.missed)),
            row("tested_false", lambda side: str(side.false_alerts)),
            row("tested_alerts", lambda side: _alerts(side, words)),
        ),
    )


def _alerts(side: Side, words: Words) -> str:
    mark = "、" if words.language == "zh" else ", "
    listed = [
        f"{words.grade(grade)} × {side.alerts[grade.word]}"
        for grade in sorted(Grade, reverse=True)
        if side.alerts.get(grade.word)
    ]
    return mark.join(listed) or "0"


def _lint_table(lint: Linted, words: Words) -> Table:
    rows = [Row(words("tested_to_mend"), str(lint.before), str(lint.proposed))]
    rows += [Row(found, words("tested_there"), words("tested_mended")) for found in lint.mended]
    rows += [Row(found, "–", words("tested_fresh")) for found in lint.fresh]
    return Table(words("tested_lint"), tuple(rows))
