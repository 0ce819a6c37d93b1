"""Withholding: hidden from people for a while, never from the record, and red never silently."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from alerts import tables
from alerts.incident import Incident
from alerts.views import IncidentError
from alerts.withholding import Scope, WithholdingKind
from core.finding import Condition, Hazard
from core.grade import Grade
from tests.alerts.scenery import Scene, level

GAUGE = Scope(sensor="gauge-1")
PLACE = Scope(zone="underpass", hazard=Hazard.FLOOD)
SHELVED, SUPPRESSED = WithholdingKind.SHELVED, WithholdingKind.SUPPRESSED
OUT = WithholdingKind.OUT_OF_SERVICE


def incident(scene: Scene) -> Incident:
    kept = scene.store.kept(1)
    assert kept is not None
    return kept.incident


def soon(scene: Scene, seconds: float = 3600) -> int:
    return scene.clock.now_ms() + round(seconds * 1000)


def shelve(scene: Scene, scope: Scope = GAUGE, seconds: float = 3600) -> int:
    view = scene.withholding.withhold(
        SHELVED, scope, "duty-1", "cleaning", until=soon(scene, seconds), up_to=Grade.ORANGE
    )
    return view.number


def reminders(scene: Scene) -> list[str]:
    """Who was sent a notice."""
    query = select(tables.outbox.c.contact).where(tables.outbox.c.kind == "notice")
    with scene.database.read() as connection:
        return list(connection.execute(query).scalars())


def alerts(scene: Scene) -> int:
    return sum(kind == "alert" for kind, *_ in scene.notes())


def test_what_is_shelved_is_recorded_but_nobody_is_told(scene: Scene) -> None:
    shelve(scene)
    scene.say(level(Grade.BLUE))
    scene.say(level(Grade.ORANGE))

    assert scene.happened() == ["opened", "hidden", "raised"]
    assert incident(scene).grade is Grade.ORANGE
    assert incident(scene).hidden
    assert scene.notes() == []


def test_red_breaks_through_a_shelving(scene: Scene) -> None:
    shelve(scene)
    scene.say(level(Grade.YELLOW))
    scene.say(level(Grade.RED))

    assert not incident(scene).hidden
    assert ("alert", "red", "duty-1", "pending") in scene.notes()


@pytest.mark.parametrize("kind", [SHELVED, SUPPRESSED])
def test_red_can_not_be_shelved_or_suppressed(scene: Scene, kind: WithholdingKind) -> None:
    with pytest.raises(IncidentError, match="red is never"):
        scene.withholding.withhold(
            kind, GAUGE, "duty-1", "noise", until=soon(scene), up_to=Grade.RED, second="leader-1"
        )


def test_a_sensor_out_of_service_is_silent_at_red_only_if_two_persons_stand_for_it(
    scene: Scene,
) -> None:
    for second in ("", "duty-1"):
        with pytest.raises(IncidentError, match="two different persons"):
            scene.withholding.withhold(
                OUT, GAUGE, "duty-1", "repair", until=soon(scene), up_to=Grade.RED, second=second
            )
    scene.withholding.withhold(
        OUT, GAUGE, "duty-1", "repair", until=soon(scene), up_to=Grade.RED, second="leader-1"
    )
    scene.say(level(Grade.RED))

    assert scene.notes() == []
    assert incident(scene).grade is Grade.RED


def test_the_other_sensor_of_the_place_is_still_heard(scene: Scene) -> None:
    shelve(scene)
    scene.say(level(Grade.ORANGE, sensor="gauge-1"))
    scene.say(level(Grade.YELLOW, sensor="gauge-2"))

    assert incident(scene).grade is Grade.ORANGE
    assert incident(scene).voiced is Grade.YELLOW
    assert {grade for _, grade, _, _ in scene.notes()} == {"yellow"}


def test_it_ends_by_itself_and_what_still_holds_is_told(scene: Scene) -> None:
    shelve(scene, seconds=600)
    scene.say(level(Grade.ORANGE))
    scene.later(540, level(Grade.ORANGE))
    assert scene.notes() == []

    scene.later(120, level(Grade.ORANGE))

    assert ("alert", "orange", "duty-1", "pending") in scene.notes()
    assert scene.happened()[-2:] == ["shown", "announced"]
    assert scene.withholding.latest()[0].ended_how == "expired"


def test_shelving_what_people_know_of_tells_no_false_all_clear(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    shelve(scene, PLACE)
    scene.later(1200, level(Grade.YELLOW))
    assert [kind for kind, *_ in scene.notes()] == ["alert"]

    scene.later(600, level(Grade.GREEN))  # now it is over
    assert "clear" in [kind for kind, *_ in scene.notes()]


def test_what_was_acknowledged_is_not_told_again_when_it_is_shown(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.watch.acknowledge(1, "duty-1", "console")
    number = shelve(scene, PLACE)
    scene.withholding.release(number, "duty-1")

    assert alerts(scene) == 1


def test_the_owner_is_reminded_before_the_end(scene: Scene) -> None:
    shelve(scene, seconds=3600)
    scene.later(3200)
    assert not scene.withholding.standing()[0].due

    scene.later(120)
    assert scene.withholding.standing()[0].due
    assert reminders(scene) == ["duty-1"]
    scene.later(120)
    assert reminders(scene) == ["duty-1"]


def test_it_survives_a_restart(scene: Scene) -> None:
    shelve(scene)
    scene.say(level(Grade.YELLOW))
    scene.restart()
    scene.say(level(Grade.ORANGE))

    assert scene.notes() == []
    assert incident(scene).hidden


def test_a_preview_says_what_it_would_hide_and_from_whom(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW, sensor="gauge-1"), level(Grade.RED, sensor="gauge-2"))

    seen = scene.withholding.preview(PLACE, Grade.ORANGE)
    assert seen.sensors == ("gauge-1", "gauge-2")
    assert seen.rules == ("gauge-1.water-level limit-high",)
    assert seen.louder == ("gauge-2.water-level limit-high",)
    assert (seen.incidents, seen.partly) == ((), (1,))
    assert seen.contacts == ("duty-1", "deputy-1", "leader-1")
    assert scene.withholding.latest() == []
    assert scene.withholding.preview(GAUGE, Grade.YELLOW).contacts == ("duty-1", "deputy-1")


def test_a_rule_can_be_suppressed_for_good_and_is_put_before_people_every_day(
    scene: Scene,
) -> None:
    scene.withholding.withhold(SUPPRESSED, Scope(rule="rise"), "leader-1", "the pump test at noon")
    scene.say(level(Grade.YELLOW, rule="rise"))
    assert scene.notes() == []
    scene.say(level(Grade.YELLOW, rule="limit-high"))
    assert alerts(scene) == 1

    scene.clock.advance(25 * 3600)
    scene.withholding.tick()
    assert scene.withholding.standing()[0].due


@pytest.mark.parametrize(
    ("kind", "scope", "until_s", "reason", "says"),
    [
        (SHELVED, GAUGE, 0, "noise", "needs an end"),
        (SHELVED, GAUGE, 90_000, "noise", "24 h at most"),
        (SHELVED, GAUGE, 60, " ", "reason"),
        (SHELVED, Scope(zone="underpass"), 60, "noise", "withhold what"),
        (OUT, PLACE, 60, "repair", "only a sensor"),
        (SHELVED, Scope(sensor="gauge-9"), 60, "noise", "not in the profile"),
        (SHELVED, Scope(zone="moon", hazard=Hazard.FLOOD), 60, "noise", "not in the profile"),
    ],
)
def test_what_lacks_something_is_refused_in_words(
    scene: Scene, kind: WithholdingKind, scope: Scope, until_s: int, reason: str, says: str
) -> None:
    until = soon(scene, until_s) if until_s else 0
    with pytest.raises(IncidentError, match=says):
        scene.withholding.withhold(kind, scope, "duty-1", reason, until=until)
    assert scene.withholding.latest() == []


def test_it_is_extended_and_ended_by_hand_once(scene: Scene) -> None:
    number = shelve(scene, seconds=600)
    scene.withholding.extend(number, "duty-1", soon(scene, 1200))
    scene.later(900)
    assert len(scene.withholding.standing()) == 1

    scene.withholding.release(number, "deputy-1")
    assert scene.withholding.latest()[0].ended_by == "deputy-1"
    with pytest.raises(IncidentError, match="has ended"):
        scene.withholding.release(number, "deputy-1")
    with pytest.raises(IncidentError, match="there is none"):
        scene.withholding.release(99, "deputy-1")


def test_a_test_of_a_sensor_out_of_service_asks_for_no_review(scene: Scene) -> None:
    scene.withholding.withhold(
        OUT, GAUGE, "duty-1", "test", until=soon(scene), up_to=Grade.RED, second="leader-1"
    )
    scene.say(level(Grade.RED))
    scene.later(2400, level(Grade.GREEN))

    assert incident(scene).closed_at > 0


def test_unknown_readings_of_what_is_withheld_tell_nothing_either(scene: Scene) -> None:
    shelve(scene)
    scene.say(level(Grade.YELLOW))
    scene.say(level(Grade.YELLOW, condition=Condition.UNKNOWN))

    assert incident(scene).condition is Condition.UNKNOWN
    assert scene.notes() == []
