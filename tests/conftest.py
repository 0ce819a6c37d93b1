"""Fixtures that hand out real servers. One of each serves the whole run, so use names of your own
(site, database) in your test; `own_mosquitto` and `own_influxdb` belong to one test, to be killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import InfluxDB, Mosquitto, VictoriaMetrics

# How fast a machine makes examples is no property of ours; a test that hangs has its time-out.
settings.register_profile("behaviour", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("behaviour")


# Directories whose tests wait longest; they begin first, so that none is alone at the end.
LONGEST = ("end_to_end", "chaos", "integration", "safety_eye", "hardware")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the order within a file stays."""

    def place(item: pytest.Item) -> int:
        parts = item.path.parts
        named = parts[parts.index("tests") + 1] if "tests" in parts[:-1] else ""
        return LONGEST.index(named) if named in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    server = InfluxDB(tmp_path_factory.mktemp("influxdb"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    server = VictoriaMetrics(tmp_path_factory.mktemp("victoria-metrics"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    server = Mosquitto(tmp_path / "mosquitto")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def own_influxdb(tmp_path: Path) -> Iterator[InfluxDB]:
    server = InfluxDB(tmp_path / "influxdb")
    try:
        server.start()
        yield server
    finally:
        server.kill()
