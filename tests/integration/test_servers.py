"""The servers that every integration test stands on."""

from __future__ import annotations

import threading

import httpx

from core.broker import Broker, Message
from tests.servers import InfluxDB, Mosquitto, VictoriaMetrics, wait_until


def test_a_message_of_200_kilobytes_passes_the_real_broker(mosquitto: Mosquitto) -> None:
    got: list[Message] = []
    arrived = threading.Event()

    def take(message: Message) -> None:
        got.append(message)
        arrived.set()

    broker = Broker(mosquitto.address, "servers-test", on_message=take, session_expiry_s=0)
    broker.subscribe(["servers-test/#"])
    broker.start()
    try:
        assert broker.wait_linked(10)
        assert broker.publish("servers-test/big", b"x" * 200_000, user={"boot": "b"}).wait(10)
        assert arrived.wait(10)
        assert len(got[0].payload) == 200_000
        assert got[0].user == {"boot": "b"}
    finally:
        broker.stop()


def test_a_killed_broker_comes_back_on_the_same_port(own_mosquitto: Mosquitto) -> None:
    port = own_mosquitto.port
    own_mosquitto.kill()
    wait_until(lambda: not own_mosquitto.ready(), what="the broker's end")
    own_mosquitto.start()
    assert own_mosquitto.port == port
    assert own_mosquitto.ready()


def test_influxdb_is_the_1_6_series_that_debian_ships(influxdb: InfluxDB) -> None:
    assert httpx.get(f"{influxdb.url}/ping").headers["X-Influxdb-Version"].startswith("1.")


def test_victoria_metrics_takes_line_protocol(victoria_metrics: VictoriaMetrics) -> None:
    answer = httpx.post(
        f"{victoria_metrics.url}/write", content=b"servers value=1 1700000000000000000"
    )
    assert answer.status_code == 204
