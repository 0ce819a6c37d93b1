"""The channel seam: one way to reach people. A channel sends one notification and reads the answer.

HTTP 200 is not delivery: several vendors refuse in the body of a 200, so each channel classifies
the whole answer. A channel keeps no queue and never retries: the outbox does, by the outcome.

Adding a channel is one module, one line in `alerts/channels/__init__.py`, one sample in
`tests/contracts/test_channels.py`; the contract suite then runs on it by itself.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from alerts.message import Notification
from alerts.reply_code import Said

# An international telephone number (E.164).
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


class OutcomeKind(StrEnum):
    """What became of one attempt."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # not now: rate limit, busy, connection refused
    PERMANENT = "permanent"  # this message will never be taken
    MISCONFIGURED = "misconfigured"  # no message will be taken until somebody mends the channel
    UNKNOWN = "unknown"  # it went out and nobody said whether it arrived


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one recipient of a message.

    Attributes:
        recipient: Number or address, masked: it ends in logs and in the journal.
        outcome: What the vendor said of this one.
    """

    recipient: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a channel made of the vendor's answer.

    Attributes:
        kind: Class of the outcome.
        vendor_id: The vendor's id of the message, if it gave one.
        vendor_code: The vendor's code, or the HTTP status.
        retry_after_s: How long the vendor asks to wait, wall seconds.
        detail: For people; never holds a key, token or URL with one.
        disable: True if the receiver asked never to be called again (HTTP 410).
        personal: True if it is about this recipient alone (a limit of one number, a full mailbox):
            others can be told over this channel now.
        fates: One for each recipient, where the vendor says so.
    """

    kind: OutcomeKind
    vendor_id: str = ""
    vendor_code: str = ""
    retry_after_s: float | None = None
    detail: str = ""
    disable: bool = False
    personal: bool = False
    fates: tuple[Fate, ...] = ()


def is_number(text: str) -> bool:
    """Tell whether *text* is a telephone number with its country.

    >>> is_number("+8613800000000"), is_number("13800000000")
    (True, False)
    """
    return _NUMBER.fullmatch(text) is not None


def masked(recipient: str) -> str:
    """Return a number or address that people can still tell apart, and nobody can call.

    >>> masked("+8613812345678"), masked("li.wei@example.com"), masked("LiWei")
    ('+86…5678', 'l…@example.com', 'L…')
    """
    if recipient.startswith("+"):
        return f"{recipient[:3]}…{recipient[-4:]}"
    name, at, host = recipient.partition("@")
    return f"{name[:1]}…{at}{host}"


def together(fates: Sequence[Fate]) -> Outcome:
    """Return what several recipients of one contact come to: reached on one is reached.

    Otherwise the kind that leaves most hope decides; the longest wait that was asked for holds.
    """
    for kind in OutcomeKind:  # their order: accepted, retry, …; unknown is worth more than refused
        found = [fate for fate in fates if fate.outcome.kind is kind]
        if kind in _REFUSED and any(fate.outcome.kind is OutcomeKind.UNKNOWN for fate in fates):
            continue
        if not found:
            continue
        first = found[0].outcome
        failed = [fate for fate in fates if fate.outcome.kind is not OutcomeKind.ACCEPTED]
        waits = [fate.outcome.retry_after_s for fate in found if fate.outcome.retry_after_s]
        return Outcome(
            kind,
            vendor_id=first.vendor_id,
            vendor_code=first.vendor_code,
            retry_after_s=max(waits, default=None),
            detail="; ".join(f"{fate.recipient}: {fate.outcome.detail}" for fate in failed),
            personal=all(fate.outcome.personal for fate in found),
            fates=tuple(fates),
        )
    raise AssertionError("a message without a recipient")


_REFUSED = (OutcomeKind.PERMANENT, OutcomeKind.MISCONFIGURED)


class Answers(Protocol):
    """Where a channel brings what it hears after a message went out (`alerts.answers`)."""

    def code(self, note: Notification, channel: str, *, digits: int = 4) -> str:
        """Return the code that takes this over, "" if there is nothing to take over."""

    def take(
        self, channel: str, contacts: Collection[str], code: str, how: str
    ) -> tuple[Said, int]:
        """Somebody sent a code; return what became of it, and of which incident."""

    def exercise(self, incident: int) -> bool:
        """Tell whether an incident is a drill's: whatever is said of it says so."""

    def delivered(self, notification: str, detail: str) -> None:
        """The recipient has it."""

    def undelivered(self, notification: str, detail: str) -> None:
        """It was accepted and has not arrived: the next channel is tried now."""

    def health(self, channel: str, outcome: Outcome) -> None:
        """A channel says by itself that it can't send, or can again."""


class Channel(ABC):
    """Base of all channels. `send` is called from several threads at once.

    Attributes:
        name: Name in hub.toml, by which contacts refer to it.
        per_minute: Messages a minute that we allow ourselves, None without a limit.
        per_second: And in any second, where the vendor counts these, too; needs `per_minute`.
        concurrency: Sends under way at once.
        idempotent: True if the receiver drops a repeated id, so that a message of unknown fate may
            always be sent again.
        shared: True if all contacts of this channel read the same group: one message is enough, and
            no link in it may act in somebody's name.
        recipients: Personal addresses by contact, from `channels = ["sms:+86…"]` of community.toml:
            the outbox and the journal hold ids only.
        example: What such an address looks like; "" where a contact needs none.
        figures: What the channel measures of itself, unit in the name (`signal_dbm`); its own
            thread replaces the whole, others read it.
    """

    name: str
    per_minute: int | None = None
    per_second: int | None = None
    concurrency: int = 4
    idempotent: bool = False
    shared: bool = False
    recipients: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    example: str = ""
    figures: Mapping[str, float] = MappingProxyType({})

    @abstractmethod
    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once. Never raises for what the network or the vendor does.

        Args:
            note: What to tell.
            now_s: Wall seconds since the epoch, for signatures.
        """

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return not self.example or bool(address)

    def addresses(self, note: Notification) -> list[str]:
        """Return the usable addresses of a notification's contact."""
        return [one for one in self.recipients.get(note.contact, ()) if self.usable(one)]

    def without_recipient(self, note: Notification) -> Outcome:
        """Return the outcome of a message to a contact who can't be reached over this."""
        return Outcome(
            OutcomeKind.PERMANENT,
            vendor_code="recipient",
            detail=f"contact {note.contact}: community.toml gives no usable address for this"
            f' channel; expected channels = ["{self.name}:{self.example}"]',
        )

    def takes(self, note: Notification) -> bool:
        """Tell whether this channel is made for such a message; else it is not even queued."""
        del note
        return True

    def start(self, answers: Answers) -> None:  # noqa: B027  # most channels only send
        """Begin to listen, where answers can come back. Called once, before anything is sent."""

    def wait_ready(self, timeout_s: float) -> None:  # noqa: B027  # most are ready at once
        """Wait until it can send, at most so many wall seconds; what it lacks shows in `send`."""

    def close(self) -> None:  # noqa: B027  # most channels hold nothing
        """Close connections."""
