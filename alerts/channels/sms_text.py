"""The text of an SMS that we write ourselves, and what people write back. Pure."""

from __future__ import annotations

import re
import unicodedata

from alerts.channels.pdu import is_gsm, room, units
from alerts.message import Notification, short
from alerts.reply_code import Said

# What the 7-bit alphabet lacks and a phone shows the same: one such sign would halve the room.
_PLAIN = str.maketrans({"…": "...", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"', "−": "-",
                        "\N{NO-BREAK SPACE}": " ", "³": "3", "²": "2", "°": " deg"})  # fmt: skip
_CODE = re.compile(r"(?<!\d)[0-9]{4}(?!\d)")
_APART = re.compile(r"[\s.-]+")
_ANSWERS = {
    Said.TAKEN: (
        "已接手 #{incident}。处置结束后请在控制台记录。",
        "You have taken over #{incident}.",
    ),
    Said.USED: (
        "口令已用过，#{incident} 此前已接手。",
        "This code was used, #{incident} is taken over.",
    ),
    Said.WRONG: (
        "口令不对或已过期，请核对最新短信。",
        "Wrong or expired code; see the latest SMS.",
    ),
    Said.WORSE: (
        "#{incident} 已升级，此口令失效，请按最新短信回复。",
        "#{incident} has become worse; this code is void. Answer the latest SMS.",
    ),
    Said.CLOSED: ("#{incident} 已结束，无需接手。", "#{incident} is over; nothing to take over."),
}


def sms_text(note: Notification, code: str, language: str, parts: int) -> str:
    """Return what one SMS, or so many parts of one, can hold: fact first, code for the answer last.

    Args:
        note: What is told.
        code: That takes it over; "" for none.
        language: `zh` or `en`.
        parts: SMS that it may take.
    """
    zh = language == "zh"
    ending = (f" 回复{code}接手" if zh else f" Reply {code} to take over") if code else ""
    for most in (1, parts):
        wide = short(note, language, 1000).translate(_PLAIN) + ending
        if units(wide) <= room(wide, most):
            return wide
    body = short(note, language, room(wide, parts)).translate(_PLAIN)
    whole = body + ending
    while units(whole) > room(whole, parts):
        body = body[:-1]
        whole = f"{body}{'...' if is_gsm(body + ending) else '…'}{ending}"
    return whole


def codes_in(text: str) -> list[str]:
    """Return the four-digit numbers of a reply, whatever stands around them.

    >>> codes_in("收到，４８２１ 接手"), codes_in("48 21"), codes_in("48213"), codes_in("ok")
    (['4821'], ['4821'], [], [])
    """
    plain = unicodedata.normalize("NFKC", text[:500])
    alone = _APART.sub("", plain)  # nothing but the digits, as they are read aloud
    return [alone] if _CODE.fullmatch(alone) else _CODE.findall(plain)


def answer_text(said: Said, incident: int, language: str) -> str:
    """Return what somebody hears who has sent a code."""
    return _ANSWERS[said][0 if language == "zh" else 1].format(incident=incident)
