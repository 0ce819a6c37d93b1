"""Frozen configuration structs back to TOML text: for files that the demo and tools write."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Any

import msgspec
import tomli_w


def to_toml(config: msgspec.Struct) -> str:
    """Return *config* as TOML that reads back to an equal struct; empty values are left out.

    >>> from core.community import Name
    >>> print(to_toml(Name(zh="北区")), end="")
    zh = "北区"
    """
    return tomli_w.dumps(_plain(config))


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field else {}
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return tag | {
            key: plain
            for name, key in names
            if (plain := _plain(getattr(value, name))) not in (None, "", [], {})
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (str, int, float, bool, dt.date)) or value is None:
        return value
    return str(value)
