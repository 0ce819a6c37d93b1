"""A station whose disk is full or read-only: it goes on measuring and warning, and says so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.quantity import Quantity
from core.status import Link
from edge import read_spool
from tests.edge.disks import small_disk
from tests.edge.lines import Hub
from tests.edge.test_station import Site, produced_of
from tests.servers import Mosquitto, wait_until


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    node: pytest.Item = request.node
    return f"d{abs(hash(node.nodeid)) % 10**9}"


@pytest.fixture
def hub(mosquitto: Mosquitto, name: str) -> Iterator[Hub]:
    made = Hub(mosquitto.address, name, "s1")
    yield made
    made.close()


def health(hub: Hub, number: str) -> float | None:
    status = hub.last_status
    return status.health.get(number) if status is not None else None


def alarm_is_sent_at_once(site: Site, hub: Hub) -> None:
    site.alarm["di0"] = 1
    wait_until(
        lambda: any(
            one.value == 1.0
            for pack in hub.packs
            for one in pack.readings
            if one.quantity is Quantity.ALARM_INPUT
        ),
        10,
    )


def test_a_station_on_a_full_disk_goes_on_says_so_and_loses_nothing(
    mosquitto: Mosquitto, tmp_path: Path, name: str, hub: Hub
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        site = Site(disk, name, mosquitto.port)
        try:
            process = site.run()
            wait_until(lambda: len(hub.packs) >= 3, 30)
            assert health(hub, "spool_in_memory") == 0
            fill(disk / "ballast")
            # What is on the disk may still be overwritten: it is full once a file must grow.
            hub.receipts = False
            wait_until(lambda: health(hub, "spool_in_memory") == 1, 60)
            before = len(hub.packs)
            alarm_is_sent_at_once(site, hub)
            wait_until(lambda: len(hub.packs) >= before + 3, 20)
            (disk / "ballast").unlink()
            hub.receipts = True
            hub.receipt_all()
            wait_until(lambda: health(hub, "spool_in_memory") == 0, 40)
            process.terminate()
            assert process.wait(30) == 0
            totals = read_spool(site.spool)
            assert (totals.waiting_packs, totals.lost, totals.unknown) == (0, 0, 0)
            assert produced_of(hub) == totals.produced
        finally:
            site.close()


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_station_on_a_read_only_disk_starts_measures_and_says_so(
    mosquitto: Mosquitto, tmp_path: Path, name: str, hub: Hub
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        site = Site(disk, name, mosquitto.port)
        try:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            process = site.run()
            wait_until(lambda: len(hub.packs) >= 3, 30)
            assert health(hub, "spool_in_memory") == 1
            alarm_is_sent_at_once(site, hub)
            process.terminate()
            assert process.wait(30) == 0
            wait_until(lambda: hub.last_status is not None and hub.last_status.link is Link.STOPPED)
            assert hub.last_status is not None
            assert produced_of(hub) == hub.last_status.made
        finally:
            site.close()
