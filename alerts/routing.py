"""Who is told what, over which channels, until when. Pure policy; the outbox carries it out.

For now (the escalation ladder deepens it):

* a rise goes to the contacts with role duty; orange and red also to deputies and leaders;
* an update (fall between grades) and a clear go to everybody whom the peak concerned;
* blue and yellow use a contact's first channel and fall back to the next on refusal; orange and red
  use all of a contact's channels at once;
* if nobody has a wanted role, everybody who has a channel is told: an alert without a recipient is
  worse than one too many.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from alerts.incident import Kind
from core.community import Community, Contact
from core.grade import Grade

DUTY = ("duty",)
COMMAND = ("duty", "deputy", "leader")
# How long a message is worth sending, run milliseconds. An alert that is told hours later misleads;
# an incident that is still open is announced afresh (incident.Patience.untold_ms).
MAX_AGE_MS = {
    Grade.RED: 1_800_000,
    Grade.ORANGE: 1_800_000,
    Grade.YELLOW: 7_200_000,
    Grade.BLUE: 21_600_000,
    Grade.GREEN: 7_200_000,
}
# In a fast demo a deadline in run time would end within one HTTP time-out: never less than this.
MIN_AGE_WALL_MS = 60_000


@dataclass(frozen=True, slots=True)
class Address:
    """One row to write: whom, over which channel, and what to try next if that refuses."""

    contact: str
    channel: str
    fallback: tuple[str, ...] = ()


def audience(kind: Kind, grade: Grade, peak: Grade, community: Community) -> list[Contact]:
    """Return who is told."""
    worst = grade if kind is Kind.ALERT else peak
    roles = COMMAND if worst >= Grade.ORANGE else DUTY
    reachable = [contact for contact in community.contact if contact.channels]
    return [contact for contact in reachable if contact.role in roles] or reachable


def addresses(
    kind: Kind, grade: Grade, peak: Grade, community: Community, *, everybody: bool = False
) -> list[Address]:
    """Return one address for each row of an announcement.

    Args:
        kind: Of the announcement.
        grade: Of the announcement.
        peak: Of its incident.
        community: Contacts and their channels.
        everybody: True if nobody could be told so far: roles don't matter any more.
    """
    worst = grade if kind is Kind.ALERT else peak
    people = (
        [contact for contact in community.contact if contact.channels]
        if everybody
        else audience(kind, grade, peak, community)
    )
    found = []
    for contact in people:
        channels = tuple(dict.fromkeys(channel_name(name) for name in contact.channels))
        if worst >= Grade.ORANGE:
            found += [Address(contact.id, channel) for channel in channels]
        else:
            found.append(Address(contact.id, channels[0], channels[1:]))
    return found


def channel_name(text: str) -> str:
    """Return the channel of a contact's entry; what follows a colon is personal and stays there.

    >>> channel_name("sms:+8613800000000"), channel_name("wecom-duty")
    ('sms', 'wecom-duty')
    """
    return text.partition(":")[0]


def deadline(grade: Grade, now: int, speed: float) -> int:
    """Return until when (run ms) a message of *grade* is worth sending."""
    return now + max(MAX_AGE_MS[grade], round(MIN_AGE_WALL_MS * speed))


def unreachable(community: Community, channels: Collection[str]) -> list[str]:
    """Return, in words, who can't be told anything with the configured channels."""
    found = [
        f"contact {contact.id!r}: none of its channels is configured"
        for contact in community.contact
        if not any(channel_name(name) in channels for name in contact.channels)
    ]
    if not any(contact.role in DUTY for contact in community.contact):
        found.append("no contact has the role duty: everybody is told everything")
    return found
