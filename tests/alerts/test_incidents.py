"""What findings, people and time do to incidents; every step through the real database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from alerts import tables
from alerts.desk import IncidentDesk
from alerts.evidence import Stage
from alerts.incident import Event
from alerts.outbox import Times
from alerts.privacy import Privacy
from alerts.store import Kept, StaleError, Store
from alerts.views import IncidentError
from alerts.watch import Watch
from core.finding import Because, Condition, Hazard
from core.grade import Grade
from tests.alerts.scenery import EQUIPMENT, FLOOD, Scene, level, link, silence


def test_blue_and_above_open_an_incident_and_tell_the_duty(scene: Scene) -> None:
    scene.say(level(Grade.GREEN))
    assert scene.store.open_incidents() == []

    scene.say(level(Grade.BLUE))

    assert scene.happened() == ["opened", "announced"]
    assert scene.notes() == [("alert", "blue", "duty-1", "pending")]


def test_orange_and_red_tell_deputies_and_leaders_over_every_channel(scene: Scene) -> None:
    scene.say(level(Grade.RED))

    assert sorted(scene.notes()) == [
        ("alert", "red", "deputy-1", "pending"),
        ("alert", "red", "duty-1", "pending"),
        ("alert", "red", "duty-1", "pending"),
        ("alert", "red", "leader-1", "pending"),
    ]


def test_every_rise_is_announced_and_the_peak_stays(scene: Scene) -> None:
    for grade in (Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED, Grade.YELLOW):
        scene.say(level(grade))

    [kept] = scene.store.open_incidents()
    assert (kept.incident.grade, kept.incident.peak) == (Grade.YELLOW, Grade.RED)
    assert scene.happened().count("announced") == 4
    assert scene.happened().count("raised") == 3
    assert scene.happened()[-1] == "lowered"


def test_the_same_finding_again_changes_and_tells_nothing(scene: Scene) -> None:
    for _ in range(5):
        scene.say(level(Grade.ORANGE))

    assert scene.happened() == ["opened", "announced"]


def test_a_headline_says_when_it_was_true(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    begun = scene.clock.ms
    scene.later(600, level(Grade.YELLOW))
    (kept,) = scene.store.open_incidents()
    assert kept.incident.described_at == begun
    scene.say(level(Grade.RED))
    (kept,) = scene.store.open_incidents()
    assert kept.incident.described_at == scene.clock.ms > begun


def test_a_flapping_value_does_not_flood_anybody(scene: Scene) -> None:
    for _ in range(30):
        scene.say(level(Grade.ORANGE))
        scene.later(2)
        scene.say(level(Grade.YELLOW))
        scene.later(2)

    assert scene.happened().count("announced") == 1


def test_a_fall_is_told_once_it_has_lasted(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.say(level(Grade.BLUE))
    scene.later(60, level(Grade.BLUE))
    assert "update" not in {kind for kind, *_ in scene.notes()}

    scene.later(120, level(Grade.BLUE))

    assert ("update", "blue", "leader-1", "pending") in scene.notes()


def test_the_clear_goes_to_everybody_whom_the_peak_concerned(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE), level(Grade.GREEN))
    scene.later(180, level(Grade.GREEN))

    cleared = {contact for kind, _, contact, _ in scene.notes() if kind == "clear"}
    assert cleared == {"duty-1", "deputy-1", "leader-1"}


def test_unknown_never_clears_however_long_it_lasts(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))

    scene.later(86_400, level(Grade.ORANGE, condition=Condition.UNKNOWN))

    [kept] = scene.store.open_incidents()
    assert (kept.incident.grade, kept.incident.condition) == (Grade.ORANGE, Condition.UNKNOWN)
    assert "cleared" not in scene.happened()


def test_a_finding_that_nobody_refreshes_becomes_unknown_after_two_minutes(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))

    scene.later(119)
    assert scene.store.open_incidents()[0].incident.condition is Condition.ACTIVE
    scene.later(2)

    assert scene.store.open_incidents()[0].incident.condition is Condition.UNKNOWN
    assert scene.watch.grade(FLOOD).condition is Condition.UNKNOWN


def test_a_zone_whose_findings_run_out_is_unknown_and_not_green(scene: Scene) -> None:
    scene.say(level(Grade.GREEN))
    assert scene.watch.grade(FLOOD).condition is Condition.CLEARED

    scene.later(121)

    assert scene.watch.grade(FLOOD).condition is Condition.UNKNOWN


def test_the_loss_of_a_station_makes_one_incident_and_clears_none(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.say(link(lost=True), silence("gauge-1"), silence("gauge-2"))
    scene.say(level(Grade.ORANGE, condition=Condition.UNKNOWN))
    scene.later(300, link(lost=True), level(Grade.ORANGE, condition=Condition.UNKNOWN))

    states = {kept.key: kept.incident for kept in scene.store.open_incidents()}
    assert set(states) == {FLOOD, EQUIPMENT}
    assert states[FLOOD].grade is Grade.ORANGE
    assert states[EQUIPMENT].judgement.subjects == ("station.north-1",)


def test_a_backlog_that_arrives_late_opens_and_raises_nothing(scene: Scene) -> None:
    scene.say(level(Grade.RED, late=True))
    assert scene.store.open_incidents() == []

    scene.say(level(Grade.YELLOW), level(Grade.RED, late=True))

    assert scene.store.open_incidents()[0].incident.grade is Grade.YELLOW
    scene.say(level(Grade.RED))
    assert scene.store.open_incidents()[0].incident.grade is Grade.RED


def test_taking_over_is_written_with_who_when_and_how(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.clock.advance(30)

    incident = scene.watch.acknowledge(1, "duty-1", "console")

    assert incident.acknowledged
    assert incident.stage is Stage.DECIDING
    event = scene.store.events(1)[-1]
    assert (event.actor, event.how, event.at) == ("duty-1", "console", scene.clock.now_ms())


def test_taking_over_twice_is_one_entry(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.watch.acknowledge(1, "duty-1", "console")

    assert scene.happened().count("acknowledged") == 1


def test_a_rise_above_the_acknowledged_grade_voids_the_acknowledgement(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.watch.acknowledge(1, "duty-1", "console")

    scene.say(level(Grade.ORANGE))

    incident = scene.store.open_incidents()[0].incident
    assert not incident.acknowledged
    assert incident.acknowledged_by == ""
    assert incident.stage is Stage.WARNED
    assert "voided" in scene.happened()


def test_a_rise_that_voids_is_told_even_if_the_fall_before_it_was_not(scene: Scene) -> None:
    scene.say(level(Grade.RED), level(Grade.YELLOW))
    scene.watch.acknowledge(1, "duty-1", "console")
    before = len(scene.notes())

    scene.say(level(Grade.RED))

    assert scene.happened()[-2:] == ["voided", "announced"]
    assert {note[:2] for note in scene.notes()[before:]} == {("alert", "red")}


def test_a_rise_up_to_the_acknowledged_grade_does_not_void_it(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.watch.acknowledge(1, "duty-1", "console")

    scene.say(level(Grade.BLUE), level(Grade.ORANGE))

    assert scene.store.open_incidents()[0].incident.acknowledged


def test_a_cleared_incident_that_was_taken_over_closes_after_it_has_settled(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.say(level(Grade.GREEN))
    assert scene.store.open_incidents()[0].incident.stage is Stage.RECOVERING
    scene.later(240, level(Grade.GREEN))
    assert scene.store.open_incidents()

    scene.later(120, level(Grade.GREEN))

    assert scene.store.open_incidents() == []
    assert scene.store.events(1)[-1].how == "settled"


def test_a_cleared_incident_that_nobody_took_over_closes_late_and_says_so(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW), level(Grade.GREEN))
    scene.later(1740, level(Grade.GREEN))
    assert scene.store.open_incidents()

    scene.later(120, level(Grade.GREEN))

    assert scene.store.open_incidents() == []
    assert scene.store.events(1)[-1].how == "unattended"
    kept = scene.store.kept(1)
    assert kept is not None
    assert not kept.incident.acknowledged


def test_a_danger_that_returns_while_it_recovers_is_the_same_incident(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW), level(Grade.GREEN))
    scene.later(180, level(Grade.GREEN))

    scene.say(level(Grade.YELLOW))

    [kept] = scene.store.open_incidents()
    assert kept.incident.number == 1
    assert [kind for kind, *_ in scene.notes()] == ["alert", "clear", "alert"]


def test_a_closed_incident_cannot_be_taken_over_and_an_unknown_one_neither(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW), level(Grade.GREEN))
    scene.later(2000, level(Grade.GREEN))

    with pytest.raises(IncidentError, match="is over"):
        scene.watch.acknowledge(1, "duty-1", "console")
    with pytest.raises(IncidentError, match="there is none"):
        scene.watch.acknowledge(99, "duty-1", "console")


def test_the_database_refuses_a_second_open_incident_of_a_zone_and_hazard(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))

    with pytest.raises(IntegrityError), scene.database.write() as connection:
        connection.execute(
            insert(tables.incident).values(
                site="riverside", zone="underpass", hazard="flood", version=1, grade=1,
                opened_at=0, closed_at=0, state="",
            )
        )  # fmt: skip


def test_a_writer_that_saw_an_older_version_is_refused_and_nothing_is_half_written(
    scene: Scene,
) -> None:
    scene.say(level(Grade.YELLOW))
    [seen] = scene.store.open_incidents()
    scene.watch.acknowledge(1, "duty-1", "console")
    before = scene.happened()

    with pytest.raises(StaleError):
        scene.store.commit(seen, scene.store.events(1)[-1:], scene.watch.times())

    assert scene.happened() == before


def test_two_programs_on_one_database_keep_one_incident(scene: Scene, tmp_path: Path) -> None:
    other = Scene(tmp_path, clock=scene.clock)
    scene.say(level(Grade.YELLOW))
    other.say(level(Grade.YELLOW))
    other.say(level(Grade.ORANGE))
    scene.say(level(Grade.ORANGE))
    scene.say(level(Grade.RED))
    other.close()

    assert [kept.incident.number for kept in scene.store.open_incidents()] == [1]
    assert scene.happened().count("announced") == 3
    scene.store.verify_journal()


def test_a_restart_resumes_without_telling_anybody_again(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE), level(Grade.YELLOW, sensor="gauge-2"))
    before = scene.happened()

    scene.restart()
    scene.say(level(Grade.YELLOW, sensor="gauge-2"))
    scene.later(60, level(Grade.YELLOW, sensor="gauge-2"))
    scene.say(level(Grade.ORANGE))

    assert scene.happened() == before


def test_after_a_restart_nothing_clears_because_findings_have_not_come_yet(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.restart()

    scene.later(600)

    [kept] = scene.store.open_incidents()
    assert (kept.incident.grade, kept.incident.condition) == (Grade.ORANGE, Condition.UNKNOWN)
    assert kept.incident.judgement.headline.zh.startswith("下穿通道水位")


def test_what_became_worse_while_we_were_down_is_told_at_once(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW), level(Grade.BLUE, sensor="gauge-2"))
    scene.restart()

    scene.say(level(Grade.RED))

    assert scene.happened()[-2:] == ["raised", "announced"]


def test_what_nobody_could_be_told_is_announced_again_to_everybody(tmp_path: Path) -> None:
    scene = Scene(tmp_path, channels=("third",))
    scene.say(level(Grade.BLUE))
    assert scene.notes() == [("alert", "blue", "duty-1", "failed")]
    scene.watch.remind()
    assert len(scene.notes()) == 1  # no channel at all: repeating it helps nobody
    scene.close()

    mended = Scene(tmp_path, channels=("hook",))
    mended.later(1860, level(Grade.BLUE))
    mended.watch.remind()

    assert [note[2:] for note in mended.notes()[1:]] == [
        ("duty-1", "pending"), ("deputy-1", "pending"), ("leader-1", "pending"),
    ]  # fmt: skip
    mended.close()


def test_the_name_that_somebody_typed_can_be_erased_and_the_journal_stays_whole(
    scene: Scene,
) -> None:
    scene.say(level(Grade.YELLOW))
    person = scene.store.person_id("赵 六")
    scene.watch.acknowledge(1, person, "console")
    assert scene.store.person_id("张 三") == "duty-1"
    assert scene.store.names()[person] == "赵 六"
    assert "赵" not in str(scene.store.events(1))

    Privacy(scene.database, scene.community, scene.clock).erase(person)

    assert person not in scene.store.names()
    scene.store.verify_journal()


def test_a_store_sees_only_the_incidents_of_its_own_site(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    elsewhere = scene.community.__class__(
        site=type(scene.community.site)("elsewhere", scene.community.site.name)
    )

    other = Store(scene.database, elsewhere, "", ())

    assert other.open_incidents() == []
    assert other.kept(1) is None


def test_a_zone_that_recovers_is_unknown_and_not_green_once_its_data_ends(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW), level(Grade.GREEN))
    assert scene.watch.grade(FLOOD).condition is Condition.CLEARED

    scene.later(125)

    assert scene.store.open_incidents()[0].incident.condition is Condition.CLEARED
    grade = scene.watch.grade(FLOOD)
    assert (grade.grade, grade.condition) == (Grade.GREEN, Condition.UNKNOWN)


def test_a_cleared_incident_says_so_and_not_what_it_said_on_its_way_back(scene: Scene) -> None:
    falling = Because(value=0.04, unit="m", limit=0.05, limit_grade="blue", side="high")
    low = Because(value=0.02, unit="m", limit=0.05, limit_grade="blue", side="high")
    scene.say(level(Grade.BLUE))
    scene.say(msgspec.structs.replace(level(Grade.BLUE), because=falling))
    scene.say(msgspec.structs.replace(level(Grade.GREEN), because=low))

    [kept] = scene.store.open_incidents()
    judgement = kept.incident.judgement
    assert judgement.headline.en == "Underpass: water level 0.02 m, clear of the blue limit 0.05 m"
    assert judgement.why.en == "back to normal"
    scene.store.verify_journal()


def test_an_incident_of_which_one_step_fails_holds_up_no_other(scene: Scene) -> None:
    class Broken(Store):
        def commit(
            self,
            kept: Kept | None,
            events: Sequence[Event],
            times: Times,
            *,
            everybody: bool = False,
        ) -> Kept:
            if kept is None and events[0].hazard is Hazard.EQUIPMENT:
                raise RuntimeError("a bug")
            return super().commit(kept, events, times, everybody=everybody)

    store = Broken(scene.database, scene.community, "http://hub", scene.channels)
    watch = Watch(store, scene.community, scene.clock, scene.patience)
    with pytest.raises(RuntimeError, match="a bug"):
        watch.take(silence("gauge-1"), 120)
    for zone in ("underpass", "north", "east", "south", "west"):
        with pytest.raises(RuntimeError, match="a bug"):
            watch.take(
                msgspec.structs.replace(level(Grade.RED), subject=f"zone.{zone}", zone=zone), 9
            )

    assert len(store.open_incidents()) == 5


def test_a_holder_whose_sensor_was_moved_to_another_zone_is_forgotten(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    moved = [
        msgspec.structs.replace(entry, zone="north") if entry.id == "gauge-1" else entry
        for entry in scene.community.sensor
    ]
    scene.restart()
    profile = msgspec.structs.replace(scene.community, sensor=tuple(moved))
    scene.watch = Watch(scene.store, profile, scene.clock, scene.patience)

    scene.later(180, level(Grade.GREEN, sensor="gauge-2"))

    assert scene.store.open_incidents()[0].incident.condition is Condition.CLEARED


def test_a_number_that_no_database_can_hold_is_no_incident(scene: Scene) -> None:
    desk = IncidentDesk(scene.store, scene.watch, scene.clock, lambda: None)
    scene.say(level(Grade.YELLOW))

    assert desk.incident(1 << 80) is None
    assert [view.number for view in desk.incidents(10, 1 << 80)] == [1]


def test_what_is_known_to_be_as_bad_counts_at_once_after_a_restart(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.say(level(Grade.RED, condition=Condition.UNKNOWN))
    scene.restart()

    scene.say(level(Grade.RED, sensor="gauge-2"))

    [kept] = scene.store.open_incidents()
    assert kept.incident.condition is Condition.ACTIVE
    with pytest.raises(IncidentError, match="still show the danger"):
        scene.cycle.end(kept.incident.number, "duty-1", "gauge broken")
