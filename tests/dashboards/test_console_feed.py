"""The live feed against a real broker: what comes, what does not, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from core.act import ActingState, OutputState
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.community import Community
from core.finding import Because, Condition, Finding, Hazard
from core.grade import Grade
from core.identity import SeriesId
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link, StationStatus
from core.topics import readings as readings_topic
from dashboards.console.events import EventHub
from dashboards.console.feed import LiveFeed
from dashboards.console.station_views import station_views
from dashboards.console.trace import TRACE_POINTS, Trace
from dashboards.console.words import Words
from tests.dashboards.console_stage import Stations, online, reading, sample_community
from tests.servers import Mosquitto, wait_until

LEVEL = SeriesId("gauge-1", Quantity.WATER_LEVEL)
T0 = 1_764_500_000_000


def a_site(name: str) -> Community:
    """The sample place under a name of its own: one broker serves many tests."""
    community = sample_community()
    return msgspec.structs.replace(community, site=msgspec.structs.replace(community.site, id=name))


class Watched:
    """A feed on a clock that is moved by hand, and the stations that speak to it."""

    def __init__(self, broker: BrokerAddress, site: str) -> None:
        self.clock = ManualClock(T0)
        self.feed = LiveFeed(broker, a_site(site), self.clock)
        self.feed.start()
        self.stations = Stations(broker, site)
        wait_until(lambda: self.feed.linked, what="the feed's link")

    def stop(self) -> None:
        self.stations.stop()
        self.feed.stop()


@pytest.fixture
def watched(mosquitto: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Watched]:
    site = f"feed-{abs(hash(request.node.name)) % 100_000}"
    stage = Watched(mosquitto.address, site)
    yield stage
    stage.stop()


def test_the_newest_reading_of_a_series_is_kept_and_told_to_open_pages(watched: Watched) -> None:
    listener, _ = watched.feed.hub.listen(lambda: None)
    watched.stations.pack(
        "north-1",
        [reading("gauge-1", Quantity.WATER_LEVEL, T0 - 1000 * n, 0.2 + n / 100) for n in (2, 1, 0)],
    )
    wait_until(lambda: watched.feed.latest(LEVEL), what="the reading")
    latest = watched.feed.latest(LEVEL)
    assert latest is not None
    assert (latest.at, latest.value) == (T0, 0.2)
    events, lost = listener.take()
    assert [event.name for event in events if event.name == "readings"] == ["readings"]
    assert lost == 0


def test_a_late_reading_joins_the_trace_and_never_becomes_the_newest(watched: Watched) -> None:
    watched.stations.pack("north-1", [reading("gauge-1", Quantity.WATER_LEVEL, T0, 0.2)])
    watched.stations.pack("north-1", [reading("gauge-1", Quantity.WATER_LEVEL, T0 - 9000, 0.9)])
    wait_until(lambda: len(watched.feed.points(LEVEL)) == 2, what="both readings")
    latest = watched.feed.latest(LEVEL)
    assert latest is not None
    assert latest.value == 0.2
    assert [point.at for point in watched.feed.points(LEVEL)] == [T0 - 9000, T0]


def test_a_stamp_of_a_year_to_come_does_not_stand_as_the_newest_reading(watched: Watched) -> None:
    future = reading("gauge-1", Quantity.WATER_LEVEL, T0 + 86_400_000, 0.01)
    watched.stations.pack("north-1", [future])
    watched.stations.pack("north-1", [reading("gauge-1", Quantity.WATER_LEVEL, T0, 0.3)])
    wait_until(lambda: watched.feed.station("north-1").packs == 2, what="both packs")
    latest = watched.feed.latest(LEVEL)
    assert latest is not None
    assert latest.value == 0.3
    assert watched.feed.station("north-1").refused == 1


def test_absence_has_four_faces_never_quiet_offline_and_stopped(watched: Watched) -> None:
    links = {state.id: state.link for state in watched.feed.stations()}
    assert links == {"centre-1": "never", "north-1": "never", "tower-3": "never"}
    for station, link in (
        ("north-1", Link.ONLINE),
        ("tower-3", Link.OFFLINE),
        ("centre-1", Link.STOPPED),
    ):
        watched.stations.status(station, StationStatus(link=link, boot="b", at=T0))
    wait_until(lambda: watched.feed.station("centre-1").link == "stopped", what="the statuses")
    assert watched.feed.station("north-1").link == "online"
    assert watched.feed.station("tower-3").link == "offline"
    watched.clock.advance(61)
    assert watched.feed.station("north-1").link == "quiet"
    assert watched.feed.station("unheard-of").link == "never"


def test_of_a_station_that_is_lost_the_outputs_are_shown_as_last_known(watched: Watched) -> None:
    acting = ActingState(mandate="Li Wei", outputs={"siren": OutputState(on=True, why="limit")})
    said = StationStatus(link=Link.ONLINE, boot="b", at=T0, acting=acting)
    watched.stations.status("north-1", said)
    wait_until(lambda: watched.feed.station("north-1").link == "online", what="the status")
    watched.stations.status("north-1", StationStatus(link=Link.OFFLINE, boot="b", at=T0))
    wait_until(lambda: watched.feed.station("north-1").link == "offline", what="the will")
    state = watched.feed.station("north-1")
    assert state.status is not None
    assert state.status.acting == acting
    [view] = [
        one
        for one in station_views(sample_community(), watched.feed, None, Words("en"))
        if one.id == "north-1"
    ]
    assert view.acting is not None
    assert not view.acting.known
    assert view.acting.outputs[0].text == "ON · a local limit was crossed"


def test_what_can_not_be_read_is_counted_for_its_station_and_the_feed_goes_on(
    watched: Watched,
) -> None:
    site = watched.stations._site
    for payload in (b"{", b"\xff\xfe", b"[1,2]", b'[{"n":"gauge-1/water-level","v":"x"}]'):
        watched.stations.raw(readings_topic(site, "north-1"), payload)
    watched.stations.pack("north-1", [reading("gauge-1", Quantity.WATER_LEVEL, T0, 0.1)])
    wait_until(lambda: watched.feed.latest(LEVEL), what="the reading after the rubbish")
    assert watched.feed.refused >= 2
    assert watched.feed.station("north-1").refused == watched.feed.refused


def test_a_station_can_not_speak_for_the_sensor_of_another_one(watched: Watched) -> None:
    watched.stations.pack("tower-3", [reading("gauge-1", Quantity.WATER_LEVEL, T0, 9.9)])
    wait_until(lambda: watched.feed.unknown_readings == 1, what="the count")
    assert watched.feed.latest(LEVEL) is None


def test_a_retained_pack_is_not_taken_for_live_data(mosquitto: Mosquitto) -> None:
    stations = Stations(mosquitto.address, "feed-retained")
    from core.pack import Pack, encode_pack  # noqa: PLC0415 - only this test forges one

    forged = Pack(boot="b", seq=1, readings=(reading("gauge-1", Quantity.WATER_LEVEL, T0, 9.9),))
    topic = readings_topic("feed-retained", "north-1")
    stations.raw(topic, encode_pack(forged), retain=True)
    stations.stop()
    watched = Watched(mosquitto.address, "feed-retained")
    try:
        watched.stations.pack("north-1", [reading("gauge-2", Quantity.WATER_LEVEL, T0, 0.1)])
        other = SeriesId("gauge-2", Quantity.WATER_LEVEL)
        wait_until(lambda: watched.feed.latest(other), what="the live pack")
        assert watched.feed.latest(LEVEL) is None
    finally:
        watched.stop()


def test_readings_of_an_unsynchronised_boot_are_mapped_by_arrival(watched: Watched) -> None:
    clocked = Reading("gauge-1", Quantity.WATER_LEVEL, 5000, 0.1, Quality.GOOD, (Reason.CLOCK,))
    watched.stations.pack("north-1", [clocked], sync=False)
    wait_until(lambda: watched.feed.latest(LEVEL), what="the reading")
    latest = watched.feed.latest(LEVEL)
    assert latest is not None
    assert latest.at == T0


def a_finding(**changes: object) -> Finding:
    finding = Finding(
        subject=LEVEL.subject,
        rule="limit-high",
        zone="underpass",
        hazard=Hazard.FLOOD,
        grade=Grade.RED,
        condition=Condition.ACTIVE,
        at=T0,
        since=T0,
        judged=T0,
        because=Because(value=0.3, unit="m"),
    )
    return msgspec.structs.replace(finding, **changes)


def test_a_finding_that_nobody_repeats_is_not_said_any_more(watched: Watched) -> None:
    watched.stations.finding(a_finding(), expiry_s=120)
    wait_until(lambda: watched.feed.findings(LEVEL.subject), what="the finding")
    watched.clock.advance(121)
    assert watched.feed.findings(LEVEL.subject) == []


def test_a_repeated_finding_does_not_make_pages_fetch_again(watched: Watched) -> None:
    listener, _ = watched.feed.hub.listen(lambda: None)
    watched.stations.finding(a_finding())
    watched.stations.finding(a_finding(judged=T0 + 60_000))
    watched.stations.finding(a_finding(grade=Grade.ORANGE, since=T0 + 70_000))
    wait_until(
        lambda: (
            watched.feed.findings(LEVEL.subject)
            and watched.feed.findings(LEVEL.subject)[0].grade is Grade.ORANGE
        ),
        what="the last finding",
    )
    names = [event.name for event in listener.take()[0]]
    assert names.count("grades") == 2


def test_the_feed_says_when_the_broker_is_lost_and_comes_back_by_itself(
    own_mosquitto: Mosquitto,
) -> None:
    watched = Watched(own_mosquitto.address, "feed-outage")
    try:
        watched.stations.status("north-1", online(T0))
        wait_until(lambda: watched.feed.station("north-1").link == "online", what="the birth")
        own_mosquitto.kill()
        wait_until(lambda: not watched.feed.linked, what="the loss")
        own_mosquitto.start()
        wait_until(lambda: watched.feed.linked, 30, what="the return")
    finally:
        watched.stop()


def test_a_trace_stays_bounded_and_keeps_its_peak_and_its_gap() -> None:
    entry = sample_community().sensor_of("gauge-1")
    assert entry is not None
    trace = Trace(entry, Quantity.WATER_LEVEL)
    for second in range(4000):
        if 500 < second < 700:
            continue
        value = 0.9 if second == 100 else 0.1
        trace.add(reading("gauge-1", Quantity.WATER_LEVEL, T0 + second * 1000, value))
    points = trace.points()
    assert len(points) <= TRACE_POINTS
    assert max(point.value or 0 for point in points) == 0.9
    assert sum(point.value is None for point in points) == 1
    assert [point.at for point in points] == sorted(point.at for point in points)


def test_a_counter_is_shown_as_what_came_in_one_interval_and_a_reset_is_no_crowd() -> None:
    entry = sample_community().sensor_of("gate-in")
    assert entry is not None
    trace = Trace(entry, Quantity.PEOPLE_IN)
    for minute, count in enumerate((1000, 1012, 1030, 4, 10)):
        trace.add(reading("gate-in", Quantity.PEOPLE_IN, T0 + minute * 60_000, float(count)))
    assert [point.value for point in trace.points()] == [12, 18, 6]


def test_a_slow_page_loses_its_oldest_events_and_is_told_how_many() -> None:
    hub = EventHub("g")
    listener, whole = hub.listen(lambda: None)
    assert not whole
    for number in range(200):
        hub.publish("beat", {"n": number})
    events, lost = listener.take()
    assert (len(events), lost) == (128, 72)
    assert events[-1].data == {"n": 199}


def test_a_page_that_returns_gets_exactly_what_it_missed() -> None:
    hub = EventHub("g")
    for number in range(5):
        hub.publish("beat", {"n": number})
    listener, whole = hub.listen(lambda: None, hub.event_id(3))
    assert whole
    assert [event.number for event in listener.take()[0]] == [4, 5]


@pytest.mark.parametrize("last_id", ["", "other.3", "g.x", "g.999", "g.-1"])
def test_an_id_of_another_start_or_of_the_future_means_fetch_all(last_id: str) -> None:
    hub = EventHub("g")
    hub.publish("beat", {})
    assert hub.listen(lambda: None, last_id)[1] is False


def test_a_page_that_was_away_too_long_must_fetch_all() -> None:
    hub = EventHub("g", remembered=3)
    for _ in range(10):
        hub.publish("beat", {})
    assert hub.listen(lambda: None, "g.5")[1] is False
    assert hub.listen(lambda: None, "g.7")[1] is True
