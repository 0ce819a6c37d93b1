"""Who is told what, over which channels, until when. Pure policy; the outbox carries it out.

* A rise goes to the first steps of its grade's ladder, a rung to its own people (`alerts.ladder`).
* An update (fall between grades) and a clear go to whom the peak concerned, and to whoever was
  called meanwhile, these over one channel only: nobody is rung up to hear that it is over.
* If nobody has a wanted role, everybody who has a channel is told, residents excepted: an alert
  without a recipient is worse than one too many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from alerts.ladder import ALL, FIRST, Step
from core.community import Community, Contact
from core.grade import Grade

DUTY = ("duty",)
# Told in plain words and only by a ladder or a plan that names them.
PUBLIC = ("resident",)
# Outside the community; they are informed of what is serious.
AUTHORITIES = ("street-office",)
# No people: a siren that sounds has told nobody who could take over.
MACHINES = ("sounder",)
# How long a message is worth sending, run milliseconds. An alert that is told hours later misleads;
# an incident that is still open is announced afresh by its ladder.
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


def of_steps(
    steps: Iterable[Step], community: Community, duty: Community | None = None
) -> list[Address]:
    """Return the addresses of some steps; who stands in several is told over all they name.

    Args:
        steps: Some of a ladder.
        community: Every contact, for those whom a step names.
        duty: Only those on duty now, in the roles that they play (`alerts.roster`); a step's roles
            mean these. None: everybody.
    """
    acting = {(contact.id, contact.role) for contact in (duty or community).contact}
    found: dict[str, list[Address]] = {}
    for step in steps:
        for contact in community.contact:
            wanted = any((contact.id, role) in acting for role in step.roles)
            wanted = wanted or contact.id in step.contacts
            if contact.channels and wanted:
                found.setdefault(contact.id, []).extend(_over(contact, step.channels))
    return [address for own in found.values() for address in _merged(own)]


def announced(
    steps: Sequence[Step], community: Community, grade: Grade, duty: Community | None = None
) -> list[Address]:
    """Return whom an announcement goes to: its steps, else everybody."""
    machines = {contact.id for contact in community.contact if contact.role in MACHINES}
    found = of_steps(steps, community, duty)
    if any(address.contact not in machines for address in found):
        return found
    return everybody(community, grade)


def everybody(community: Community, grade: Grade) -> list[Address]:
    """Return everybody who works for the community: nobody could be told so far.

    Authorities hear of orange and red only, as long as there is anybody else.
    """
    over = (ALL,) if grade >= Grade.ORANGE else (FIRST,)
    people = [
        contact for contact in community.contact if contact.channels and contact.role not in PUBLIC
    ]
    own = [contact for contact in people if contact.role not in AUTHORITIES]
    whom = own if own and grade < Grade.ORANGE else people
    return [address for contact in whom for address in _over(contact, over)]


def to_contact(name: str, community: Community, grade: Grade) -> list[Address]:
    """Return the addresses of one contact; of the duty if the name is no contact's."""
    over = (ALL,) if grade >= Grade.ORANGE else (FIRST,)
    own = of_steps([Step(0.0, contacts=(name,), channels=over)], community)
    return own or announced([Step(0.0, roles=DUTY, channels=over)], community, grade)


def also(addresses: Sequence[Address], names: Iterable[str], community: Community) -> list[Address]:
    """Return *addresses* and one for each of *names* that is not among them."""
    known = {address.contact for address in addresses}
    more = tuple(name for name in dict.fromkeys(names) if name not in known)
    step = Step(0.0, contacts=more, channels=(FIRST,))
    return [*addresses, *of_steps([step] if more else [], community)]


def _over(contact: Contact, wanted: Sequence[str]) -> list[Address]:
    channels = tuple(dict.fromkeys(channel_name(name) for name in contact.channels))
    if FIRST in wanted:
        return [Address(contact.id, channels[0], channels[1:])]
    named = [channel for channel in channels if channel in wanted]
    return [Address(contact.id, channel) for channel in named or channels]


def _merged(addresses: Sequence[Address]) -> list[Address]:
    """Return one address a channel: what is told anyway needs no fallback."""
    channels = {address.channel for address in addresses}
    merged: dict[str, Address] = {}
    for address in addresses:
        rest = tuple(name for name in address.fallback if name not in channels)
        merged.setdefault(address.channel, Address(address.contact, address.channel, rest))
    return list(merged.values())


def without(addresses: Iterable[Address], channels: Collection[str]) -> list[Address]:
    """Return the addresses that are left when *channels* may not be used."""
    left = []
    for address in addresses:
        usable = [n for n in (address.channel, *address.fallback) if n not in channels]
        if usable:
            left.append(replace(address, channel=usable[0], fallback=tuple(usable[1:])))
    return left


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
