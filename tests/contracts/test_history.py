"""What every history backend promises, run over all of them with the real servers.

A backend is added by one entry in `BACKENDS`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest

from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from ingest.history import (
    HistoryReader,
    HistorySettings,
    HistoryUnavailableError,
    HistoryUnreadableError,
    HistoryWriter,
    open_reader,
    open_writer,
)
from ingest.history.base import Bucket, Series, StationState
from tests.servers import InfluxDB, VictoriaMetrics, wait_until

START = 1_764_500_000_000


@dataclass
class Backend:
    settings: HistorySettings
    writer: HistoryWriter

    def reader(self) -> HistoryReader:
        if not self.writer.capabilities.reads:
            with pytest.raises(HistoryUnreadableError, match="can be written but not read back"):
                open_reader(self.settings)
            pytest.skip("this backend says honestly that it can't be read back")
        return open_reader(self.settings)


def sqlite(request: pytest.FixtureRequest) -> HistorySettings:
    path: Path = request.getfixturevalue("tmp_path")
    return HistorySettings(path=str(path / "history.db"))


def influx_v1(request: pytest.FixtureRequest) -> HistorySettings:
    server: InfluxDB = request.getfixturevalue("influxdb")
    database = server.create(f"contract_{uuid.uuid4().hex}")
    return HistorySettings(kind="influx-v1", url=server.url, database=database)


def victoria(request: pytest.FixtureRequest) -> HistorySettings:
    server: VictoriaMetrics = request.getfixturevalue("victoria_metrics")
    return HistorySettings(kind="influx-v2", url=server.url)


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], HistorySettings]] = {
    "sqlite": sqlite,
    "influxdb-1.6.7": influx_v1,
    "victoria-metrics-as-v2": victoria,
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    settings = BACKENDS[request.param](request)
    writer = open_writer(settings)
    yield Backend(settings, writer)
    writer.close()


def series(sensor: str = "gauge-1", zone: str = "underpass") -> Series:
    return Series("riverside", "north-1", zone, sensor, Quantity.WATER_LEVEL)


def level(place: int, value: float | None = 0.25, sensor: str = "gauge-1") -> Reading:
    quality = Quality.GOOD if value is not None else Quality.BAD
    reasons = () if value is not None else (Reason.NO_TARGET,)
    at = START + place * 1000
    return Reading(sensor, Quantity.WATER_LEVEL, at, value, quality, reasons)


ODD = [
    Reading("gauge-1", Quantity.WATER_LEVEL, START, None, Quality.BAD, (Reason.NO_TARGET,)),
    Reading(
        "gauge-1",
        Quantity.WATER_LEVEL,
        START + 1,
        8.0,
        Quality.UNCERTAIN,
        (Reason.SATURATED, Reason.CLOCK),
    ),
    Reading("gauge-1", Quantity.WATER_LEVEL, START + 2, 0.5, Quality.GOOD, (), 0.25, 0.75, 10),
    Reading("gauge-1", Quantity.WATER_LEVEL, START + 3, 1e22),
    Reading("gauge-1", Quantity.WATER_LEVEL, START + 4, -1.5e-7),
    Reading("gauge-1", Quantity.WATER_LEVEL, START + 5, 3.0),
]


def test_what_is_written_is_read_back_as_it_was(backend: Backend) -> None:
    one = series()
    backend.writer.write([(one, reading) for reading in ODD])
    reader = backend.reader()
    assert reader.range(one.id, START, START + 1000) == ODD
    assert reader.last(one.id) == ODD[-1]
    reader.close()


def test_writing_again_changes_nothing(backend: Backend) -> None:
    one = series()
    for _ in range(3):
        backend.writer.write([(one, level(place)) for place in range(10)])
    reader = backend.reader()
    assert len(reader.range(one.id, START, START + 60_000)) == 10
    reader.close()


def test_a_corrected_value_replaces_the_old_one(backend: Backend) -> None:
    one = series()
    backend.writer.write([(one, level(0, 0.1))])
    backend.writer.write([(one, level(0, 0.2))])
    reader = backend.reader()
    assert [reading.value for reading in reader.range(one.id, START, START + 1)] == [0.2]
    reader.close()


def test_late_data_takes_its_place_in_time(backend: Backend) -> None:
    one = series()
    backend.writer.write([(one, level(100))])
    backend.writer.write([(one, level(place)) for place in (50, 10)])
    reader = backend.reader()
    times = [reading.at for reading in reader.range(one.id, START, START + 200_000)]
    assert times == [START + 10_000, START + 50_000, START + 100_000]
    assert reader.last(one.id) == level(100)
    reader.close()


def test_a_range_is_half_open_and_limited_from_its_beginning(backend: Backend) -> None:
    one = series()
    backend.writer.write([(one, level(place)) for place in range(5)])
    reader = backend.reader()
    got = reader.range(one.id, START + 1000, START + 4000)
    assert [reading.at - START for reading in got] == [1000, 2000, 3000]
    assert reader.range(one.id, START, START + 9000, limit=2) == [level(0), level(1)]
    reader.close()


def test_series_do_not_mix(backend: Backend) -> None:
    one, other = series(), series("gauge-2")
    backend.writer.write([(one, level(0, 0.1)), (other, level(0, 0.9, "gauge-2"))])
    reader = backend.reader()
    assert [reading.value for reading in reader.range(other.id, START, START + 1)] == [0.9]
    assert reader.range(series("gauge-3").id, START, START + 1) == []
    assert reader.last(series("gauge-3").id) is None
    reader.close()


def test_names_in_chinese_and_with_odd_characters_are_kept(backend: Backend) -> None:
    odd = Series("滨河社区", "north-1", "下穿 通道,=\\", "gauge-1", Quantity.WATER_LEVEL)
    backend.writer.write([(odd, level(0))], site="滨河社区")
    reader = backend.reader()
    assert reader.last(odd.id) == level(0)
    reader.close()


def test_a_moved_sensor_keeps_its_past(backend: Backend) -> None:
    backend.writer.write([(series(zone="underpass"), level(0))])
    moved = series(zone="garage-b1")
    backend.writer.write([(moved, level(1))])
    reader = backend.reader()
    assert reader.range(moved.id, START, START + 5000) == [level(0), level(1)]
    reader.close()


def test_buckets_show_extremes_and_leave_bad_readings_out(backend: Backend) -> None:
    one = series()
    readings = [level(place, float(place)) for place in range(10)]
    readings.append(level(20, None))
    wide = msgspec.structs.replace(level(5, 5.0), minimum=-3.0, maximum=50.0, count=4)
    readings[5] = wide
    backend.writer.write([(one, reading) for reading in readings])
    reader = backend.reader()
    got = reader.downsampled(one.id, START, START + 30_000, 3)
    assert got == [
        Bucket(START, 4.5, -3.0, 50.0, 10, Quality.GOOD),
        Bucket(START + 20_000, None, None, None, 0, Quality.BAD),
    ]
    assert reader.downsampled(series("gauge-3").id, START, START + 1000, 5) == []
    reader.close()


def test_wide_buckets_agree_with_the_readings_before_and_after_housekeeping(
    backend: Backend,
) -> None:
    one = series()
    day = 86_400_000
    start = START // day * day
    readings = [
        Reading("gauge-1", Quantity.WATER_LEVEL, start + n * 60_000, float(n)) for n in range(600)
    ]
    backend.writer.write([(one, reading) for reading in readings])
    reader = backend.reader()
    before = reader.downsampled(one.id, start, start + 36_000_000, 10)
    backend.writer.maintain(start + 36_000_000)
    after = reader.downsampled(one.id, start, start + 36_000_000, 10)
    late = Reading("gauge-1", Quantity.WATER_LEVEL, start + 90, 1000.0)
    backend.writer.write([(one, late)])
    with_late = reader.downsampled(one.id, start, start + 36_000_000, 10)
    assert [bucket.count for bucket in before] == [60] * 10
    assert after == before
    assert with_late[0].maximum == 1000.0
    assert with_late[0].count == 61
    assert with_late[1:] == before[1:]
    reader.close()


def test_grades_and_station_states_are_taken(backend: Backend) -> None:
    grade = ZoneGrade(
        zone="underpass",
        hazard=Hazard.FLOOD,
        grade=Grade.ORANGE,
        condition=Condition.ACTIVE,
        since=START,
        at=START,
        incident=7,
    )
    state = StationState(
        station="north-1", at=START, online=True, health={"cpu celsius": 51.0, "bytes": 3.0}
    )
    assert backend.writer.write([], [grade], [state], "riverside") == []


def test_an_empty_write_is_nothing(backend: Backend) -> None:
    assert backend.writer.write([]) == []
    backend.writer.maintain(START)


def test_victoria_metrics_has_what_was_written(victoria_metrics: VictoriaMetrics) -> None:
    writer = open_writer(HistorySettings(kind="influx-v2", url=victoria_metrics.url))
    sensor = f"gauge-{uuid.uuid4().hex[:8]}"
    point = (series(sensor), level(0, 0.375, sensor))
    writer.write([point])
    writer.close()

    def exported() -> str:
        query = {"match[]": f'{{sensor="{sensor}"}}'}
        return httpx.get(f"{victoria_metrics.url}/api/v1/export", params=query).text

    wait_until(lambda: "reading_value" in exported(), what="the value in VictoriaMetrics")
    rows = [msgspec.json.decode(row) for row in exported().splitlines()]
    [row] = [row for row in rows if row["metric"]["__name__"] == "reading_value"]
    assert row["values"] == [0.375]
    assert row["timestamps"] == [START]


@pytest.mark.parametrize("kind", ["influx-v1", "influx-v2"])
def test_a_server_that_is_not_there_is_unavailable_not_an_error_for_ever(kind: str) -> None:
    writer = open_writer(HistorySettings(kind=kind, url="http://127.0.0.1:1", timeout_s=2))
    with pytest.raises(HistoryUnavailableError) as caught:
        writer.write([(series(), level(0))])
    writer.close()
    assert not caught.value.needs_attention


def test_a_missing_database_needs_a_person_and_says_what_to_do(influxdb: InfluxDB) -> None:
    settings = HistorySettings(kind="influx-v1", url=influxdb.url, database="nowhere")
    writer = open_writer(settings)
    with pytest.raises(HistoryUnavailableError, match='CREATE DATABASE "nowhere"') as caught:
        writer.write([(series(), level(0))])
    writer.close()
    assert caught.value.needs_attention


def test_a_wrong_password_needs_a_person(tmp_path: Path) -> None:
    server = InfluxDB(tmp_path / "auth", auth=True)
    password = tmp_path / "password"
    password.write_text("wrong\n")
    try:
        server.start()
        create = {"q": "CREATE USER boss WITH PASSWORD 'right' WITH ALL PRIVILEGES"}
        httpx.post(f"{server.url}/query", params=create).raise_for_status()
        boss = httpx.BasicAuth("boss", "right")
        httpx.post(f"{server.url}/query", params={"q": "CREATE DATABASE x"}, auth=boss)
        settings = HistorySettings(
            kind="influx-v1",
            url=server.url,
            database="x",
            username="boss",
            password_file=str(password),
        )
        writer = open_writer(settings)
        with pytest.raises(HistoryUnavailableError, match="password_file") as caught:
            writer.write([(series(), level(0))])
        writer.close()
        assert caught.value.needs_attention
        password.write_text("right\n")
        writer = open_writer(settings)
        assert writer.write([(series(), level(0))]) == []
        writer.close()
        reader = open_reader(settings)
        assert reader.last(series().id) == level(0)
        reader.close()
    finally:
        server.kill()


def test_lines_that_influxdb_refuses_are_found_and_the_others_are_stored(
    influxdb: InfluxDB,
) -> None:
    database = influxdb.create(f"refuse_{uuid.uuid4().hex}")
    conflict = f'reading,sensor=x min="a string for ever" {START}000000'
    url = f"{influxdb.url}/write"
    httpx.post(url, params={"db": database}, content=conflict).raise_for_status()
    writer = open_writer(HistorySettings(kind="influx-v1", url=influxdb.url, database=database))
    readings = [level(place) for place in range(100)]
    for place in (3, 77):
        readings[place] = msgspec.structs.replace(readings[place], minimum=0.1, count=3)
    refusals = writer.write([(series(), reading) for reading in readings])
    writer.close()
    assert len(refusals) == 2
    assert {refusal.stations["north-1"] for refusal in refusals} == {1}
    assert all("field type conflict" in refusal.reason for refusal in refusals)
    reader = open_reader(HistorySettings(kind="influx-v1", url=influxdb.url, database=database))
    got = reader.range(series().id, START, START + 200_000)
    reader.close()
    times = {reading.at for reading in got if reading.value is not None}
    assert {START + place * 1000 for place in range(100) if place not in (3, 77)} <= times
