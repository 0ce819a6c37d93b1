"""What comes over the network and is no statement is refused with one error, never with another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.broker import Broker, Message
from core.finding import FindingError, decode_finding, decode_zone_grade
from core.pack import decode_pack
from core.status import StatusError, decode_receipt, decode_status
from tests.servers import Mosquitto, wait_until

HUGE = 2**70


@pytest.mark.parametrize("decode", [decode_status, decode_receipt])
@pytest.mark.parametrize(
    "payload",
    [
        b'{"link":"online","boot":"\xff","seq":[1]}',
        b"[" * 100_000,
        b"null",
        b'{"link":"online","boot":"a","seq":[%d],"at":%d}' % (HUGE, HUGE),
        b'{"link":"online","boot":"a","seq":[-1],"monotonic_ms":-1}',
    ],
)
def test_a_broken_status_or_receipt_is_a_status_error(
    decode: Callable[[bytes], object], payload: bytes
) -> None:
    with pytest.raises(StatusError):
        decode(payload)


@pytest.mark.parametrize("decode", [decode_finding, decode_zone_grade])
@pytest.mark.parametrize(
    "payload",
    [
        b'{"zone":"\xff"}',
        b"[" * 100_000,
        b'{"zone":"z","hazard":"flood","grade":1,"condition":"active","since":0,"at":%d}' % HUGE,
    ],
)
def test_a_broken_finding_or_grade_is_a_finding_error(
    decode: Callable[[bytes], object], payload: bytes
) -> None:
    with pytest.raises(FindingError):
        decode(payload)


@pytest.mark.parametrize(
    "fields",
    [b'"u":"mol/mol","v":1e305', b'"u":"mol/mol","v":1,"max":1e305', b'"v":1,"cnt":%d' % HUGE],
)
def test_a_number_that_overflows_is_set_apart(fields: bytes) -> None:
    pack = decode_pack(b'[{"bn":"g/","bt":1764500000,"n":"carbon-monoxide",%b}]' % fields)
    assert (len(pack.readings), len(pack.rejected)) == (0, 1)


def test_a_message_that_breaks_its_receiver_leaves_the_connection_alive(
    mosquitto: Mosquitto,
) -> None:
    heard: list[bytes] = []

    def receive(message: Message) -> None:
        heard.append(message.payload)
        if message.payload == b"poison":
            raise ValueError("no idea what this is")

    broker = Broker(mosquitto.address, "broken-receiver", on_message=receive, session_expiry_s=0)
    broker.subscribe(["broken-receiver/#"])
    broker.start()
    try:
        assert broker.wait_linked(10)
        wait_until(lambda: broker.publish("broken-receiver/a", b"first").ok and heard)
        broker.publish("broken-receiver/a", b"poison")
        broker.publish("broken-receiver/a", b"after")
        wait_until(lambda: b"after" in heard)
    finally:
        broker.stop()
    assert b"poison" in heard
