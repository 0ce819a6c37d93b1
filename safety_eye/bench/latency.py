"""From the last byte of a frame on a serial line to a webhook that was received, everything real.

A station with one air-gap sensor on a pseudo-terminal, the embedded broker, ingest, detectors and
alerts run as they do at night; 200 readings a second of other stations keep them busy. The water
jumps above a limit and back, and each rise is timed from the write on the serial line to the post
that arrives at the receiver.

Baseline: the same bytes written to a pseudo-terminal and posted straight to the same receiver.
"""

from __future__ import annotations

import base64
import os
import pty
import secrets
import statistics
import tempfile
import threading
import tty
from pathlib import Path
from typing import Any

import httpx

from alerts.channels.entry import ChannelEntry
from alerts.decisions import Patience
from core import topics
from core.broker import Broker, BrokerAddress
from core.clock import RunClock
from core.community import Community, Contact, LimitEntry, Name, SensorEntry, Site, Zone
from core.finding import Hazard
from core.pack import Pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from edge.configuration import PortEntry, StationConfig, StationEntry
from edge.drivers import make_driver
from safety_eye.embedded_broker import free_port
from safety_eye.house import House, start_all
from safety_eye.hub import BrokerEntry, HttpEntry, HubConfig
from safety_eye.profile_text import to_toml
from safety_eye.receiver import Delivery, Receiver
from safety_eye.supervisor import Supervisor

RISES = 40
LOAD_READINGS_PER_S = 200
LOAD_SENSORS = 50
# 0.25 m and 0.295 m: across the limit of 0.27 m, and no faster than water can rise.
_DRY_MM, _WET_MM = 2950, 2905
_WAIT_S = 10.0


def run() -> dict[str, Any]:
    """Measure; times in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="safety-eye-bench-") as directory:
        return _Run(Path(directory)).measure()


class _Run:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.clock = RunClock()
        self.arrived = threading.Event()
        self.arrived_at_s = 0.0
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.receiver = Receiver(self.secret, self._delivered)
        self.driver = make_driver("dfrobot_a02yyuw", {})
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)

    def _delivered(self, delivery: Delivery) -> None:
        kind = str(delivery.body.get("type", ""))
        if kind.endswith(("alert", "opened", "raised")) and not self.arrived.is_set():
            self.arrived_at_s = self.clock.monotonic_s()
            self.arrived.set()

    def measure(self) -> dict[str, Any]:
        house = self._house()
        supervisor = Supervisor(self.state, self.clock, lambda _text: None)
        stop = threading.Event()
        load = threading.Thread(target=self._load, args=(house.broker, stop), daemon=True)
        try:
            start_all(supervisor, house.programs())
            supervisor.start(house.station_program("bench", self._station(house)))
            self._await_ready(house.config.http.url, supervisor)
            load.start()
            rises = self._rises()
            return {
                "serial_to_webhook_ms": _spread(rises),
                "rises": len(rises),
                "missed": RISES - len(rises),
                "load_readings_per_s": LOAD_READINGS_PER_S,
                "baseline_direct_post_ms": _spread(self._direct()),
            }
        finally:
            stop.set()
            supervisor.stop()
            self.receiver.close()
            os.close(self.master)
            os.close(self.slave)

    def _community(self) -> Community:
        zones = [Zone("z", Name("区", "Zone")), Zone("load", Name("负载", "Load"))]
        gauge = SensorEntry(
            "gauge", "bench", "z", "dfrobot_a02yyuw", Quantity.WATER_LEVEL, Hazard.FLOOD,
            interval_s=0.1, mount_height_m=3.2, port="p",
        )  # fmt: skip
        loads = [
            SensorEntry(f"load-{index}", "load", "load", "ndjson_bridge", Quantity.TEMPERATURE,
                        Hazard.AIR, interval_s=1)
            for index in range(LOAD_SENSORS)
        ]  # fmt: skip
        return Community(
            Site("bench", Name("测试", "Bench"), "Asia/Shanghai", "en"),
            tuple(zones),
            (gauge, *loads),
            (LimitEntry("z", Quantity.WATER_LEVEL, red=0.27, dwell_down_s=0.0, reason="bench"),),
            (Contact("duty-1", "Duty", "duty", ("hook",)),),
        )

    def _house(self) -> House:
        secret_file = self.state / "secret"
        secret_file.write_text(self.secret)
        config = HubConfig(
            # Each fall must be told at once here, or the next rise would count as flapping.
            patience=Patience(fall_s=0.0, settle_s=0.0),
            broker=BrokerEntry(port=free_port()),
            http=HttpEntry(port=free_port()),
            channel=(
                ChannelEntry(
                    name="hook", kind="webhook", url=self.receiver.url,
                    secret_file=str(secret_file), allow_private=True,
                ),
            ),
        )  # fmt: skip
        community, hub = self.state / "community.toml", self.state / "hub.toml"
        community.write_text(to_toml(self._community()), encoding="utf-8")
        hub.write_text(to_toml(config), encoding="utf-8")
        return House(community, hub, config, self.state, self.clock)

    def _station(self, house: House) -> Path:
        profile = self._community()
        config = StationConfig(
            station=StationEntry(id="bench", site="bench", clock="trusted"),
            broker=house.broker,
            port=(PortEntry(id="p", path=os.ttyname(self.slave), baud=9600),),
            sensor=(profile.sensor[0],),
            limit=profile.limit,
        )
        directory = self.state / "stations" / "bench"
        directory.mkdir(parents=True)
        (directory / "station.toml").write_text(to_toml(config), encoding="utf-8")
        return directory / "station.toml"

    def _await_ready(self, url: str, supervisor: Supervisor) -> None:
        pause = threading.Event()
        for _ in range(300):
            supervisor.watch()
            self._write(_DRY_MM)
            try:
                grades = httpx.get(f"{url}/api/v1/grades", timeout=1, trust_env=False).json()
            except (httpx.HTTPError, ValueError):
                grades = []
            rows = grades["grades"] if isinstance(grades, dict) else grades
            if any(row["zone"] == "z" and row["condition"] == "cleared" for row in rows):
                return
            pause.wait(0.1)
        raise RuntimeError("the hub did not come up")

    def _write(self, distance_mm: int) -> None:
        os.write(self.master, self.driver.encode({"distance": distance_mm}))

    def _rises(self) -> list[float]:
        """Time each rise: dry until green is published, then wet."""
        pause = threading.Event()
        times = []
        for _ in range(RISES):
            for _ in range(12):
                self._write(_DRY_MM)
                pause.wait(0.1)
            self.arrived.clear()
            self._write(_WET_MM)
            pause.wait(0.05)
            began_s = self.clock.monotonic_s()
            # The frame's 8-bit sum is a weak check: two agreeing frames are needed, the second
            # one starts the watch.
            self._write(_WET_MM)
            if self.arrived.wait(_WAIT_S):
                times.append((self.arrived_at_s - began_s) * 1000)
        return times

    def _direct(self) -> list[float]:
        times = []
        with httpx.Client(trust_env=False) as client:
            for _ in range(RISES):
                began_s = self.clock.monotonic_s()
                self._write(_WET_MM)
                self.driver.feed(os.read(self.slave, 64))
                client.post(self.receiver.url, content=b"{}")
                times.append((self.clock.monotonic_s() - began_s) * 1000)
        return times

    def _load(self, broker: BrokerAddress, stop: threading.Event) -> None:
        link = Broker(broker, "bench-load", session_expiry_s=0)
        link.start()
        link.wait_linked(_WAIT_S)
        seq = 0
        while not stop.wait(LOAD_SENSORS / LOAD_READINGS_PER_S):
            now = self.clock.now_ms()
            pack = Pack(
                boot="load",
                seq=seq,
                readings=tuple(
                    Reading(f"load-{index}", Quantity.TEMPERATURE, now, 20.0)
                    for index in range(LOAD_SENSORS)
                ),
            )
            user = {"boot": "load", "seq": str(seq), "count": str(LOAD_SENSORS)}
            link.publish(topics.readings("bench", "load"), encode_pack(pack), user=user)
            seq += 1
        link.stop()


def _spread(times: list[float]) -> dict[str, float]:
    if not times:
        return {}
    ordered = sorted(times)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "worst": round(ordered[-1], 2),
    }
