"""A place that can't be judged, by a fault of ours, takes nobody else's warning away."""

from __future__ import annotations

import msgspec
import pytest

from alerts.board import Key
from core.grade import Grade
from tests.alerts.scenery import Scene, level


def test_a_place_that_cannot_be_judged_holds_up_no_ladder_of_another(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = scene.watch._judge
    broken = True

    def judged(key: Key) -> None:
        if broken and key.zone == "north":
            raise ZeroDivisionError
        judge(key)

    monkeypatch.setattr(scene.watch, "_judge", judged)
    north = msgspec.structs.replace(level(Grade.RED), subject="gauge-2.water-level", zone="north")
    with pytest.raises(ZeroDivisionError):
        scene.say(north)
    with pytest.raises(ZeroDivisionError):
        scene.say(level(Grade.RED))
    assert [kept.incident.zone for kept in scene.store.open_incidents()] == ["underpass"]

    for _ in range(30):
        scene.clock.advance(60)
        with pytest.raises(ZeroDivisionError):
            scene.watch.tick()
    assert "escalation" in {kind for kind, *_ in scene.notes()}

    broken = False
    scene.say(north)
    zones = {kept.incident.zone for kept in scene.store.open_incidents()}
    assert zones == {"underpass", "north"}
