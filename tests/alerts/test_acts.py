"""What stations did alone becomes part of the incident: no ghost, no duplicate, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.act_store import ActStore
from alerts.acts import Acts, place
from alerts.viewing import incident_view, journal_views
from core.act import ActEvent, LocalAct, Why
from core.act_wording import act_sentence
from core.finding import Condition, Hazard
from core.grade import Grade
from core.status import Link, StationStatus
from tests.alerts.scenery import FLOOD, Scene, level

NOW = 1_764_500_000_000


def act(event: ActEvent, number: int = 1, at: int = NOW, **changes: object) -> LocalAct:
    fields: dict[str, object] = {
        "id": f"b1-{number}", "boot": "b1", "at": at, "output": "siren", "event": event,
        "why": Why.OVER if event is ActEvent.OFF else Why.LIMIT, "run": "b1-1", "alone": True,
        "zone": "underpass", "hazard": Hazard.FLOOD, "grade": Grade.RED, "quantity": "water-level",
        "sensor": "gauge-1", "value": 0.31, "unit": "m", "limit": 0.27,
    }  # fmt: skip
    return LocalAct(**{**fields, **changes})  # type: ignore[arg-type]


ON, HEARD = act(ActEvent.ON), act(ActEvent.HEARD, 2, sounded=True)
OFF = act(ActEvent.OFF, 3, NOW + 480_000, sounded=True)


def status(*acts: LocalAct, link: Link = Link.ONLINE, **changes: object) -> StationStatus:
    fields: dict[str, object] = {"boot": "b1", "at": NOW, "monotonic_ms": 60_000}
    return StationStatus(link=link, acts=acts, **{**fields, **changes})  # type: ignore[arg-type]


class Desk(Scene):
    """A scene with acts."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.acts = self.fresh()

    def fresh(self) -> Acts:
        zones = frozenset(zone.id for zone in self.community.zone)
        return Acts(ActStore(self.database, "riverside"), self.watch, self.clock, zones)

    def restart(self) -> None:
        super().restart()
        self.acts = self.fresh()

    def hears(self, *acts: LocalAct) -> tuple[str, ...]:
        ids = self.acts.take("north-1", status(*acts))
        self.acts.tick()
        return ids

    def waits(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.acts.tick()
        self.watch.tick()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.clock.ms = NOW + 600_000
    yield made
    made.close()


def test_an_act_is_told_in_the_incident_that_is_open_and_receipted(desk: Desk) -> None:
    desk.say(level(Grade.RED))
    assert desk.hears(ON, HEARD, OFF) == ("b1-1", "b1-2", "b1-3")
    assert desk.happened().count("acted") == 3
    kept = desk.store.kept(1)
    assert kept is not None
    view = incident_view(kept.incident, None, [], {})
    [run] = view.acted
    assert (run.station, run.output, run.at, run.until) == ("north-1", "siren", ON.at, OFF.at)
    assert run.sounded is True
    assert run.alone
    assert run.text.en == (
        "north-1 switched siren on (water level 0.31 m, red (I) limit 0.27 m; the hub could not be"
        " reached); off: what demanded it was over; its feedback confirms that it worked"
    )
    lines = [one.text.en for one in journal_views(desk.store.events(1), 1, {})]
    assert any(line.startswith("10 min before: north-1 switched siren on") for line in lines)
    assert kept.incident.grade is Grade.RED


def test_an_act_that_comes_again_is_told_once_also_after_a_restart(desk: Desk) -> None:
    desk.say(level(Grade.RED))
    desk.hears(ON)
    assert desk.hears(ON) == ("b1-1",)
    desk.restart()
    assert desk.hears(ON, OFF) == ("b1-1", "b1-3")
    assert desk.happened().count("acted") == 2
    desk.store.verify_journal()


def test_an_act_waits_for_the_incident_of_its_own_readings(desk: Desk) -> None:
    desk.hears(ON)
    assert desk.watch.open_keys() == set()
    desk.clock.advance(20)
    desk.say(level(Grade.RED))
    desk.acts.tick()
    assert desk.happened()[:3] == ["opened", "announced", "acted"]
    assert desk.notes()[0][:2] == ("alert", "red")
    assert desk.acts._waiting == []


def test_a_restart_between_the_act_and_its_incident_loses_nothing(desk: Desk) -> None:
    desk.hears(ON, OFF)
    desk.restart()
    desk.say(level(Grade.RED))
    desk.acts.tick()
    assert desk.happened().count("acted") == 2


def test_a_siren_that_sounded_and_is_over_is_told_in_blue_and_ends_by_itself(desk: Desk) -> None:
    desk.hears(ON, OFF)
    desk.waits(59)
    assert desk.watch.open_keys() == set()
    desk.waits(1)
    kept = desk.store.kept(1)
    assert kept is not None
    assert (kept.incident.peak, kept.incident.condition) == (Grade.BLUE, Condition.CLEARED)
    assert desk.happened()[:5] == ["opened", "announced", "acted", "acted", "cleared"]
    desk.waits(7_200)
    desk.waits(1)
    assert desk.watch.open_keys() == set()
    assert desk.acts._waiting == []


def test_a_siren_that_still_sounds_holds_its_incident_until_it_is_off(desk: Desk) -> None:
    desk.hears(ON)
    for _ in range(10):
        desk.waits(60)
    kept = desk.store.kept(1)
    assert kept is not None
    assert (kept.incident.grade, kept.incident.condition) == (Grade.RED, Condition.ACTIVE)
    desk.hears(OFF)
    kept = desk.store.kept(1)
    assert kept is not None
    assert kept.incident.condition is Condition.CLEARED


def test_of_a_station_that_is_lost_while_it_sounds_nothing_is_known(desk: Desk) -> None:
    desk.hears(ON)
    desk.waits(60)
    desk.acts.take("north-1", status(link=Link.OFFLINE))
    for _ in range(4):
        desk.waits(60)
    kept = desk.store.kept(1)
    assert kept is not None
    assert (kept.incident.grade, kept.incident.condition) == (Grade.RED, Condition.UNKNOWN)
    desk.restart()
    desk.hears(OFF)
    kept = desk.store.kept(1)
    assert kept is not None
    assert kept.incident.condition is Condition.CLEARED


def test_tests_answers_and_foreign_zones_open_no_incident(desk: Desk) -> None:
    test = act(ActEvent.ON, 5, why=Why.TEST, zone="", hazard=None)
    answer = act(ActEvent.ANSWER, 6, why=Why.ORDERED, zone="", hazard=None)
    foreign = act(ActEvent.ON, 7, zone="elsewhere", output="lamp")
    desk.hears(test, answer, foreign)
    desk.waits(600)
    assert desk.watch.open_keys() == set()
    assert [one.act.id for one in desk.acts.store.latest(10)] == ["b1-7", "b1-6", "b1-5"]
    assert desk.acts.store.latest(10, "south-1") == []


def test_the_mandate_that_had_expired_is_told_in_the_incident(desk: Desk) -> None:
    desk.say(level(Grade.RED))
    desk.hears(act(ActEvent.WITHHELD, 9, why=Why.MANDATE_EXPIRED))
    kept = desk.store.kept(1)
    assert kept is not None
    [said] = incident_view(kept.incident, None, [], {}).acted
    assert said.text.en == "north-1 did NOT switch siren on (its mandate has expired)"
    assert said.text.zh == "north-1 没有开启 siren（授权已过期）"


def test_acts_of_a_boot_without_a_clock_are_placed_when_the_hub_hears_of_them() -> None:
    unset = act(ActEvent.ON, at=20_000, sync=False, elapsed_ms=20_000)
    assert place(unset, status(), NOW + 5).at == NOW - 40_000
    later = place(unset, status(sync=False, at=7), NOW + 5)
    assert (later.at, later.sync) == (NOW + 5 - 40_000, True)
    earlier = place(unset, status(boot="b2"), NOW + 5)
    assert (earlier.at, earlier.sync) == (NOW - 60_000, False)
    trusted = act(ActEvent.ON)
    assert place(trusted, status(boot="b2"), NOW) is trusted


@pytest.mark.parametrize("event", list(ActEvent))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_act_can_be_said(event: ActEvent, language: str) -> None:
    text = act_sentence(act(event), "north-1", language)
    assert text.startswith("north-1 ")
    assert "{" not in text
    assert FLOOD.hazard is Hazard.FLOOD
