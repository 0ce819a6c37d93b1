"""Sensors as pages show them: value, unit, quality in words, age, limits, and the line ahead."""

from __future__ import annotations

import json
from dataclasses import dataclass

from core.clock import Clock, late_after_ms
from core.community import Community, SensorEntry, gap_ms
from core.finding import Condition, Finding
from core.grade import Grade
from core.identity import SeriesId
from core.quality import Quality
from core.quantity import Quantity
from dashboards.console.feed import LiveFeed
from dashboards.console.marks import Mark, mark_of, unknown_mark
from dashboards.console.words import Words

# How far a forecast line may be drawn ahead: half an hour, as on the duty console's sketch.
FORECAST_MS = 30 * 60_000


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One limit in a chart."""

    grade: Grade
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class SensorView:
    """One series as shown.

    Attributes:
        key: `<sensor>.<quantity>`, the subject of its findings and the id of its elements.
        title: What is measured, with the sensor's name.
        state: good, uncertain, bad, silent or never.
        number, unit: Value as people write it.
        quality: Quality or absence in words.
        at: Time (ms) of the newest reading, 0 if none.
        allowance_ms: How old it may be before it counts as silent.
        mark: Grade of the worst rule that speaks of it, None while all are green.
        limits: Lines of its chart, lowest grade first.
        rate_per_h: Slope that a detector announced, for the dashed line ahead.
    """

    key: str
    entry: SensorEntry
    quantity: Quantity
    title: str
    place: str
    state: str
    number: str
    unit: str
    quality: str
    at: int
    allowance_ms: int
    mark: Mark | None
    limits: tuple[LimitLine, ...]
    high: bool
    rate_per_h: float | None

    @property
    def stale(self) -> bool:
        """True if nothing current is known of it."""
        return self.state in ("silent", "never", "bad")

    @property
    def chart(self) -> str:
        """What the chart script needs, as JSON."""
        return json.dumps(
            {
                "sensor": self.entry.id,
                "quantity": str(self.quantity),
                "unit": self.unit,
                "gap": gap_ms(self.entry.interval_s),
                "allowance": self.allowance_ms,
                "step": self.quantity in (Quantity.CONTACT, Quantity.ALARM_INPUT),
                "limits": [[line.grade.word, line.value, line.text] for line in self.limits],
                "rate": self.rate_per_h,
                "ahead": FORECAST_MS,
            },
            ensure_ascii=False,
        )


def sensor_views(
    community: Community, feed: LiveFeed, clock: Clock, words: Words
) -> list[SensorView]:
    """Return every series of the profile, in its order."""
    return [
        sensor_view(community, entry, quantity, feed, clock, words)
        for entry in community.sensor
        for quantity in entry.quantities
    ]


def sensor_view(
    community: Community,
    entry: SensorEntry,
    quantity: Quantity,
    feed: LiveFeed,
    clock: Clock,
    words: Words,
) -> SensorView:
    """Return one series as shown now."""
    series = SeriesId(entry.id, quantity)
    latest = feed.latest(series)
    findings = feed.findings(series.subject)
    allowance = late_after_ms(entry.interval_s, clock.speed)
    value = latest.value if latest is not None else None
    number, unit = words.value(quantity, value, entry.interval_s)
    if latest is None:
        state, quality = "never", words("never_reported")
    elif clock.now_ms() - latest.at > allowance:
        age_s = (clock.now_ms() - latest.at) / 1000
        state, quality = "silent", words("silent", words.duration(age_s))
    else:
        state, quality = str(latest.quality), words.quality(latest.quality, latest.reasons)
    if not unit:
        unit = words.value(quantity, 0.0, entry.interval_s)[1]
    zone = community.zone_of(entry.zone)
    rules = community.rules_of(entry, quantity)
    return SensorView(
        key=series.subject,
        entry=entry,
        quantity=quantity,
        title=title_of(entry, quantity, words),
        place=zone.name.in_language(words.language) if zone else entry.zone,
        state=state,
        number=number,
        unit=unit,
        quality=quality,
        at=latest.at if latest is not None else 0,
        allowance_ms=allowance,
        mark=_worst_mark(findings, state, words),
        limits=limit_lines(community, entry, quantity, words),
        high=all(rule.high for rule in rules),
        rate_per_h=_rate(findings),
    )


def title_of(entry: SensorEntry, quantity: Quantity, words: Words) -> str:
    """Return the name of a series: the sensor's own name, with the quantity where it adds one."""
    name = entry.name.in_language(words.language) or entry.id
    what = words.quantity(quantity)
    if len(entry.quantities) == 1 or what.lower() in name.lower():
        return name
    return f"{name} {what}"


def limit_lines(
    community: Community, entry: SensorEntry, quantity: Quantity, words: Words
) -> tuple[LimitLine, ...]:
    """Return the limits of a series as chart lines."""
    if quantity in (Quantity.ALARM_INPUT, Quantity.CONTACT):
        return ()
    lines = []
    for rule in community.rules_of(entry, quantity):
        for level in rule.levels:
            number, unit = words.value(quantity, level.limit, entry.interval_s)
            text = f"{words.line(level.grade)} {number} {unit}".rstrip()
            lines.append(LimitLine(level.grade, level.limit, text))
    return tuple(lines)


def _worst_mark(findings: list[Finding], state: str, words: Words) -> Mark | None:
    marks = [
        mark_of(finding.grade, finding.condition, words)
        for finding in findings
        if finding.grade > Grade.GREEN or finding.condition is Condition.UNKNOWN
    ]
    if state in ("silent", "never", str(Quality.BAD)):
        marks.append(unknown_mark(words))
    return max(marks, key=lambda mark: mark.rank, default=None)


def _rate(findings: list[Finding]) -> float | None:
    """Return the slope of a rise that a rule speaks of now."""
    return next(
        (
            finding.because.rate_per_h
            for finding in findings
            if finding.because.rate_per_h is not None and finding.condition is Condition.ACTIVE
        ),
        None,
    )
