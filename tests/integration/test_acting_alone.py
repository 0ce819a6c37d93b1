"""A real station and a real alert service: what it did alone is in the incident, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.service import AlertService, AlertSettings
from core.clock import RunClock
from core.command import Verb
from core.community_file import parse_community
from core.configuration import ConfigurationError
from core.finding import Condition
from core.grade import Grade
from safety_eye.hub import CommandsEntry, HubConfig
from safety_eye.order import Courier, Order, OrderError, key_of
from tests.edge.acting_stage import KEY, SPEED, Stage
from tests.servers import wait_until

PLACE = """
[site]
id = "a"
name = { zh = "甲", en = "A" }
[[zone]]
id = "underpass"
name = { zh = "下穿通道", en = "Underpass" }
[[sensor]]
id = "gauge-1"
station = "s1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
"""


class Hub:
    """The alert service, with a clock as fast as the station's."""

    def __init__(self, stage: Stage, directory: Path) -> None:
        self.clock = RunClock(stage.epoch_ms, SPEED)
        settings = AlertSettings(state_url=f"sqlite:///{directory}/alerts.db")
        community = parse_community(PLACE)
        self.service = AlertService(settings, community, stage.mosquitto.address, self.clock)
        self.service.start()
        wait_until(lambda: self.service.program.readiness()["broker"], 20)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    # The real hub beats and confirms; the voice only listens.
    made.voice.hush()
    made.voice.confirms = False
    yield made
    made.close()


@pytest.fixture
def hub(stage: Stage, tmp_path: Path) -> Iterator[Hub]:
    made = Hub(stage, tmp_path)
    yield made
    made.service.stop()


def hears_the_hub(stage: Stage) -> bool:
    state = stage.voice.statuses[-1].acting if stage.voice.statuses else None
    return state is not None and state.alone_ms == 0


def test_a_flood_that_came_and_went_while_the_hub_was_gone_is_told_afterwards(
    stage: Stage, hub: Hub
) -> None:
    stage.run()
    wait_until(lambda: hears_the_hub(stage), 30, "the heartbeat")
    stage.mosquitto.kill()
    stage.rises()
    wait_until(lambda: stage.sounds, 20, "the siren")
    stage.level_mm = 50
    wait_until(lambda: not stage.sounds, 20, "silence")
    stage.mosquitto.start()
    wait_until(hub.service.incidents, 60, "the incident")
    wait_until(lambda: hub.service.incidents()[0].acted, 30, "the act in it")
    wait_until(lambda: hub.service.incidents()[0].condition is Condition.CLEARED, 30, "the end")
    [incident] = hub.service.incidents()
    assert (incident.zone, incident.hazard, incident.peak) == ("underpass", "flood", Grade.BLUE)
    sirens = [act for act in incident.acted if act.output == "siren"]
    assert len(sirens) == 1
    assert sirens[0].alone
    assert sirens[0].sounded is True
    assert 0 < sirens[0].at < sirens[0].until < incident.opened_at
    wait_until(
        lambda: (state := stage.voice.statuses[-1].acting) is not None and not state.waiting,
        30,
        "the receipts",
    )
    assert [kept.act.id for kept in hub.service.program.acts()] == [
        kept.act.id
        for kept in sorted(hub.service.program.acts(), key=lambda kept: -kept.received_at)
    ]


def test_a_person_at_the_hub_tests_a_siren_and_hears_whether_it_sounded(
    stage: Stage, hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "s1.key").write_text(KEY)
    config = HubConfig(commands=CommandsEntry(str(tmp_path / "keys")))
    key = key_of(config, "s1")

    def deliver(order: Order, signed: bytes = key) -> tuple[list[str], bool]:
        courier = Courier(stage.mosquitto.address, "a", order, signed, hub.clock, 600.0)
        return courier.deliver(), courier.unheard

    with pytest.raises(OrderError, match="nothing was ever heard"):
        deliver(Order("s1", Verb.TEST, "siren"))
    stage.run()
    wait_until(lambda: hears_the_hub(stage), 30, "the heartbeat")
    lines, unheard = deliver(Order("s1", Verb.TEST, "siren", 30, "Li"))
    assert not unheard
    assert lines[-1] == "heard: its feedback confirms that it worked"
    stage.mic_follows = False
    stage.inputs["di0"] = 0
    lines, unheard = deliver(Order("s1", Verb.TEST, "siren", 50, "Li"))
    assert unheard
    assert "NOT confirmed" in lines[-1]
    with pytest.raises(OrderError, match="no output 'horn'"):
        deliver(Order("s1", Verb.TEST, "horn"))
    with pytest.raises(ConfigurationError, match="can't be read"):
        key_of(config, "s2")
    wait_until(lambda: len(hub.service.program.acts()) >= 6, 20, "the acts in the hub's book")
    assert len(stage.voice.beats) >= 2
    assert all(beat.judging for beat in stage.voice.beats)
    assert hub.service.incidents() == []
