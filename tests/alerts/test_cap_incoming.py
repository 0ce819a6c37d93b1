"""CAP 1.2 in: a warning of an authority becomes a finding, or is refused with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alerts.cap.document import CapError, decode
from alerts.cap.fetch import Fetcher, FetchError
from alerts.cap.incoming import (
    AreaEntry,
    EventEntry,
    FeedEntry,
    NotOursError,
    UpstreamSettings,
    grade_of,
    upstream_problems,
)
from alerts.cap.poller import FAILED_ROUNDS
from alerts.cap.upstream import Fate
from alerts.standards import Standards, StandardsSettings
from core.finding import Condition, Hazard
from core.grade import Grade
from tests.alerts.authority import SENDER, rain, refer
from tests.alerts.scenery import FLOOD, Scene, level, place
from tests.alerts.vendor import Reply, Vendor

SETTINGS = UpstreamSettings(
    area=(
        AreaEntry(zone="underpass", geocode={"GB/T 2260": ("420106",)}),
        AreaEntry(zone="riverside", name=("全市",)),
    ),
)
FIRST = "42010041600000_20251130185320"


class Place:
    """A scene and what others say to it."""

    def __init__(self, scene: Scene, settings: UpstreamSettings = SETTINGS) -> None:
        self.scene = scene
        self.settings = settings
        self.standards = self._make()

    def _make(self) -> Standards:
        scene = self.scene
        return Standards(
            StandardsSettings(upstream=self.settings), store=scene.store, watch=scene.watch,
            community=scene.community, base_url="http://hub", clock=scene.clock,
        )  # fmt: skip

    def take(self, document: bytes) -> Fate:
        fate = self.standards.upstream.take(document).fate
        self.turn()
        return fate

    def turn(self, seconds: float = 1) -> None:
        """What the service does: time passes, and what others say is judged."""
        self.scene.clock.advance(seconds)
        for finding in self.standards.findings():
            self.scene.watch.take(finding, None)
        self.scene.watch.tick()

    def restart(self) -> None:
        self.scene.restart()
        self.standards = self._make()

    def grade(self) -> Grade:
        return self.scene.watch.grade(FLOOD).grade

    def condition(self) -> Condition:
        return self.scene.watch.grade(FLOOD).condition


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    made = Place(Scene(tmp_path))
    yield made
    made.standards.stop()
    made.scene.close()


def test_a_warning_of_the_weather_bureau_opens_an_incident_that_says_whose_it_is(
    here: Place,
) -> None:
    assert here.take(rain()) is Fate.TAKEN
    assert here.grade() is Grade.ORANGE
    (kept,) = here.scene.store.open_incidents()
    judgement = kept.incident.judgement
    assert "上级部门的预警信号（武昌区气象台: 暴雨）" in judgement.headline.zh
    assert judgement.holders == {"zone.underpass upstream-cap-flood": Grade.ORANGE}
    assert str(judgement.certainty) == "Likely"
    assert [note[0] for note in here.scene.notes()][:1] == ["alert"]


def test_an_upstream_warning_never_lowers_what_our_own_sensors_say(here: Place) -> None:
    here.scene.say(level(Grade.RED))
    here.take(rain(colour="蓝", severity="Minor"))
    assert here.grade() is Grade.RED
    here.take(rain("c", kind="Cancel", sent_s=-10, references=refer(FIRST)))
    assert here.grade() is Grade.RED
    assert here.condition() is Condition.ACTIVE


def test_it_ends_when_it_expires_and_not_before(here: Place) -> None:
    here.take(rain(expires_s=3600))
    for _ in range(55):
        here.turn(60)
    assert here.grade() is Grade.ORANGE
    for _ in range(6):
        here.turn(60)
    assert here.condition() is Condition.CLEARED


def test_an_update_replaces_and_a_cancel_withdraws_what_they_refer_to(here: Place) -> None:
    here.take(rain())
    update = rain("u", kind="Update", sent_s=-30, colour="红", references=refer(FIRST))
    here.take(update)
    assert here.grade() is Grade.RED
    assert [one.identifier for one in here.standards.upstream.standing()] == ["u"]
    here.take(rain("c", kind="Cancel", sent_s=-10, references=refer("u", -30)))
    assert here.standards.upstream.standing() == []
    assert here.condition() is Condition.CLEARED


def test_a_cancel_that_comes_before_its_alert_still_counts(here: Place) -> None:
    here.take(rain("c", kind="Cancel", sent_s=-10, references=refer(FIRST)))
    here.take(rain())
    assert here.standards.upstream.standing() == []
    assert here.grade() is Grade.GREEN


def test_nobody_else_and_no_exercise_can_withdraw_a_warning(here: Place) -> None:
    here.take(rain())
    here.take(rain("c1", kind="Cancel", sender="somebody@else.example",
                   references=refer(FIRST)))  # fmt: skip
    here.take(rain("c2", kind="Cancel", status="Exercise", references=refer(FIRST)))
    here.take(rain("c3", kind="Cancel", references=refer(FIRST, sent_s=-61)))
    assert here.grade() is Grade.ORANGE


def test_an_update_by_which_the_danger_moves_away_ends_it_here(here: Place) -> None:
    here.take(rain())
    here.take(rain("u", kind="Update", sent_s=-30, area="黄陂区", code="420116",
                   references=refer(FIRST)))  # fmt: skip
    assert here.condition() is Condition.CLEARED


@pytest.mark.parametrize("status", ["Exercise", "Test", "System"])
def test_what_is_not_actual_is_kept_and_never_becomes_a_finding(here: Place, status: str) -> None:
    assert here.take(rain(status=status)) is Fate.NOT_ACTUAL
    assert here.scene.store.open_incidents() == []
    # Nor does its Update make an actual warning of it.
    here.take(rain("u", kind="Update", status=status, sent_s=-30, references=refer(FIRST)))
    assert here.scene.store.open_incidents() == []


def test_the_same_message_again_changes_nothing_and_another_under_its_name_is_refused(
    here: Place,
) -> None:
    assert here.take(rain()) is Fate.TAKEN
    assert here.take(rain()) is Fate.DUPLICATE
    with pytest.raises(CapError, match="used before"):
        here.take(rain(sent_s=-5, colour="红"))
    assert here.grade() is Grade.ORANGE


def test_a_warning_survives_a_restart_and_ends_after_one(here: Place) -> None:
    here.take(rain(expires_s=3600))
    here.restart()
    here.turn()
    assert here.grade() is Grade.ORANGE
    here.scene.clock.advance(3600)
    here.restart()
    here.turn()
    assert here.condition() is Condition.CLEARED


def test_an_expired_warning_opens_nothing(here: Place) -> None:
    assert here.take(rain(sent_s=-7200, expires_s=-60)) is Fate.EXPIRED
    assert here.scene.store.open_incidents() == []


def test_a_warning_for_the_whole_city_is_one_of_the_site(here: Place) -> None:
    here.take(rain(area="武汉全市", code="420100"))
    (kept,) = here.scene.store.open_incidents()
    assert (kept.incident.zone, kept.incident.hazard) == ("riverside", Hazard.FLOOD)
    assert kept.incident.judgement.headline.zh.startswith("滨河社区")


def test_an_all_clear_says_that_all_is_well(here: Place) -> None:
    here.take(rain())
    here.take(rain("u", kind="Update", sent_s=-30, response="AllClear", references=refer(FIRST)))
    assert here.condition() is Condition.CLEARED


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({"colour": "红", "severity": "Minor"}, Grade.RED),
        ({"colour": "X", "severity": "Extreme"}, Grade.RED),
        ({"colour": "X", "severity": "Severe"}, Grade.ORANGE),
        ({"colour": "X", "severity": "Moderate"}, Grade.YELLOW),
        ({"colour": "X", "severity": "Minor"}, Grade.BLUE),
        ({"colour": "X", "severity": "Unknown"}, Grade.YELLOW),
        (
            {"colour": "X", "extra": "<parameter><valueName>awareness_level</valueName>"
             "<value>3; orange; Severe</value></parameter>"},
            Grade.ORANGE,
        ),
        (
            {"colour": "X", "extra": "<parameter><valueName>gradeCN</valueName>"
             "<value>蓝色</value></parameter>"},
            Grade.BLUE,
        ),
    ],
)  # fmt: skip
def test_the_grade_is_the_colour_that_the_sender_names_else_its_severity(
    changes: dict[str, str], grade: Grade
) -> None:
    assert grade_of(decode(rain(**changes)).infos[0]) is grade  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (rain(area="黄陂区", code="420116"), "no zone of this site is mapped"),
        (rain(event="高温"), "no hazard that this site judges"),
        (rain(status="Draft"), "Draft"),
        (rain(kind="Ack", references=refer(FIRST)), "Ack"),
    ],
)
def test_a_good_message_that_is_not_for_us_is_refused_with_the_reason(
    here: Place, document: bytes, reason: str
) -> None:
    with pytest.raises(NotOursError, match=reason):
        here.take(document)
    assert here.scene.store.open_incidents() == []


def test_a_site_may_believe_only_certain_senders_and_know_more_events(tmp_path: Path) -> None:
    settings = UpstreamSettings(
        sender=(SENDER,), area=SETTINGS.area,
        event=(EventEntry(hazard=Hazard.AIR, word=("高温",)),),
    )  # fmt: skip
    here = Place(Scene(tmp_path), settings)
    with pytest.raises(NotOursError, match="believes"):
        here.take(rain(sender="stranger@example"))
    here.take(rain(event="高温"))
    assert [kept.incident.hazard for kept in here.scene.store.open_incidents()] == [Hazard.AIR]
    here.scene.close()


BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">
<!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">]><a>&y;</a>"""
FILE = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"""


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not well-formed"),
        (b"<alert>", "not well-formed"),
        (b"\xff\xfe\x00", "not well-formed"),
        (b"<alert/>", "not a CAP 1.2 alert"),
        (BOMB, "DOCTYPE"),
        (FILE, "DOCTYPE"),
        (b"<a>" * 400 + b"x", "not well-formed"),
        (b" " * 600_000, "at most"),
        (rain(sent_s=0).replace(b"+08:00</sent>", b"Z</sent>"), "sent"),
        (rain().replace(b"<scope>Public</scope>", b"<scope>Restricted</scope>"), "restriction"),
        (rain(identifier="a b"), "identifier"),
        (rain(severity="Terrible"), "severity"),
        (rain(kind="Update"), "references"),
        (rain(kind="Cancel", references="nonsense"), "references"),
    ],
)
def test_what_is_no_valid_cap_is_refused_with_the_reason(document: bytes, reason: str) -> None:
    with pytest.raises(CapError, match=reason):
        decode(document)


def test_a_mapping_that_cant_work_is_named() -> None:
    wrong = UpstreamSettings(
        area=(AreaEntry(zone="attic", name=("x",)), AreaEntry(zone="north")),
        feed=(FeedEntry(url="https://x", every_s=1),), life_s=0,
    )  # fmt: skip
    told = " ".join(upstream_problems(wrong, place()))
    for part in ("attic", "geocode or name", "every_s", "life_s"):
        assert part in told
    assert upstream_problems(SETTINGS, place()) == []


# --- feeds ---


class Relay:
    """A real HTTP server with documents by path; counts who was asked for."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                relay.asked.append(self.path)
                body = relay.documents.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def relay() -> Iterator[Relay]:
    made = Relay()
    yield made
    made.close()


def atom(*hrefs: str) -> bytes:
    entries = "".join(
        f'<entry><id>{href}</id><link rel="alternate" href="{href}"/></entry>' for href in hrefs
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'.encode()


@pytest.fixture
def fed(tmp_path: Path, relay: Relay) -> Iterator[Place]:
    feed = FeedEntry(url=f"{relay.url}/feed", every_s=60, allow_private=True)
    made = Place(Scene(tmp_path), UpstreamSettings(area=SETTINGS.area, feed=(feed,)))
    yield made
    made.standards.stop()
    made.scene.close()


def test_new_messages_of_a_feed_are_taken_once_each(fed: Place, relay: Relay) -> None:
    relay.documents = {"/feed": atom("one.xml", "other.xml"), "/one.xml": rain(),
                       "/other.xml": rain("x", area="黄陂区", code="420116")}  # fmt: skip
    fed.standards.poller.round()
    fed.turn()
    assert fed.grade() is Grade.ORANGE
    fed.turn(60)
    fed.standards.poller.round()
    assert relay.asked == ["/feed", "/other.xml", "/one.xml", "/feed"]


def test_a_feed_may_be_rss_or_a_single_message(fed: Place, relay: Relay) -> None:
    relay.documents = {
        "/feed": b"<rss><channel><item><link>one.xml</link></item></channel></rss>",
        "/one.xml": rain(),
    }
    fed.standards.poller.round()
    relay.documents = {"/feed": rain("u", kind="Update", colour="红", references=refer(FIRST))}
    fed.turn(60)
    fed.standards.poller.round()
    fed.turn()
    assert fed.grade() is Grade.RED


def test_a_feed_of_the_premises_cant_send_us_elsewhere(fed: Place, relay: Relay) -> None:
    relay.documents = {"/feed": atom("http://127.0.0.1:1/admin.xml")}
    fed.standards.poller.round()
    assert relay.asked == ["/feed"]


def test_a_feed_that_cant_be_read_is_told_and_is_not_taken_for_quiet(
    fed: Place, relay: Relay
) -> None:
    for _ in range(FAILED_ROUNDS):
        fed.standards.poller.round()
        fed.turn(60)
    (kept,) = fed.scene.store.open_incidents()
    assert (kept.incident.hazard, kept.incident.grade) == (Hazard.EQUIPMENT, Grade.BLUE)
    assert "上级预警源无法读取" in kept.incident.judgement.headline.zh
    relay.documents = {"/feed": atom()}
    fed.standards.poller.round()
    fed.turn()
    assert fed.scene.watch.grade(kept.key).condition is Condition.CLEARED


def test_public_feeds_are_https_to_public_addresses_only(relay: Relay) -> None:
    guarded = Fetcher(allow_private=False)
    for url in (relay.url, "https://127.0.0.1/", "https://user:pw@example.com/", "file:///etc",
                "https://100.100.100.200/latest"):  # fmt: skip
        with pytest.raises(FetchError) as caught:
            guarded.get(url)
        assert url not in str(caught.value)
    guarded.close()


def test_a_feed_whose_head_drips_does_not_hold_the_poller(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.cap.fetch.TIMEOUT_S", 0.3)
    vendor.reply = Reply(200, b"<feed/>", how="drip-head")
    fetcher = Fetcher(allow_private=True)

    with pytest.raises(FetchError, match="ReadTimeout"):
        fetcher.get(vendor.url)
    fetcher.close()


def test_a_document_that_is_too_big_or_redirects_is_not_read(relay: Relay) -> None:
    fetcher = Fetcher(allow_private=True)
    relay.documents = {"/big": b"x" * 600_000}
    with pytest.raises(FetchError, match="bytes"):
        fetcher.get(f"{relay.url}/big")
    with pytest.raises(FetchError, match="HTTP 404"):
        fetcher.get(f"{relay.url}/none")
    fetcher.close()
