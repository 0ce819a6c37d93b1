"""The hub's heartbeat: alerts is alive, and detectors judge. Not retained, it expires soon.

An extension of the interfaces: `safety-eye/v1/<site>/heartbeat`, written by alerts every
`HEARTBEAT_S`, read by stations. It is what "the hub can be reached" means to them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

# Wall seconds between two beats, and how long one may lie in the broker.
HEARTBEAT_S = 5
HEARTBEAT_EXPIRY_S = 15


class Heartbeat(msgspec.Struct, frozen=True):
    """One beat.

    Attributes:
        at: Run time (ms) of the hub.
        judging: False if detectors have been silent for minutes: then nobody judges, and a station
            that relies on the hub would rely on nobody.
    """

    at: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    judging: bool = True


class HeartbeatError(ValueError):
    """A payload is not a heartbeat."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Heartbeat)


def encode_heartbeat(beat: Heartbeat) -> bytes:
    """Return the JSON payload of a beat.

    >>> encode_heartbeat(Heartbeat(1764500000000))
    b'{"at":1764500000000,"judging":true}'
    """
    return _ENCODER.encode(beat)


def decode_heartbeat(payload: bytes) -> Heartbeat:
    """Return the beat of a payload.

    Raises:
        HeartbeatError: Not a heartbeat.
    """
    try:
        return _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HeartbeatError(f"heartbeat: {error}") from error
