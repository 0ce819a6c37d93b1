"""A finding: what a detector says of one subject under one rule, with its reasons as data."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from core.grade import Grade

# What a JSON number can hold exactly; beyond it neither SQLite nor other readers follow.
_MOST = 2**53
_Whole = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]


class Hazard(StrEnum):
    """What may harm people."""

    FLOOD = "flood"
    FIRE = "fire"
    AIR = "air"
    CROWD = "crowd"
    EQUIPMENT = "equipment"


class Condition(StrEnum):
    """Whether the condition holds. Unknown is a state of its own and never means all clear."""

    ACTIVE = "active"
    CLEARED = "cleared"
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    """How sure the judgement is (CAP 1.2)."""

    OBSERVED = "Observed"
    LIKELY = "Likely"
    POSSIBLE = "Possible"


class Because(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a finding says what it says, as data; the text is written in the reader's language.

    Attributes:
        value, unit: The reading that decided, canonical unit.
        limit: The limit that was crossed, canonical unit.
        limit_grade: The grade word that this limit stands for.
        side: "high" or "low".
        samples: How many readings in a row agreed.
        held_s: For how long the condition has been observed, in seconds.
        quality, reasons: Quality of the deciding reading.
        rate_per_h: Slope in canonical units per hour.
        lead_s: Seconds until the limit is reached at this slope.
        lead_low_s, lead_high_s: Band of `lead_s` at about 95 %; no high end: it may never come.
        usual: What was expected instead of the value, canonical unit.
        scatter, usual_scatter: Standard deviation of the readings now, and as it mostly is.
        rarity: One in so many readings of this series is as unusual.
        share: How much of what raises the alarm is used up, 1 = all (exposure, dose).
        silent_s: How long nothing has come, in seconds.
        expected_s: How often something should come, in seconds.
        members: Subjects that this finding explains (a lost station and its sensors).
        note: One slug that names a special case, e.g. "never-reported", "stopped".
        source: Who says so, where it was none of our sensors: the sender of an upstream warning.
    """

    value: float | None = None
    unit: str = ""
    limit: float | None = None
    limit_grade: str = ""
    side: str = ""
    samples: int = 0
    held_s: float | None = None
    quality: str = ""
    reasons: tuple[str, ...] = ()
    rate_per_h: float | None = None
    lead_s: float | None = None
    lead_low_s: float | None = None
    lead_high_s: float | None = None
    usual: float | None = None
    scatter: float | None = None
    usual_scatter: float | None = None
    rarity: float | None = None
    share: float | None = None
    silent_s: float | None = None
    expected_s: float | None = None
    members: tuple[str, ...] = ()
    note: str = ""
    source: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule says of one subject now. Published retained; green is published, too.

    Attributes:
        subject: `<sensor>.<quantity>`, `zone.<zone>` or `station.<station>`.
        rule: Name of the detector's rule, e.g. `limit-high`, `rise`, `silence`, `link`.
        zone, hazard: Which incident it belongs to.
        grade: Grade under this rule; when unknown, the last one that was known.
        condition: Active (grade above green), cleared, or unknown.
        certainty: How sure.
        at: Event time (ms) of the reading that decided; for absence, of the judgement.
        since: Event time (ms) at which this grade began.
        judged: Run time (ms) at which it was judged.
        late: True if judged from late data: it tells what was, not what is, and raises nothing new.
        score: 0..1, 0.5 = firing.
        fault: One reason word if the sensor rather than the world is at fault, else "".
        because: Why.
        drill: Id of the drill in which it was found, "" if it is actual. Whoever reads it believes
            the topic, not this field.
    """

    subject: str
    rule: str
    zone: str
    hazard: Hazard
    grade: Grade
    condition: Condition
    certainty: Certainty = Certainty.OBSERVED
    at: _Whole
    since: _Whole
    judged: _Whole
    late: bool = False
    score: float = 0.0
    fault: str = ""
    because: Because
    drill: str = ""


class FindingError(ValueError):
    """A payload is not a finding; sending it again won't help."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Finding)


def encode_finding(finding: Finding) -> bytes:
    """Return the JSON payload of *finding*."""
    return _ENCODER.encode(finding)


def decode_finding(payload: bytes) -> Finding:
    """Return the finding of a payload.

    Raises:
        FindingError: Not a finding.
    """
    try:
        return _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FindingError(f"finding: {error}") from error


class ZoneGrade(msgspec.Struct, frozen=True, kw_only=True):
    """The grade of one zone and hazard, as alerts publishes it for stations, history and walls.

    Attributes:
        zone, hazard: Where and what.
        grade: Current grade.
        condition: Active, cleared or unknown.
        since: Run time (ms) at which this grade began.
        at: Run time (ms) of this statement.
        incident: Number of the open incident, 0 if none.
    """

    zone: str
    hazard: Hazard
    grade: Grade
    condition: Condition
    since: _Whole
    at: _Whole
    incident: _Whole = 0


_GRADE_DECODER = msgspec.json.Decoder(ZoneGrade)


def encode_zone_grade(grade: ZoneGrade) -> bytes:
    """Return the JSON payload of a zone's grade."""
    return _ENCODER.encode(grade)


def decode_zone_grade(payload: bytes) -> ZoneGrade:
    """Return the zone grade of a payload.

    Raises:
        FindingError: Not a zone grade.
    """
    try:
        return _GRADE_DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FindingError(f"zone grade: {error}") from error
