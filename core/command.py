"""Signed commands from the hub to one station: HMAC-SHA256 with the station's own key.

`{"body":"…","mac":"…"}`: the body is the JSON text of a `Command`, and the signature is over those
very bytes and the topic, so that a command of one station is none of another. What makes a command
fresh is decided by the station (`edge.acting.orders`): expiry, a nonce that is accepted once, and
the boot id where the station's clock can't be trusted.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import StrEnum
from typing import Annotated

import msgspec

# Longest life of a command (run ms): nobody sends one for tomorrow.
LONGEST_LIFE_MS = 3_600_000
MAX_COMMAND_BYTES = 4_000
_Short = Annotated[str, msgspec.Meta(max_length=80)]
_Instant = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Verb(StrEnum):
    """What a station can be told."""

    TEST = "test"  # switch an output on for a few seconds
    SOUND = "sound"  # switch an output on for `seconds`
    STOP = "stop"  # end what `sound` or `test` began
    SILENCE = "silence"  # quiet until it gets worse, or until it is over and comes again
    ACKNOWLEDGE = "acknowledge"  # a person has the warning: no output need call for one
    RELOAD = "reload"  # read station.toml again


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command.

    Attributes:
        verb: What to do.
        output: Id of the output; empty for all of them, or where the verb needs none.
        seconds: For how long (test, sound).
        by: Who orders it, for the journal.
        nonce: Random, never twice; the answer carries it.
        boot: Boot of the station that it was meant for, as the hub saw it in its status.
        issued, expires: Run time (ms).
    """

    verb: Verb
    output: _Short = ""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    by: _Short = ""
    nonce: Annotated[str, msgspec.Meta(min_length=16, max_length=64)]
    boot: _Short = ""
    issued: _Instant
    expires: _Instant


class Signed(msgspec.Struct, frozen=True):
    """A command as it travels."""

    body: str
    mac: str


class CommandError(ValueError):
    """A payload is not a command that this key has signed; sending it again won't help."""


_ENCODER = msgspec.json.Encoder()
_SIGNED = msgspec.json.Decoder(Signed)
_COMMAND = msgspec.json.Decoder(Command)


def new_nonce() -> str:
    """Return a nonce of 128 random bits."""
    return secrets.token_hex(16)


def sign_command(command: Command, topic: str, key: bytes) -> bytes:
    """Return the payload that carries *command* on *topic*."""
    body = _ENCODER.encode(command)
    return _ENCODER.encode(Signed(body.decode(), _mac(body, topic, key)))


def open_command(payload: bytes, topic: str, key: bytes) -> Command:
    """Return the command of a payload, if *key* has signed it for *topic*.

    Raises:
        CommandError: It is none, or the signature is not ours.
    """
    if len(payload) > MAX_COMMAND_BYTES:
        raise CommandError(f"command: {len(payload)} bytes, at most {MAX_COMMAND_BYTES}")
    try:
        signed = _SIGNED.decode(payload)
        body = signed.body.encode()
        if not hmac.compare_digest(signed.mac.encode(), _mac(body, topic, key).encode()):
            raise CommandError("command: the signature is not that of this station's key")
        return _COMMAND.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise CommandError(f"command: {error}") from error


def _mac(body: bytes, topic: str, key: bytes) -> str:
    return hmac.new(key, topic.encode() + b"\n" + body, hashlib.sha256).hexdigest()
