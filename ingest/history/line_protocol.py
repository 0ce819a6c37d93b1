"""InfluxDB line protocol: readings, grades and station states as lines, nanosecond times.

One type for each field for ever: numbers of the world are floats (always with a decimal point or an
exponent), codes and counters are integers. Nothing that is not finite is ever written.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from core.finding import Condition, ZoneGrade
from core.quality import Quality
from ingest.history.base import QUALITY_CODES, Point, Series, StationState, reason_bits

_CONDITION_CODES = {Condition.CLEARED: 0, Condition.ACTIVE: 1, Condition.UNKNOWN: 2}
_ESCAPES = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\n": "", "\r": "", "\\": "/", "\0": ""}
)


def escape(text: str) -> str:
    r"""Return *text* as a tag value or a key; a backslash becomes a slash (it can't stand last).

    >>> escape("a b,c=d")
    'a\\ b\\,c\\=d'
    """
    return text.translate(_ESCAPES)


def tags(measurement: str, pairs: dict[str, str]) -> str:
    """Return measurement and tags, sorted; empty values are left out.

    >>> tags("reading", {"site": "a", "zone": ""})
    'reading,site=a'
    """
    written = [f"{key}={escape(value)}" for key, value in sorted(pairs.items()) if value]
    return ",".join([measurement, *written])


def series_tags(series: Series) -> str:
    """Return measurement and tags of a series."""
    return tags(
        "reading",
        {
            "site": series.site,
            "station": series.station,
            "zone": series.zone,
            "sensor": series.sensor,
            "quantity": str(series.quantity),
        },
    )


class LineEncoder:
    """Encodes readings; remembers the tags of each series."""

    def __init__(self) -> None:
        self._prefixes: dict[Series, str] = {}

    def encode(
        self,
        points: Sequence[Point],
        grades: Sequence[ZoneGrade] = (),
        stations: Sequence[StationState] = (),
        site: str = "",
    ) -> bytes:
        """Return one line for each, each ended by a newline."""
        lines = self._readings(points)
        lines += [_grade_line(grade, site) for grade in grades]
        lines += [_station_line(state, site) for state in stations]
        return "".join(lines).encode()

    def _readings(self, points: Sequence[Point]) -> list[str]:
        prefixes, good, lines = self._prefixes, Quality.GOOD, []
        for series, reading in points:
            prefix = prefixes.get(series)
            if prefix is None:
                prefix = prefixes[series] = series_tags(series)
            value = reading.value
            if reading.quality is good and reading.count == 1 and value is not None:
                lines.append(
                    f"{prefix} value={float(value)!r},quality=0i,n=1i {reading.at}000000\n"
                )
            else:
                lines.append(_reading_line(prefix, points[len(lines)]))
        return lines


def _reading_line(prefix: str, point: Point) -> str:
    _, reading = point
    fields = [f"quality={QUALITY_CODES[reading.quality]}i", f"n={reading.count}i"]
    fields += [
        f"{name}={float(number)!r}"
        for name, number in (
            ("value", reading.value),
            ("min", reading.minimum),
            ("max", reading.maximum),
        )
        if number is not None and isfinite(number)
    ]
    if reading.reasons:
        fields.append(f"why={reason_bits(reading.reasons)}i")
    return f"{prefix} {','.join(fields)} {reading.at}000000\n"


def _grade_line(grade: ZoneGrade, site: str) -> str:
    head = tags("grade", {"site": site, "zone": grade.zone, "hazard": str(grade.hazard)})
    return (
        f"{head} grade={int(grade.grade)}i,condition={_CONDITION_CODES[grade.condition]}i,"
        f"incident={grade.incident}i {grade.at}000000\n"
    )


def _station_line(state: StationState, site: str) -> str:
    head = tags("station", {"site": site, "station": state.station})
    health = "".join(
        f",{escape(name)}={float(number)!r}"
        for name, number in sorted(state.health.items())
        if isfinite(number) and name and name != "online"
    )
    return f"{head} online={int(state.online)}i{health} {state.at}000000\n"


def station_of(line: bytes) -> str:
    """Return the station of a reading's line, "" for every other line.

    >>> station_of(b"reading,sensor=a,site=s,station=north-1 value=1.0 0")
    'north-1'
    """
    if not line.startswith(b"reading,"):
        return ""
    for part in line.split(b" ", 1)[0].split(b","):
        key, _, value = part.partition(b"=")
        if key == b"station":
            return value.decode(errors="replace")
    return ""
