"""Secrets that every program on one state of alerts shares, and nobody else knows."""

from __future__ import annotations

import contextlib
import secrets

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from alerts import tables
from alerts.database import Database

_BYTES = 32


def shared_key(database: Database, name: str) -> bytes:
    """Return the key of that name; it is made when it is first asked for."""
    known = _kept(database, name)
    if known is None:
        fresh = {"name": name, "value": secrets.token_hex(_BYTES)}
        with contextlib.suppress(IntegrityError), database.write() as connection:
            connection.execute(insert(tables.setting).values(fresh))
        # Another program may have been faster: what is kept holds.
        known = _kept(database, name)
    assert known is not None
    return bytes.fromhex(known)


def _kept(database: Database, name: str) -> str | None:
    columns = tables.setting.c
    with database.read() as connection:
        return connection.execute(select(columns.value).where(columns.name == name)).scalar()
