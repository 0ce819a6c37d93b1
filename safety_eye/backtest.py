"""`safety-eye backtest`: history through an old and a new profile, and what would have changed."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.community import Community, SensorEntry
from core.finding import Hazard
from core.identity import SeriesId
from core.quality import Quality
from core.reading import Reading
from detectors import approval
from detectors.comparison import Change, Lesson, Occasion, compare, lessons, occasion
from detectors.trial import MERGE_MS, Place, Trial
from ingest.history import HistoryReader, HistorySettings, open_reader

# Readings that are held at once, and that one question to the history may return.
_HELD = 400_000
_ASKED = 10_000
_DAY_MS = 86_400_000
# Before the stretch that counts detectors warm up: three weeks for the week's habits.
WARM_UP_MS = 22 * _DAY_MS
# Where single readings are gone the 10-minute roll-ups stand for them.
_BUCKET_MS = 600_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a back-test has shown.

    Attributes:
        start_ms, end_ms: The stretch that counted.
        readings: How many readings were judged in it and while warming up.
        counted: How many of them lay in it.
        rolled: How many of them were roll-ups.
        changes: One a zone and hazard.
        lessons: One a learned detector of the new profile.
        verdict: `better`, `worse`, `mixed`, `same`, or `nothing` if there was no history.
        occasion: What became of what the test is about, None if it is about nothing in particular.
        near: How many readings of its place lay within an hour of that.
    """

    start_ms: int
    end_ms: int
    readings: int
    counted: int
    rolled: int
    changes: tuple[Change, ...]
    lessons: tuple[Lesson, ...]
    verdict: str
    occasion: Occasion | None = None
    near: int = 0


@dataclass(frozen=True, slots=True)
class About:
    """What a back-test is about: where something happened, from when to when (milliseconds)."""

    place: Place
    start_ms: int
    end_ms: int

    def near(self, at: int) -> bool:
        """Tell whether an instant lies within an hour of it."""
        return self.start_ms - MERGE_MS <= at <= self.end_ms + MERGE_MS

    def concerns(self, sensor: SensorEntry) -> bool:
        """Tell whether a sensor could show it; that equipment was silent is shown by any."""
        zone, hazard = self.place
        return hazard is Hazard.EQUIPMENT or sensor.zone == zone


def instant(text: str, timezone: str) -> int:
    """Return a date or time in ISO 8601 as milliseconds; without an offset it is local time.

    Raises:
        ValueError: It is neither.
    """
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(timezone))
    return round(moment.timestamp() * 1000)


def backtest(
    new: Community,
    old: Community,
    reader: HistoryReader,
    start_ms: int,
    end_ms: int,
    allowed: frozenset[str] = frozenset(),
    about: About | None = None,
) -> tuple[Report, Trial]:
    """Replay history through both profiles.

    Args:
        new: The profile on trial.
        old: The profile that is in use.
        reader: The history.
        start_ms: From when changes count; detectors warm up on what lies before.
        end_ms: Until when.
        allowed: Learned detectors that speak already.
        about: Something that happened, of which both are asked in particular.

    Returns:
        What would have changed, and the trial of the new profile.
    """
    trials = Trial(old, allowed), Trial(new, allowed)
    intervals: dict[SeriesId, float] = {}
    concerned: set[str] = set()
    for community in (old, new):
        for entry in community.sensor:
            if about and about.concerns(entry):
                concerned.add(entry.id)
            for quantity in entry.quantities:
                intervals[SeriesId(entry.id, quantity)] = entry.interval_s
    rolled = counted = near = 0
    for readings, made in history(reader, intervals, start_ms - WARM_UP_MS, end_ms):
        rolled += made
        counted += sum(reading.at >= start_ms for reading in readings)
        if about:
            near += sum(about.near(one.at) for one in readings if one.sensor in concerned)
        for trial in trials:
            trial.feed(readings)
    for trial in trials:
        trial.finish()
    changes = tuple(compare(*trials, start_ms, end_ms)) if trials[1].judged else ()
    report = Report(
        start_ms,
        end_ms,
        trials[1].judged,
        counted,
        rolled,
        changes,
        tuple(lessons(trials[1])),
        _verdict(changes) if trials[1].judged else "nothing",
        occasion(*trials, about.place, about.start_ms, about.end_ms) if about else None,
        near,
    )
    return report, trials[1]


def _verdict(changes: tuple[Change, ...]) -> str:
    words = {change.verdict for change in changes} - {"same"}
    if not words:
        return "same"
    return words.pop() if len(words) == 1 else "mixed"


def history(
    reader: HistoryReader, intervals: dict[SeriesId, float], start_ms: int, end_ms: int
) -> Iterator[tuple[list[Reading], int]]:
    """Yield history by stretches of time, every series together and in the order of time.

    Args:
        reader: Where it is kept.
        intervals: The series, each with its usual spacing in seconds.
        start_ms: First instant.
        end_ms: First instant that is not read any more.

    Yields:
        Readings, and how many of them are roll-ups.
    """
    a_second = sum(1.0 / interval for interval in intervals.values())
    stretch = min(max(round(1000 * _HELD / max(a_second, 1e-9)), 60_000), 7 * _DAY_MS)
    begin = start_ms
    while begin < end_ms:
        end = min(begin + stretch, end_ms)
        found: list[Reading] = []
        rolled = 0
        for series, interval_s in intervals.items():
            single = list(_singles(reader, series, begin, end))
            if not single and interval_s * 1000 <= _BUCKET_MS:
                single = _rollups(reader, series, begin, end)
                rolled += len(single)
            found += single
        found.sort(key=lambda reading: reading.at)
        if found:
            yield found, rolled
        begin = end


def _singles(reader: HistoryReader, series: SeriesId, start: int, end: int) -> Iterator[Reading]:
    while start < end:
        part = reader.range(series, start, end, _ASKED)
        yield from part
        if len(part) < _ASKED:
            return
        start = part[-1].at + 1


def _rollups(reader: HistoryReader, series: SeriesId, start: int, end: int) -> list[Reading]:
    count = max((end - start) // _BUCKET_MS, 1)
    buckets = reader.downsampled(series, start, end, count)
    return [
        Reading(series.sensor, series.quantity, bucket.at + _BUCKET_MS - 1, bucket.mean)
        for bucket in buckets
        if bucket.mean is not None and bucket.worst is not Quality.BAD
    ]


def stamp(report: Report, trial: Trial, state: Path, now_ms: int) -> list[approval.Approval]:
    """Write what the learned detectors have shown where the detectors look for it.

    Args:
        report: The back-test.
        trial: Of the new profile.
        state: Directory of the detectors' state.
        now_ms: When the test was run.

    Raises:
        OSError: It can't be written.
    """
    prints = approval.fingerprints(trial.rules)
    records = [
        approval.Approval(
            rule=lesson.rule,
            fingerprint=prints[lesson.rule],
            site=trial.community.site.id,
            start=report.start_ms,
            end=report.end_ms,
            tested=dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).isoformat(timespec="seconds"),
            readings=report.readings,
            passed=lesson.passed,
            why=lesson.why,
            false_per_month=round(lesson.episodes, 3),
        )
        for lesson in report.lessons
    ]
    if records:
        state.mkdir(parents=True, exist_ok=True)
        approval.write(state / approval.FILE, records)
    return records


def allowed_at(community: Community, state: Path) -> frozenset[str]:
    """Return the learned detectors that speak at this site now."""
    records = approval.read(state / approval.FILE)
    return approval.approved(records, community.site.id, Trial(community).rules)


def run_backtest(
    new: Community,
    old: Community,
    settings: HistorySettings,
    state: Path,
    span: tuple[int, int],
    now_ms: int,
    about: About | None = None,
) -> Report:
    """Open the history, run the test, stamp its records.

    A test about something that happened is of the stretch around it and stamps none: what learned
    detectors have shown over months must not be lost by it.

    Raises:
        HistoryUnreadableError: This kind of history can't be read back.
        HistoryUnavailableError: It does not answer.
        OSError: The records can't be written.
    """
    reader = open_reader(settings)
    try:
        report, trial = backtest(new, old, reader, *span, allowed_at(old, state), about)
    finally:
        reader.close()
    if about is None:
        stamp(report, trial, state, now_ms)
    return report
