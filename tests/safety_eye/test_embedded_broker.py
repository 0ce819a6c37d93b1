"""The embedded broker as the house uses it: loopback only, MQTT 5, large payloads, wills."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.broker import Broker, BrokerAddress, Message
from core.clock import RunClock
from core.configuration import ConfigurationError
from core.topics import MAX_PAYLOAD_BYTES
from safety_eye.embedded_broker import broker_program, free_port
from safety_eye.supervisor import Supervisor


@pytest.fixture(params=["embedded", "mosquitto"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerAddress]:
    where = BrokerAddress(port=free_port())
    boss = Supervisor(tmp_path, RunClock(), print)
    boss.start(broker_program(request.param, where, tmp_path))
    yield where
    boss.stop()


def connect(where: BrokerAddress, name: str, inbox: queue.Queue[Message]) -> Broker:
    link = Broker(where, name, on_message=inbox.put, session_expiry_s=0)
    link.start()
    assert link.wait_linked(20)
    return link


def test_a_large_payload_with_user_properties_arrives_whole(address: BrokerAddress) -> None:
    inbox: queue.Queue[Message] = queue.Queue()
    link = connect(address, "both", inbox)
    link.subscribe(["safety-eye/#"])

    sent = link.publish(
        "safety-eye/x", b"a" * (MAX_PAYLOAD_BYTES - 5000), user={"boot": "b", "seq": "7"}
    )

    assert sent.wait(10)
    message = inbox.get(timeout=10)
    assert (len(message.payload), dict(message.user)) == (
        MAX_PAYLOAD_BYTES - 5000,
        {"boot": "b", "seq": "7"},
    )
    link.stop()


def test_a_retained_message_waits_for_who_comes_later_with_its_remaining_life(
    address: BrokerAddress,
) -> None:
    early = connect(address, "early", queue.Queue())
    assert early.publish("safety-eye/g", b"red", retain=True, expiry_s=120).wait(10)

    inbox: queue.Queue[Message] = queue.Queue()
    late = connect(address, "late", inbox)
    late.subscribe(["safety-eye/#"])

    message = inbox.get(timeout=10)
    assert (message.payload, message.retain) == (b"red", True)
    assert message.expiry_s is not None
    assert 60 < message.expiry_s <= 120
    early.stop()
    late.stop()


def test_a_publish_without_a_connection_is_refused_and_not_kept_in_memory() -> None:
    link = Broker(BrokerAddress(port=free_port()), "nobody")

    assert link.publish("safety-eye/x", b"1").ok is False


def test_mosquitto_where_none_is_installed_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_arguments, **_options: None)

    with pytest.raises(ConfigurationError, match="none is installed"):
        broker_program("mosquitto", BrokerAddress(), tmp_path)
