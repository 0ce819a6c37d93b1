"""What comes in on MQTT becomes a finding that may be believed, or is refused with the reason."""

from __future__ import annotations

import msgspec

from core import topics
from core.broker import Message
from core.finding import Condition, Finding, FindingError, decode_finding
from core.grade import Grade
from core.identity import is_slug

# A finding is about 500 bytes; a lost station with a hundred members about 5 kB.
MAX_BYTES = 65_536


def decode(message: Message, site: str) -> Finding:
    """Return the actual finding of a message: what its topic says, whatever it says of a drill.

    Raises:
        FindingError: It is none, contradicts itself or its topic; sending it again won't help.
    """
    finding = _decoded(message)
    if message.topic != topics.finding(site, finding.subject, finding.rule):
        raise FindingError("finding: its subject and rule are not those of its topic")
    return msgspec.structs.replace(finding, drill="") if finding.drill else finding


def decode_of_drill(message: Message, site: str) -> Finding:
    """Return the finding of a message from the topics of a drill.

    Raises:
        FindingError: It is none, contradicts itself or its topic; sending it again won't help.
    """
    finding = _decoded(message)
    of_drill = topics.drill_finding(site, finding.drill, finding.subject, finding.rule)
    if not is_slug(finding.drill) or message.topic != of_drill:
        raise FindingError("finding: its drill, subject and rule are not those of its topic")
    return finding


def _decoded(message: Message) -> Finding:
    if len(message.payload) > MAX_BYTES:
        raise FindingError(f"finding: {len(message.payload)} bytes, at most {MAX_BYTES}")
    finding = decode_finding(message.payload)
    if not is_slug(finding.zone):
        raise FindingError(f"finding: zone {finding.zone!r} is not a slug")
    if any(blank in name for name in (finding.subject, finding.rule) for blank in " \t\n"):
        raise FindingError("finding: blank in subject or rule")
    if (finding.condition is Condition.CLEARED) and finding.grade is not Grade.GREEN:
        raise FindingError(f"finding: cleared, yet {finding.grade.word}")
    if finding.condition is Condition.ACTIVE and finding.grade is Grade.GREEN:
        raise FindingError("finding: active, yet green")
    return finding
