"""What comes back after a message went out: takeovers by code, reports that change a row's fate."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from alerts import breaker, dispatch, settling
from alerts.answers import Answers
from alerts.breaker import Breaker
from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry
from alerts.database import open_database
from alerts.dispatch import Claimed, Room
from alerts.incident import Kind
from alerts.message import Notification
from alerts.reply_code import LIFE_MS, MOST_WRONG, Said
from alerts.service import AlertService, AlertSettings
from alerts.withholding import Scope, WithholdingKind
from core.broker import BrokerAddress
from core.clock import RunClock
from core.community import Community, Contact
from core.grade import Grade
from safety_eye.virtual_modem import VirtualModem
from tests.alerts.samples import note
from tests.alerts.scenery import FLOOD, Scene, level, place
from tests.servers import free_port, wait_until


class Counter:
    """Answers over a scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.changed: set[int] = set()
        self.answers = Answers(
            scene.database, scene.clock, acknowledge=scene.watch.acknowledge,
            grade_of=self._grade_of, changed=self.changed.update, health=lambda _name, _out: None,
        )  # fmt: skip

    def _grade_of(self, number: int) -> Grade | None:
        kept = self.scene.store.kept(number)
        return kept.incident.grade if kept is not None and kept.incident.open else None

    def claim(self) -> list[Claimed]:
        wide = {name: Room(100) for name in self.scene.channels}
        with self.scene.database.write() as connection:
            return dispatch.claim(connection, "w", wide, 100, self.scene.watch.times())

    def accept(self, claimed: Claimed) -> None:
        done = [(claimed, Outcome(OutcomeKind.ACCEPTED, vendor_code="+CMGS"))]
        with self.scene.database.write() as connection:
            settling.accept(connection, done, self.scene.watch.times())

    def note(self, contact: str = "duty-1") -> Notification:
        """The newest announcement of the flood to a contact, as a worker would send it."""
        kept = self.scene.store.open_incidents()[0].incident
        return note(
            kept.grade, incident=kept.number, seq=kept.seq, contact=contact,
            id=f"{kept.number}-{kept.seq}-{contact}",
        )  # fmt: skip


@pytest.fixture
def counter(scene: Scene) -> Counter:
    return Counter(scene)


def test_a_code_takes_the_incident_over_once(scene: Scene, counter: Counter) -> None:
    scene.say(level(Grade.RED))
    code = counter.answers.code(counter.note(), "sms")

    first = counter.answers.take("sms", ["duty-1"], code, "sms")
    again = counter.answers.take("sms", ["duty-1"], code, "sms")

    assert len(code) == 4
    assert (first, again) == ((Said.TAKEN, 1), (Said.USED, 1))
    incident = scene.store.open_incidents()[0].incident
    assert (incident.acknowledged_by, incident.acknowledged) == ("duty-1", True)


def test_the_same_message_has_the_same_code_on_every_attempt_and_after_a_restart(
    scene: Scene, counter: Counter
) -> None:
    scene.say(level(Grade.RED))
    told = counter.note()
    code = counter.answers.code(told, "sms")

    scene.restart()

    assert Counter(scene).answers.code(told, "sms") == code
    assert Counter(scene).answers.take("sms", ["duty-1"], code, "sms")[0] is Said.TAKEN


@pytest.mark.parametrize(("channel", "contact"), [("sms", "duty-2"), ("other", "duty-1")])
def test_a_code_is_worth_nothing_in_other_hands(
    channel: str, contact: str, scene: Scene, counter: Counter
) -> None:
    scene.say(level(Grade.RED))
    code = counter.answers.code(counter.note(), "sms")

    assert counter.answers.take(channel, [contact], code, "sms") == (Said.WRONG, 0)


def test_a_code_of_a_milder_warning_does_not_take_over_a_worse_one(
    scene: Scene, counter: Counter
) -> None:
    scene.say(level(Grade.YELLOW))
    code = counter.answers.code(counter.note(), "sms")
    scene.say(level(Grade.RED, at=1_764_500_001_000))

    assert counter.answers.take("sms", ["duty-1"], code, "sms") == (Said.WORSE, 1)
    assert not scene.store.open_incidents()[0].incident.acknowledged


def test_what_is_withheld_makes_no_code_void(scene: Scene) -> None:
    """Nobody was told of it, so there is no newer message whose code would do."""
    until = scene.clock.now_ms() + 3_600_000
    scene.withholding.withhold(
        WithholdingKind.SHELVED, Scope(sensor="gauge-1"), "duty-1", "cleaning", until=until,
        up_to=Grade.ORANGE,
    )  # fmt: skip
    scene.say(level(Grade.ORANGE))
    scene.say(level(Grade.YELLOW, sensor="gauge-2"))
    settings = AlertSettings(state_url=scene.url)
    broker = BrokerAddress("127.0.0.1", free_port())
    service = AlertService(settings, scene.community, broker, scene.clock)
    [row] = [kept.incident for kept in scene.store.open_incidents()]
    told = note(Grade.YELLOW, incident=row.number, seq=row.seq, contact="duty-1", id="7" * 32)
    code = service._answers.code(told, "sms")

    said = service._answers.take("sms", ["duty-1"], code, "sms")

    service.stop()
    assert row.grade is Grade.ORANGE
    assert said == (Said.TAKEN, row.number)


def test_the_newest_message_alone_can_be_answered(scene: Scene, counter: Counter) -> None:
    scene.say(level(Grade.RED))
    old = counter.answers.code(counter.note(), "sms")
    newer = msgspec.structs.replace(counter.note(), id="newer", kind=Kind.ESCALATION)
    new = counter.answers.code(newer, "sms")

    assert old != new
    assert counter.answers.take("sms", ["duty-1"], old, "sms")[0] is Said.WRONG
    assert counter.answers.take("sms", ["duty-1"], new, "sms")[0] is Said.TAKEN


def test_a_code_ends_with_its_day_and_with_its_incident(scene: Scene, counter: Counter) -> None:
    scene.say(level(Grade.RED))
    code = counter.answers.code(counter.note(), "sms")
    scene.clock.advance(LIFE_MS / 1000 + 1)
    assert counter.answers.take("sms", ["duty-1"], code, "sms")[0] is Said.WRONG

    closed = counter.answers.code(note(incident=77, id="x"), "sms")
    assert counter.answers.take("sms", ["duty-1"], closed, "sms") == (Said.CLOSED, 77)


def test_nobody_can_guess(scene: Scene, counter: Counter) -> None:
    scene.say(level(Grade.RED))
    code = counter.answers.code(counter.note(), "sms")
    wrong = "0000" if code != "0000" else "1111"
    for _ in range(MOST_WRONG):
        counter.answers.take("sms", ["duty-1"], wrong, "sms")

    assert counter.answers.take("sms", ["duty-1"], code, "sms") == (Said.WRONG, 0)


@pytest.mark.parametrize("kind", [Kind.CLEAR, Kind.UPDATE])
def test_what_asks_nobody_to_take_over_has_no_code(kind: Kind, counter: Counter) -> None:
    assert counter.answers.code(note(kind=kind), "sms") == ""


def test_a_message_that_did_not_arrive_goes_to_the_next_channel_at_once(
    scene: Scene, counter: Counter
) -> None:
    scene.say(level(Grade.YELLOW))
    [row] = counter.claim()
    counter.accept(row)

    counter.answers.undelivered(row.note.id, "the network gave up")

    states = [state for *_, state in scene.notes()]
    assert states == ["failed", "pending"]
    assert "undelivered" in scene.happened()
    assert counter.changed == {1}
    [next_way] = counter.claim()
    assert (row.channel, next_way.channel) == ("hook", "second")


def test_a_report_that_comes_twice_or_of_a_stranger_changes_nothing(
    scene: Scene, counter: Counter
) -> None:
    scene.say(level(Grade.YELLOW))
    [row] = counter.claim()
    counter.accept(row)

    counter.answers.undelivered(row.note.id, "gave up")
    counter.answers.undelivered(row.note.id, "gave up")
    counter.answers.delivered("nobody", "arrived")

    assert [state for *_, state in scene.notes()] == ["failed", "pending"]


def test_a_report_of_arrival_is_kept_beside_the_row(scene: Scene, counter: Counter) -> None:
    scene.say(level(Grade.YELLOW))
    [row] = counter.claim()
    counter.accept(row)

    counter.answers.delivered(row.note.id, "delivered to the phone")

    [kept] = scene.store.notified([1])[1]
    assert (kept["state"], kept["detail"]) == ("accepted", "delivered to the phone")


def test_a_second_number_that_fails_does_not_undo_the_first_that_arrived(
    scene: Scene, counter: Counter
) -> None:
    scene.say(level(Grade.YELLOW))
    [row] = counter.claim()
    counter.accept(row)

    counter.answers.delivered(row.note.id, "delivered to the phone")
    counter.answers.undelivered(row.note.id, "the other one is switched off")

    assert [state for *_, state in scene.notes()] == ["accepted"]


def test_a_report_that_overtakes_the_acceptance_is_not_lost(
    scene: Scene, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.answers.AGAIN_S", 0.05)
    scene.say(level(Grade.YELLOW))
    [row] = counter.claim()

    counter.answers.delivered(row.note.id, "delivered to the phone")
    counter.accept(row)

    wait_until(lambda: scene.store.notified([1])[1][0]["detail"] == "delivered to the phone")


def test_a_channel_that_is_well_again_need_not_rest(scene: Scene, counter: Counter) -> None:
    with scene.database.write() as connection:
        breaker.write(connection, None, Breaker("hook", 9, 1, 1 << 50, 0, "no network"))

    counter.answers.health("hook", Outcome(OutcomeKind.ACCEPTED))

    with scene.database.read() as connection:
        assert breaker.read(connection) == {}


def test_what_a_channel_is_not_made_for_is_not_even_queued(scene: Scene) -> None:
    scene.store.announcer.takes = lambda name, told: name == "hook" or told.kind is not Kind.CLEAR
    patience = scene.patience
    scene.say(level(Grade.RED))
    scene.later(patience.fall_s + 61, level(Grade.GREEN, at=1_764_500_001_000))

    sent = {(str(row["kind"]), str(row["channel"])) for row in scene.store.notified([1])[1]}

    assert {("alert", "hook"), ("alert", "second"), ("clear", "hook")} <= sent
    assert ("clear", "second") not in sent


def test_which_of_several_numbers_was_not_reached_is_kept(scene: Scene, counter: Counter) -> None:
    scene.say(level(Grade.YELLOW))
    [row] = counter.claim()
    partly = Outcome(OutcomeKind.ACCEPTED, vendor_code="Ok", detail="+86…0001: refused")
    with scene.database.write() as connection:
        settling.accept(connection, [(row, partly)], scene.watch.times())

    assert scene.store.notified([1])[1][0]["detail"] == "+86…0001: refused"


def test_a_busy_database_costs_the_code_not_the_message(tmp_path: Path, scene: Scene) -> None:
    scene.say(level(Grade.RED))
    broken = open_database(f"sqlite:///{tmp_path}/other.db")
    with broken.write() as connection:
        connection.exec_driver_sql("DROP TABLE reply_code")
    counter = Counter(scene)
    counter.answers._database = broken

    assert counter.answers.code(counter.note(), "sms") == ""
    broken.close()


def test_without_internet_and_broker_a_red_goes_out_by_sms_and_a_reply_takes_it_over(
    tmp_path: Path,
) -> None:
    modem = VirtualModem(tmp_path / "modem")
    whole = place()
    contact = Contact("duty-1", "Li", "duty", ("sms:+8613800000000",))
    community = Community(
        site=whole.site, zone=whole.zone, sensor=whole.sensor, limit=whole.limit,
        contact=(contact,),
    )  # fmt: skip
    entry = ChannelEntry(name="sms", kind="gsm", options={"port": str(tmp_path / "modem")})
    service = AlertService(
        AlertSettings(state_url=f"sqlite:///{tmp_path}/alerts.db", channels=(entry,)),
        community, BrokerAddress("127.0.0.1", free_port()), RunClock(),
    )  # fmt: skip
    service.start()
    try:
        service._watch.take(level(Grade.RED, at=RunClock().now_ms()), 120)
        service._inbox.ring()
        wait_until(lambda: "接手" in "".join(modem.texts("+8613800000000")), what="the SMS")
        [text] = modem.texts("+8613800000000")
        code = text.partition("回复")[2][:4]
        modem.receive("+8613800000000", code)
        wait_until(lambda: service.open_incidents()[0].acknowledged, what="the takeover")
        wait_until(lambda: len(modem.texts("+8613800000000")) == 2, what="the answer")
        [incident] = service.open_incidents()
        service.program.measure()
        signal = service.program.registry.get_sample_value(
            "channel_figure", {"channel": "sms", "figure": "signal_dbm"}
        )
        journal = [entry.text.in_language("en") for entry in service.journal(incident.number)]
    finally:
        service.stop()
        modem.close()
    assert signal == -73
    assert (incident.zone, incident.hazard) == (FLOOD.zone, FLOOD.hazard)
    assert [line for line in journal if "took over" in line and "SMS" in line]
