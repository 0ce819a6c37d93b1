"""A place that can't be judged, by a fault of ours, takes nobody else's warning away."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from alerts.board import Key
from alerts.service import AlertService, AlertSettings
from core.broker import BrokerAddress
from core.clock import ManualClock
from core.grade import Grade
from tests.alerts.scenery import Scene, level, place
from tests.servers import free_port


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


def test_an_act_of_a_station_that_cannot_be_told_stops_no_ladder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    settings = AlertSettings(state_url=f"sqlite:///{tmp_path}/alerts.db")
    broker = BrokerAddress("127.0.0.1", free_port())
    service = AlertService(settings, place(), broker, clock)

    class Broken:
        def tick(self) -> None:
            raise ZeroDivisionError

    monkeypatch.setattr(service, "_acts", Broken())
    service._watch.take(level(Grade.RED), 120)
    for _ in range(4):
        clock.advance(60)
        with pytest.raises(ZeroDivisionError):
            service._pass_time()

    happened = [str(event.what) for event in service._store.events(1)]
    assert "escalated" in happened
    service.stop()
