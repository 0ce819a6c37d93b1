"""A red warning of the hub, a real station, a siren that sounds, and the word that it was heard."""

from __future__ import annotations

from pathlib import Path

from alerts.channels.entry import ChannelEntry
from alerts.service import AlertService, AlertSettings
from core.clock import RunClock
from core.community_file import parse_community
from core.grade import Grade
from tests.alerts.scenery import level
from tests.edge.acting_stage import KEY, SPEED, Stage
from tests.integration.test_acting_alone import PLACE
from tests.servers import wait_until

CONTACT = """
[[contact]]
id = "horn"
name = "siren of the underpass"
role = "sounder"
channels = ["siren:s1/siren"]
"""


def test_a_red_of_the_hub_sounds_the_siren_of_a_station_and_is_heard(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.voice.hush()
    stage.voice.confirms = False
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "s1.key").write_text(KEY)
    clock = RunClock(stage.epoch_ms, SPEED)
    entry = ChannelEntry(
        name="siren", kind="sounder",
        options={"key_directory": str(tmp_path / "keys"), "seconds": 100.0},
    )  # fmt: skip
    service = AlertService(
        AlertSettings(state_url=f"sqlite:///{tmp_path}/alerts.db", channels=(entry,)),
        parse_community(PLACE + CONTACT), stage.mosquitto.address, clock,
    )  # fmt: skip
    service.start()
    try:
        stage.run()
        wait_until(
            lambda: stage.voice.statuses and stage.voice.statuses[-1].acting is not None, 30,
            "the station",
        )  # fmt: skip

        service._watch.take(level(Grade.RED, at=clock.now_ms()), 120)
        service._inbox.ring()

        wait_until(lambda: stage.sounds, 30, "the siren")
        wait_until(
            lambda: [
                row
                for row in service._store.notified([1])[1]
                if row["detail"] == "siren 已确认鸣响 was heard to sound"
            ],
            30,
            "the word that it was heard",
        )
        [row] = service._store.notified([1])[1]
        assert (row["state"], row["channel"]) == ("accepted", "siren")
    finally:
        service.stop()
        stage.close()
