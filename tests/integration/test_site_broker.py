"""The broker of a site against a real Mosquitto with TLS: who may enter, write and read what."""

from __future__ import annotations

import gc
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from core import topics
from core.broker import Broker, BrokerAddress, Message
from core.community import JsonMapping
from core.community_file import load_community
from core.drill import STATION
from safety_eye.installation import KitError
from tests.servers import free_port, wait_until
from tests.site_broker import NOW, SiteBroker

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"
SITE = "riverside"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteBroker]:
    community = load_community(SAMPLE)
    mapping = JsonMapping(topic="weather/+/state", sensor="air-1")
    community = msgspec.structs.replace(community, mapping=(mapping,))
    server = SiteBroker(tmp_path_factory.mktemp("site"), community)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def doors(broker: SiteBroker) -> dict[str, BrokerAddress]:
    return {name: broker.admit(name) for name in ("north-1", "tower-3", "air-1")}


class Guest:
    """One connection and what it was given, in order."""

    def __init__(self, address: BrokerAddress, name: str, filters: list[str]) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.link = Broker(address, name, on_message=self._take, session_expiry_s=0)
        self.link.subscribe(filters)

    def _take(self, message: Message) -> None:
        self.seen.append((message.topic, message.payload))

    def say(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> None:
        assert self.link.publish(topic, payload, retain=retain).wait(10)


@contextmanager
def visit(address: BrokerAddress, name: str, *filters: str) -> Iterator[Guest]:
    guest = Guest(address, name, list(filters))
    guest.link.start()
    try:
        assert guest.link.wait_linked(15), guest.link.last_error
        # The broker answers in order: after this (refused) word the subscriptions are in place.
        guest.say("nowhere")
        yield guest
    finally:
        guest.link.stop()


def refusal(address: BrokerAddress) -> str:
    """Try to come in; return what the broker said instead."""
    link = Broker(address, "intruder", session_expiry_s=0)
    link.start()
    try:
        wait_until(lambda: link.last_error or link.linked, what="an answer")
        assert not link.linked
        return link.last_error
    finally:
        link.stop()


def test_nobody_enters_without_a_password_and_nobody_with_a_wrong_one(
    broker: SiteBroker, doors: dict[str, BrokerAddress], tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("guess")

    assert "Not authorized" in refusal(broker.door())
    assert "Not authorized" in refusal(broker.door("north-1", tmp_path / "wrong"))
    assert "Not authorized" in refusal(msgspec.structs.replace(doors["north-1"], username="hub"))
    hub_without_password = msgspec.structs.replace(broker.hub_door, username="", password_file="")
    assert "Not authorized" in refusal(hub_without_password)


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_the_stations_door_speaks_tls_and_proves_who_it_is(
    broker: SiteBroker, doors: dict[str, BrokerAddress], tmp_path: Path
) -> None:
    other = SiteBroker(tmp_path / "other", load_community(SAMPLE))
    other.command()
    stranger = msgspec.structs.replace(doors["north-1"], ca_file=str(other.kit.ca_file))

    assert "certificate verify failed" in refusal(stranger)
    gc.collect()
    context = ssl.create_default_context(cafile=str(broker.kit.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=10) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as safe,
    ):
        assert safe.version() in ("TLSv1.2", "TLSv1.3")


def test_nothing_listens_but_the_two_doors(broker: SiteBroker) -> None:
    """`use_username_as_clientid` in the wrong place would open port 1883 to everybody."""
    listening = {
        (line.split()[1].rsplit(":", 1)[0], int(line.split()[1].rsplit(":", 1)[1], 16))
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in _sockets_of(broker)
    }

    assert {port for _, port in listening} == {broker.port, broker.kit.entry.hub_port}
    assert {place for place, port in listening if port == broker.kit.entry.hub_port} == {"0100007F"}


def _sockets_of(server: SiteBroker) -> set[str]:
    assert server._process is not None
    links = Path(f"/proc/{server._process.pid}/fd").iterdir()
    names = (str(link.readlink()) for link in links)
    return {name[8:-1] for name in names if name.startswith("socket:[")}


def test_a_station_writes_its_own_readings_and_status_and_nothing_else(
    broker: SiteBroker, doors: dict[str, BrokerAddress]
) -> None:
    own = topics.readings(SITE, "north-1")
    forbidden = [
        topics.readings(SITE, "tower-3"),
        topics.status(SITE, "tower-3"),
        topics.readings("other-site", "north-1"),
        topics.stored(SITE, "north-1"),
        topics.stored(SITE, "tower-3"),
        topics.command(SITE, "north-1"),
        topics.command(SITE, "tower-3"),
        topics.finding(SITE, "zone.underpass", "limit"),
        topics.grade(SITE, "underpass", "flood"),
        topics.readings(SITE, STATION),  # the station of a drill
        topics.drill(SITE),
        topics.drill_ready(SITE, "detectors"),
        topics.drill_finding(SITE, "d-1", "zone.underpass", "limit"),
        "weather/1/state",
        "anything/else",
    ]
    with ExitStack() as stack:
        hub = stack.enter_context(
            visit(
                broker.hub_door, "watch",
                topics.all_stations(SITE, "readings"), topics.all_stations(SITE, "status"),
                topics.all_stations(SITE, "stored"), topics.all_findings(SITE),
                topics.all_grades(SITE), "weather/+/state", topics.drill(SITE),
                topics.all_drill_ready(SITE), topics.all_drill_findings(SITE),
            )
        )  # fmt: skip
        victim = stack.enter_context(visit(doors["tower-3"], "any", "safety-eye/#", "#"))
        station = stack.enter_context(visit(doors["north-1"], "any", "safety-eye/#", "#"))
        for topic in forbidden:
            station.say(topic, b"forged", retain=True)
        station.say(own, b"true")
        wait_until(lambda: (own, b"true") in hub.seen)
        hub.say(topics.grade(SITE, "hall", "crowd"), b"last")
        for guest in (victim, station):
            wait_until(lambda guest=guest: guest.seen[-1:] and guest.seen[-1][1] == b"last")  # type: ignore[misc]  # bound default

        assert [entry for entry in hub.seen if entry[1] == b"forged"] == []
        assert {payload for _, payload in victim.seen} == {b"last"}
        assert {payload for _, payload in station.seen} == {b"last"}


def test_a_station_reads_its_own_receipts_and_commands_and_the_grades_of_its_site(
    broker: SiteBroker, doors: dict[str, BrokerAddress]
) -> None:
    with (
        visit(broker.hub_door, "hub") as hub,
        visit(doors["north-1"], "x", "#", "safety-eye/#", f"safety-eye/v1/{SITE}/#") as station,
        visit(doors["tower-3"], "y") as neighbour,
    ):
        neighbour.say(topics.readings(SITE, "tower-3"), b"not for you")
        for topic, payload in [
            (topics.stored(SITE, "tower-3"), b"not for you"),
            (topics.command(SITE, "tower-3"), b"not for you"),
            (topics.finding(SITE, "gauge-1.water-level", "limit"), b"not for you"),
            (topics.stored(SITE, "north-1"), b"receipt"),
            (topics.command(SITE, "north-1"), b"command"),
            (topics.grade(SITE, "hall", "crowd"), b"grade"),
        ]:
            hub.say(topic, payload)
        wait_until(lambda: b"grade" in {payload for _, payload in station.seen})

        # Three filters overlap: each message may come once for each of them.
        assert {payload for _, payload in station.seen} == {b"receipt", b"command", b"grade"}


def test_a_stations_will_for_another_station_is_never_said(
    broker: SiteBroker, doors: dict[str, BrokerAddress]
) -> None:
    import paho.mqtt.client as mqtt  # noqa: PLC0415  # a forged client, not ours
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415  # same

    secret = Path(doors["north-1"].password_file).read_text().strip()
    with visit(broker.hub_door, "watch", topics.all_stations(SITE, "status")) as hub:
        for topic in (topics.status(SITE, "tower-3"), topics.status(SITE, "north-1")):
            forger = mqtt.Client(CallbackAPIVersion.VERSION2, "z", protocol=mqtt.MQTTv5)
            forger.username_pw_set("north-1", secret)
            forger.tls_set(str(broker.kit.ca_file))
            forger.will_set(topic, b"dying", 1)
            forger.connect("localhost", broker.port)
            forger.loop_start()
            wait_until(forger.is_connected)
            sock = forger.socket()
            assert isinstance(sock, socket.socket)
            sock.shutdown(socket.SHUT_RDWR)
            forger.loop_stop()
            forger.disconnect()
        wait_until(lambda: (topics.status(SITE, "north-1"), b"dying") in hub.seen)

        assert (topics.status(SITE, "tower-3"), b"dying") not in hub.seen


def test_no_station_can_take_over_the_session_of_another(
    doors: dict[str, BrokerAddress],
) -> None:
    name = f"safety-eye-station-{SITE}-tower-3"
    with visit(doors["tower-3"], name) as victim:
        before = victim.link.reconnects
        with visit(doors["north-1"], name) as thief:
            thief.say(topics.readings(SITE, "north-1"))
            victim.say(topics.readings(SITE, "tower-3"))

        assert victim.link.linked
        assert victim.link.reconnects == before


def test_a_payload_beyond_the_limit_is_refused_and_the_largest_allowed_one_passes(
    broker: SiteBroker, doors: dict[str, BrokerAddress]
) -> None:
    topic = topics.readings(SITE, "north-1")
    with visit(broker.hub_door, "watch", topic) as hub:
        with visit(doors["north-1"], "x") as station:
            station.say(topic, b"a" * topics.MAX_PAYLOAD_BYTES)
            wait_until(lambda: any(len(p) == topics.MAX_PAYLOAD_BYTES for _, p in hub.seen))
            station.link.publish(topic, b"b" * (topics.MAX_PAYLOAD_BYTES + 10_000))
            wait_until(lambda: not station.link.linked, what="the broker's refusal")

        assert all(payload[:1] != b"b" for _, payload in hub.seen)


def test_a_device_of_a_mapping_writes_its_own_topic_only(
    broker: SiteBroker, doors: dict[str, BrokerAddress]
) -> None:
    with (
        visit(broker.hub_door, "watch", "weather/+/state", topics.all_grades(SITE)) as hub,
        visit(doors["air-1"], "device") as device,
    ):
        device.say(topics.grade(SITE, "hall", "air"), b"forged")
        device.say("weather/1/state", b'{"value":1}')
        wait_until(lambda: hub.seen != [])

        assert hub.seen == [("weather/1/state", b'{"value":1}')]


def test_a_replaced_password_ends_the_old_one_without_a_restart(broker: SiteBroker) -> None:
    old = broker.admit("hall-2")
    with visit(old, "x"):
        pass
    with pytest.raises(KitError, match="has a password already"):
        broker.kit.add("hall-2")
    fresh = broker.directory / "hall-2.fresh"
    fresh.write_text(broker.kit.add("hall-2", replace=True))
    broker.reload()

    with visit(broker.door("hall-2", fresh), "x"):
        pass
    assert "Not authorized" in refusal(old)


def test_a_renewed_certificate_needs_nothing_new_on_the_stations(tmp_path: Path) -> None:
    server = SiteBroker(tmp_path / "site", load_community(SAMPLE))
    try:
        server.start()
        station = server.admit("north-1")
        before = (server.kit.directory / "server.crt").read_text()
        server.kit.renew(NOW)
        server.stop()
        server.start()

        with visit(station, "x"):
            assert (server.kit.directory / "server.crt").read_text() != before
    finally:
        server.kill()


def test_a_closed_port_and_a_wrong_name_are_told_apart_in_the_log(
    doors: dict[str, BrokerAddress], caplog: pytest.LogCaptureFixture
) -> None:
    nobody = msgspec.structs.replace(doors["north-1"], port=free_port())

    assert "refused" in refusal(nobody)
    assert f"broker localhost:{nobody.port}" in caplog.text


def test_the_hub_plays_the_station_of_a_drill_and_no_other(broker: SiteBroker) -> None:
    with (
        visit(
            broker.hub_door, "ears", topics.all_stations(SITE, "readings"), topics.drill(SITE),
            topics.all_drill_findings(SITE), topics.stored(SITE, STATION),
        ) as ears,
        visit(broker.hub_door, "hub") as hub,
    ):  # fmt: skip
        hub.say(topics.readings(SITE, "north-1"), b"forged")
        allowed = [
            topics.drill(SITE),
            topics.drill_finding(SITE, "d-1", "drill-gauge-1.water-level", "limit-high"),
            topics.stored(SITE, STATION),
            topics.readings(SITE, STATION),
        ]
        for topic in allowed:
            hub.say(topic, b"drill")
        wait_until(lambda: len(ears.seen) >= len(allowed), what="the drill")

        assert ears.seen == [(topic, b"drill") for topic in allowed]
