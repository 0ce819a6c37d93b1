"""Secrets that every program on one state of alerts shares, and nobody else knows."""

from __future__ import annotations

import secrets

from sqlalchemy import insert, select

from alerts import tables
from alerts.database import Database

_BYTES = 32


def shared_key(database: Database, name: str) -> bytes:
    """Return the key of that name; it is made when it is first asked for."""
    columns = tables.setting.c
    with database.write() as connection:
        known = connection.execute(select(columns.value).where(columns.name == name)).scalar()
        if known is None:
            known = secrets.token_hex(_BYTES)
            connection.execute(insert(tables.setting).values(name=name, value=known))
    return bytes.fromhex(str(known))
