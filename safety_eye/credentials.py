"""Passwords of stations and of the hub, and Mosquitto's file of their hashes."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from pathlib import Path

from safety_eye.installation import KitError, write_anew

# PBKDF2 rounds. A password here is 256 random bits, which no number of rounds makes safer or
# weaker; Mosquitto's own tool takes 101. It is the broker's work at each connect of each station.
_ROUNDS = 101
_SALT_BYTES = 12
_HASH_BYTES = 64
_PASSWORD_BYTES = 32
_USER = re.compile(r"[a-z0-9-]{1,40}")


def new_password() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def password_line(user: str, password: str, salt: bytes = b"") -> str:
    """Return the line of Mosquitto's password file (type 7: PBKDF2 with HMAC-SHA-512).

    >>> line = password_line("north-1", "secret", b"twelve bytes")
    >>> line.startswith("north-1:$7$101$dHdlbHZlIGJ5dGVz$")
    True
    """
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, _HASH_BYTES)
    words = (base64.b64encode(part).decode("ascii") for part in (salt, digest))
    return f"{user}:$7${_ROUNDS}${'$'.join(words)}"


def users_of(file: Path) -> list[str]:
    """Return who stands in a password file, in its order.

    Raises:
        KitError: It can't be read.
    """
    return [line.split(":", 1)[0] for line in _lines(file)]


def put_user(file: Path, line: str, *, replace: bool = False) -> None:
    """Add a line to a password file, or replace the user's own.

    Raises:
        KitError: The user has a password already (and *replace* is false), or no such file.
    """
    user = line.split(":", 1)[0]
    if _USER.fullmatch(user) is None:
        raise KitError(f"user {user!r}: expected 1 to 40 of a-z, 0-9 and hyphen")
    lines = _lines(file)
    others = [entry for entry in lines if entry.split(":", 1)[0] != user]
    if len(others) < len(lines) and not replace:
        raise KitError(
            f"{file}: {user} has a password already; `broker add --replace` gives a new one"
        )
    write_anew(file, "".join(f"{entry}\n" for entry in [*others, line]), 0o640)


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KitError(f"{file}: can't be read: {error}") from error
    return [line for line in text.splitlines() if line.strip()]
