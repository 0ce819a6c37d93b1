"""Text that fits where it goes: cut to units or bytes between characters, and harmless. Pure."""

from __future__ import annotations


def ucs2(text: str) -> int:
    """Return the length in UTF-16 code units, as SMS counts it.

    >>> ucs2("水位"), ucs2("🌊")
    (2, 2)
    """
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, units: int) -> str:
    """Return *text* in at most *units* UTF-16 code units, cut between characters."""
    if ucs2(text) <= units:
        return text
    while text and ucs2(text) > units - 1:
        text = text[:-1]
    return f"{text}…"


def truncate_utf8(text: str, limit: int) -> str:
    """Return *text* in at most *limit* bytes of UTF-8, cut between characters.

    >>> truncate_utf8("水位水位", 10), truncate_utf8("水位", 6)
    ('水位…', '水位')
    """
    data = text.encode()
    if len(data) <= limit:
        return text
    mark = "…".encode()
    if limit < len(mark):
        return ""
    return data[: limit - len(mark)].decode(errors="ignore") + "…"


def harmless(text: str) -> str:
    """Return text that mentions nobody and opens no tag: names come from outside.

    >>> harmless("<@all> 水位")
    '＜@all＞ 水位'
    """
    return text.replace("<", "＜").replace(">", "＞")
