"""What fills the variables of a text that a vendor and the carriers have approved (SMS, voice).

In China nobody may send free text: signature and template are filed once (实名制报备, channels
1.14), and a message brings its variables only. A variable holds no link, and no more characters
than were agreed.
"""

from __future__ import annotations

import re

from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.incident import Kind
from alerts.message import Notification, drill_mark, kind_words, local_time

# What a template may ask for. No link: `isv.PARAM_NOT_SUPPORT_URL` (channels 1.7).
WORDS = ("grade", "place", "hazard", "what", "time", "number")
USUAL = ("grade", "place", "hazard", "time", "number")
# Aliyun's limit of a variable of a notification, in characters (channels 1.7: length-limited).
MOST_CHARACTERS = 35
# Brackets mark the signature of an SMS; a link or an address in a variable is refused.
_BRACKETS = re.compile(r"[【】\[\]<>]")
_LINK = re.compile(r"https?:|www\.", re.IGNORECASE)


def check_words(entry: ChannelEntry, words: tuple[str, ...]) -> None:
    """Refuse a template variable that we can't fill.

    Raises:
        ChannelError: It is unknown; the message lists the known ones.
    """
    unknown = [word for word in words if word not in WORDS]
    if unknown or not words:
        raise ChannelError(
            f"channel {entry.name!r}: options.parameters {', '.join(unknown) or 'is empty'}:"
            f" expected some of {', '.join(WORDS)}"
        )


def filling(
    note: Notification, words: tuple[str, ...], language: str, most: int = MOST_CHARACTERS
) -> dict[str, str]:
    """Return the variables of a template, in the order of *words*.

    Args:
        note: What is told.
        words: Which variables, of `WORDS`.
        language: `zh` or `en`.
        most: Characters that one variable may have.
    """
    values = {
        "grade": _grade(note, language),
        "place": note.place.in_language(language),
        "hazard": note.hazard_name.in_language(language),
        "what": note.headline.in_language(language),
        "time": local_time(note.since or note.at, note.timezone, language),
        "number": f"{note.incident}-{note.seq}",
    }
    if "grade" not in words:  # it would carry the mark of a drill
        values[words[0]] = drill_mark(note, language) + values[words[0]]
    return {word: _fit(values[word], most) for word in words}


def _grade(note: Notification, language: str) -> str:
    """Return the words that stand for the whole message; a drill says so first."""
    words = {
        Kind.DIGEST: ("汇总", "digest"),
        Kind.TEST: ("通道测试", "channel test"),
        Kind.NOTICE: ("提醒", "notice"),
    }
    usual = kind_words(note, language)
    said = words.get(note.kind, (usual, usual))[0 if language == "zh" else 1]
    return drill_mark(note, language) + said.replace("·", " ")  # no sign that carriers refuse


def _fit(text: str, most: int) -> str:
    text = _LINK.sub("", _BRACKETS.sub("", " ".join(text.split())))
    if not text:
        return "-"  # an empty variable is refused
    return text if len(text) <= most else text[: most - 1] + "…"
