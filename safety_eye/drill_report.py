"""The report of a drill: one HTML page that carries its chart, readable in both languages."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader

from alerts.drill_score import Measure
from alerts.drill_words import MEASURES, target_words, value_words, who_words, why_words
from alerts.drills_api import DrillAnswer
from alerts.outcome_words import outcome_words
from core.community import Community, Name
from core.quantity import FACTS
from edge.simulator.transplant import Transplant, truths
from safety_eye.summary import ReadingTotals

LANGUAGES = ("zh", "en")
_TIMES = ("detected", "notified", "taken-over")
_PNG, _HTML, _JSON = "chart.png", "report.html", "report.json"


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file of a report and the SHA-256 of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made of.

    Attributes:
        answer: The drill and its score, as the hub has them.
        readings: What became of its readings; None if that is not known here.
        moved: What was played.
        community: The profile, for names.
        passed: The whole result.
    """

    answer: DrillAnswer
    readings: ReadingTotals | None
    moved: Transplant
    community: Community
    passed: bool


def write_report(material: Material, directory: Path) -> list[ReportFile]:
    """Write the report's files into *directory*; return them with their hashes.

    Raises:
        OSError: They can't be written.
    """
    files = [directory / _JSON, directory / _HTML]
    (directory / _JSON).write_bytes(_as_json(material))
    charts = _charts(material)
    if charts:
        (directory / _PNG).write_bytes(charts[LANGUAGES[0]])
        files.append(directory / _PNG)
    page = _page(material, charts)
    (directory / _HTML).write_text(page, encoding="utf-8")
    return [ReportFile(file, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]


def _as_json(material: Material) -> bytes:
    whole = {
        "passed": material.passed,
        "drill": material.answer.drill,
        "score": material.answer.score,
        "readings": material.readings,
        "expected": {
            "grade": material.moved.expected.grade.word,
            "first_s": material.moved.expected.first_s,
            "worst_s": material.moved.expected.worst_s,
        },
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def _charts(material: Material) -> dict[str, bytes]:
    """Draw the chart in each language; return none where there is nothing to draw with.

    Without a font that has Chinese signs every reader gets the English one.
    """
    try:
        from safety_eye.drill_chart import chinese_font  # noqa: PLC0415  # slow imports
    except ImportError:
        return {}
    english = _chart(material, "en")
    return {"zh": _chart(material, "zh") if chinese_font() else english, "en": english}


def _chart(material: Material, language: str) -> bytes:
    from safety_eye.drill_chart import Course, Moment, draw_drill  # noqa: PLC0415  # slow imports

    drill, moved = material.answer.drill, material.moved
    expected, pace = moved.expected, drill.plan.pace
    twin = moved.community.sensor_of(expected.sensor)
    assert twin is not None
    values = truths(moved.scenario, moved.community, expected.sensor, expected.quantity)
    step_min = moved.scenario.duration_s / pace / 60 / (len(values) - 1)
    name = twin.name.in_language(language) or twin.id
    moments = [
        Moment(minute, MEASURES[what].in_language(language))
        for what, minute in _moments(material).items()
    ]
    times = [
        (MEASURES[what].in_language(language), measure)
        for what in _TIMES
        if (measure := material.answer.score.measure(what)) is not None
    ]
    return draw_drill(
        Course(
            [step_min * number for number in range(len(values))],
            values,
            f"{name} / {FACTS[expected.quantity].unit}",
            moved.community.rules_of(twin, expected.quantity),
            moments,
            language,
        ),
        times,
        f"{'【演练】' if language == 'zh' else '[DRILL] '}{_title(material, language)}",
        "演练开始后的分钟数" if language == "zh" else "minutes since the drill began",
    )


def _moments(material: Material) -> dict[str, float]:
    """Return when things happened, minutes of the run since the start."""
    drill, score = material.answer.drill, material.answer.score
    detected = score.measure("detected")
    if detected is None or detected.value is None:
        return {}
    opened_s = drill.plan.onset_s + detected.value
    found = {"detected": opened_s / 60}
    for what in ("notified", "taken-over"):
        measure = score.measure(what)
        if measure is not None and measure.value is not None:
            found[what] = (opened_s + measure.value * drill.speed) / 60
    return found


def _title(material: Material, language: str) -> str:
    drill = material.answer.drill
    place = material.community.place(drill.plan.zone, language)
    scenario = material.moved.scenario.name.in_language(language)
    return f"{place} · {scenario}"


def _page(material: Material, charts: Mapping[str, bytes]) -> str:
    environment = Environment(
        loader=PackageLoader("safety_eye", "templates"), autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("drill-report.html").render(
        languages=[_words(material, language) for language in LANGUAGES],
        charts={name: base64.b64encode(chart).decode() for name, chart in charts.items()},
        passed=material.passed,
        drill=material.answer.drill,
    )


def _words(material: Material, language: str) -> dict[str, Any]:
    """Return the report in one language."""
    drill, score = material.answer.drill, material.answer.score
    zone = material.community.site.timezone
    zh = language == "zh"
    names = {contact.id: contact.name for contact in material.community.contact}
    return {
        "language": language,
        "title": _title(material, language),
        "verdict": _verdict(material, language),
        "why": why_words(drill, language),
        "facts": [
            ("编号" if zh else "Drill", drill.id),
            ("开始" if zh else "Began", _when(drill.began_at, zone)),
            ("结束" if zh else "Ended", _when(drill.ended_at, zone)),
            ("节奏" if zh else "Pace", f"×{drill.plan.pace:g}"),
            ("发起人" if zh else "Asked by", names.get(drill.plan.by, drill.plan.by) or "–"),
            ("联动输出" if zh else "Outputs", _outputs(material, zh=zh)),
            ("居民" if zh else "Residents", _residents(material, zh=zh)),
        ],
        "measures": [_row(one, material, language) for one in _measures(material)],
        "reach": [
            (
                names.get(one.contact, one.contact),
                one.channel,
                f"{one.accepted} / {one.sent}",
                "–" if one.first_s is None else f"{one.first_s:.1f} s",
                outcome_words(one.detail, language),
            )
            for one in score.reach
        ],
        "heads": {
            "measure": ("指标", "结果", "目标", "判定")
            if zh
            else ("What", "Result", "Aim", "Passed"),
            "reach": ("人员", "通道", "送达", "最快", "说明")
            if zh
            else ("Who", "Channel", "Accepted", "Fastest", "Detail"),
        },
    }


def _when(at: int, zone: str) -> str:
    """Return a day and time of the place, a dash where there is none."""
    if not at:
        return "–"
    return f"{dt.datetime.fromtimestamp(at / 1000, zoneinfo.ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def _verdict(material: Material, language: str) -> str:
    words = Name(zh="通过", en="Passed") if material.passed else Name(zh="未通过", en="Not passed")
    return words.in_language(language)


def _outputs(material: Material, *, zh: bool) -> str:
    if material.answer.drill.plan.with_outputs:
        return "允许" if zh else "allowed"
    return "未联动" if zh else "nothing was switched"


def _residents(material: Material, *, zh: bool) -> str:
    if material.answer.drill.plan.with_residents:
        return "按阶梯通知" if zh else "told where a ladder names them"
    return "未通知" if zh else "were told nothing"


def _measures(material: Material) -> Sequence[Measure]:
    readings = material.readings
    ledger = Measure(what="ledger", passed=False)
    if readings is not None:
        accounted = readings.stored + readings.quarantined + readings.lost + readings.unknown
        ledger = Measure(
            what="ledger", value=accounted, target=readings.produced, passed=readings.balanced
        )
    return (*material.answer.score.measures, ledger)


def _row(one: Measure, material: Material, language: str) -> tuple[str, str, str, str, str]:
    zh = language == "zh"
    who = who_words(one, language, material.community)
    verdict = {None: "–", True: "✓ 达标" if zh else "✓ yes", False: "✗ 未达标" if zh else "✗ no"}
    return (
        MEASURES[one.what].in_language(language),
        " ".join(
            (value_words(one, material.answer.drill, language), f"({who})" if who else "")
        ).strip(),
        target_words(one, language),
        verdict[one.passed],
        {None: "open", True: "good", False: "bad"}[one.passed],
    )
