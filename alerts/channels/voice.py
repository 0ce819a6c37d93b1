"""What telephone calls have in common: when somebody is called, and what is spoken."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from alerts.channels.base import (
    Answers,
    Channel,
    Fate,
    Outcome,
    OutcomeKind,
    masked,
    together,
)
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.template import filling
from alerts.incident import Kind
from alerts.message import Notification
from alerts.reply_code import wanted
from core.grade import Grade

# The key that takes over.
KEY = "1"
_GRADES = {grade.word: grade for grade in Grade if grade > Grade.GREEN}


class CallOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options` that every kind of call has.

    Attributes:
        grade: Least grade for which somebody is called: blue, yellow, orange or red.
    """

    grade: str = "orange"


def least_grade(entry: ChannelEntry, options: CallOptions) -> Grade:
    """Return the least grade of a call.

    Raises:
        ChannelError: It is none of the four.
    """
    if options.grade not in _GRADES:
        raise ChannelError(
            f"channel {entry.name!r}: options.grade {options.grade!r}: expected one of"
            f" {', '.join(_GRADES)}"
        )
    return _GRADES[options.grade]


def is_called(note: Notification, least: Grade) -> bool:
    """Tell whether a channel of calls is made for a message; the daily test rings nowhere."""
    return note.kind is Kind.TEST or not_called(note, least) is None


def call_each(
    channel: Channel,
    note: Notification,
    least: Grade,
    answers: Answers | None,
    call: Callable[[str, str], Outcome],
) -> Outcome:
    """Call each number of a contact over a message; return what they come to together.

    Args:
        channel: Whose numbers.
        note: What is to be said.
        least: Least grade for which somebody is called.
        answers: Who gives the code with which a pressed key takes over.
        call: Calls one number; gets it, and that code ("" if there is nothing to take over).
    """
    refusal = not_called(note, least)
    if refusal is not None:
        return refusal
    numbers = channel.addresses(note)
    if not numbers:
        return channel.without_recipient(note)
    code = answers.code(note, channel.name, digits=0) if answers else ""
    return together([Fate(masked(number), call(number, code)) for number in numbers])


def not_called(note: Notification, least: Grade) -> Outcome | None:
    """Return why nobody is called over this, None if somebody is.

    A telephone rings for what somebody must take over, not for an all-clear at three in the
    morning.
    """
    if wanted(note) and note.grade >= least:
        return None
    return Outcome(
        OutcomeKind.PERMANENT, vendor_code="not-called",
        detail=f"calls are for alerts from {least.word} on; other channels tell the rest",
    )  # fmt: skip


def spoken(note: Notification, language: str) -> str:
    """Return what a voice says, short enough to be heard twice."""
    words = filling(note, ("grade", "place", "hazard", "what"), language, 80)
    if language == "zh":
        return f"平安眼，{words['grade']}，{words['place']}，{words['hazard']}。{words['what']}。"
    return f"Safety Eye. {words['grade']}. {words['place']}: {words['hazard']}. {words['what']}."
