"""An incident of a drill and an actual one: two, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.channels.template import filling
from alerts.decisions import Patience, opening
from alerts.fold import apply
from alerts.incident import Event, Happening, Kind
from alerts.journal import fold
from alerts.views import IncidentError
from alerts.watch import Watch
from core.act import ActEvent, LocalAct
from core.finding import Condition, Hazard
from core.grade import Grade
from tests.alerts.samples import note
from tests.alerts.scenery import FLOOD, Scene, judged, level

DRILL = "d-20261125-0900"


def events_of(drill: str) -> list[Event]:
    return opening(FLOOD.zone, FLOOD.hazard, judged(level(Grade.RED)), 1_000, drill)


def any_event(what: Happening, drill: str) -> Event:
    return Event(
        at=9_999_999_999, actor="duty-1", what=what, grade=Grade.ORANGE, seq=99, kind=Kind.UPDATE,
        judgement=judged(level(Grade.ORANGE)), zone="z", hazard=Hazard.AIR, drill=drill,
        station="s1", act=LocalAct(id="b-1", boot="b", at=0, event=ActEvent.ON),
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    born=st.sampled_from(["", DRILL]),
    steps=st.lists(
        st.tuples(st.sampled_from(list(Happening)), st.sampled_from(["", DRILL, "d-other"])),
        max_size=12,
    ),
)
def test_no_event_turns_a_drill_into_an_actual_incident_or_back(
    born: str, steps: list[tuple[Happening, str]]
) -> None:
    incident = fold(events_of(born), 7)

    for what, drill in steps:
        try:
            incident = apply(incident, any_event(what, drill))
        except IncidentError:
            continue

    assert incident.drill == born
    assert incident.exercise == (born != "")


@settings(max_examples=50, deadline=None)
@given(what=st.sampled_from([what for what in Happening if what is not Happening.OPENED]))
def test_an_event_that_names_a_drill_is_refused_in_every_incident(what: Happening) -> None:
    for born in ("", DRILL):
        with pytest.raises(IncidentError):
            apply(fold(events_of(born), 7), any_event(what, DRILL))


def test_the_end_of_a_drill_ends_no_actual_incident() -> None:
    with pytest.raises(IncidentError, match="is actual"):
        apply(fold(events_of(""), 7), Event(at=2_000, what=Happening.DRILL_ENDED))


def test_a_drill_and_an_actual_flood_in_the_same_place_are_two_incidents(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    drill = Watch(scene.store, scene.community, scene.clock, Patience(), DRILL)

    drill.take(level(Grade.RED), 120)
    scene.say(level(Grade.YELLOW))

    assert [
        (kept.incident.number, kept.incident.grade) for kept in scene.store.open_incidents()
    ] == [(2, Grade.YELLOW)]
    assert [kept.incident.grade for kept in scene.store.open_incidents(DRILL)] == [Grade.RED]
    assert scene.watch.grade(FLOOD).incident == 2
    assert len(scene.store.open_incidents(drill=None)) == 2
    scene.store.verify_journal()
    scene.close()


def test_an_actual_watch_takes_up_no_incident_of_a_drill_after_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    Watch(scene.store, scene.community, scene.clock, Patience(), DRILL).take(level(Grade.RED), 120)

    scene.restart()

    assert scene.watch.open_keys() == set()
    assert scene.watch.grade(FLOOD).condition is Condition.UNKNOWN
    assert Watch(scene.store, scene.community, scene.clock, Patience(), DRILL).open_keys() == {
        FLOOD
    }
    scene.close()


def test_an_approved_template_without_a_word_for_the_grade_still_says_that_it_is_a_drill() -> None:
    drill = note(exercise=True)

    assert filling(drill, ("place", "time"), "zh")["place"].startswith("演练")
    assert filling(drill, ("place", "grade"), "zh")["grade"].startswith("演练")
    assert not filling(note(), ("place", "time"), "zh")["place"].startswith("演练")
