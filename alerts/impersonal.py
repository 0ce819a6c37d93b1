"""The gate before the journal: what people write keeps its meaning and loses names and numbers.

The journal can't forget (its hash chain would break), so no name, phone number or mail address may
get in. Known names become the id of the person, numbers and addresses become a mark. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from alerts.incident import Event

T = TypeVar("T")
# Fields of events in which people (or vendors' servers) write freely.
_FREE = frozenset({"detail", "note", "text", "nothing_to_learn", "no_backtest", "reason", "change"})
# Mobile and fixed numbers as they are written in China, and any number with a country code.
_NUMBER = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\w-])"
    r"|(?<![\w.+-])\+\d[\d -]{6,17}\d(?!\w)"
    r"|(?<![\w.+-])0\d{2,3}-\d{7,8}(?![\w-])"
)
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
NUMBER_MARK, MAIL_MARK = "[号码 number]", "[邮箱 mail]"
# One letter or sign is no name that could be found in a text.
SHORTEST_NAME = 2


def impersonal(text: str, names: Mapping[str, str] | None = None) -> str:
    """Return a text without numbers, addresses and the names that are known.

    Args:
        text: What somebody wrote.
        names: Name -> id.

    >>> impersonal("叫王五（13812345678）来", {"王五": "leader-1"})
    '叫[leader-1]（[号码 number]）来'
    """
    for name in sorted(names or {}, key=len, reverse=True):
        if len(name) >= SHORTEST_NAME and name in text:
            text = text.replace(name, f"[{(names or {})[name]}]")
    return _NUMBER.sub(NUMBER_MARK, _MAIL.sub(MAIL_MARK, text))


def storable(text: str, most: int) -> str:
    r"""Return a vendor's words as every database takes them: PostgreSQL refuses U+0000.

    >>> storable("too\x00long", 7)
    'too lon'
    """
    cut = text[:most]
    if cut.isprintable():
        return cut
    return "".join(sign if sign.isprintable() else " " for sign in cut)


def impersonal_event(event: Event, names: Mapping[str, str]) -> Event:
    """Return the event as it may be written down; the same object if nothing was personal."""
    return _walk(event, names)


def has_free_text(event: Event) -> bool:
    """Tell whether somebody wrote something in it, so that the names have to be known."""
    parts = (event.decision, event.step, event.on_site, event.review, event.lesson)
    return bool(event.detail) or any(part is not None for part in parts)


def _walk(value: T, names: Mapping[str, str]) -> T:
    if not isinstance(value, msgspec.Struct):
        return value
    changes: dict[str, Any] = {}
    for name in value.__struct_fields__:
        before = getattr(value, name)
        after: Any = before
        if isinstance(before, str):
            after = impersonal(before, names) if name in _FREE else before
        elif isinstance(before, msgspec.Struct):
            after = _walk(before, names)
        if after is not before and after != before:
            changes[name] = after
    return msgspec.structs.replace(value, **changes) if changes else value
