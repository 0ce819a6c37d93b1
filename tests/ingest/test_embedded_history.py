"""The embedded history over years: roll-ups, retention, late data, clock jumps, size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from ingest.history import HistorySettings, HistoryUnavailableError
from ingest.history.base import REASON_BITS, Series, StationState, reason_bits, reasons_of
from ingest.history.rollups import DAY_MS
from ingest.history.sqlite import SqliteWriter, connect
from ingest.history.sqlite_reader import SqliteReader

START = 1_764_460_800_000  # a midnight
SERIES = Series("riverside", "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)


class Archive:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = HistorySettings(path=str(path), raw_days=30, rollup_days=730)
        self.writer = SqliteWriter(self.settings)
        self.reader = SqliteReader(self.settings)

    def store(self, *readings: tuple[int, float]) -> None:
        self.writer.write(
            [(SERIES, Reading("gauge-1", Quantity.WATER_LEVEL, at, v)) for at, v in readings]
        )

    def raw(self) -> list[int]:
        return [reading.at for reading in self.reader.range(SERIES.id, 0, 2**53)]

    def day(self, start: int) -> list[tuple[float | None, int]]:
        got = self.reader.downsampled(SERIES.id, start, start + DAY_MS, 24)
        return [(bucket.mean, bucket.count) for bucket in got]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path / "history.db")
    yield archive
    archive.reader.close()
    archive.writer.close()


def test_raw_readings_go_after_30_days_and_their_roll_ups_stay(archive: Archive) -> None:
    archive.store((START, 1.0), (START + 1000, 3.0))
    archive.store((START + 40 * DAY_MS, 9.0))
    archive.writer.maintain(START + 40 * DAY_MS + 1000)
    assert archive.raw() == [START + 40 * DAY_MS]
    assert archive.day(START) == [(2.0, 2)]


def test_data_that_comes_after_its_raw_rows_went_is_merged_once(archive: Archive) -> None:
    archive.store((START, 1.0), (START + 40 * DAY_MS, 9.0))
    for _ in range(3):
        archive.writer.maintain(START + 40 * DAY_MS + 1000)
    archive.store((START + 2000, 4.0))
    assert archive.day(START)[0][1] >= 1
    for _ in range(3):
        archive.writer.maintain(START + 40 * DAY_MS + 2000)
    assert archive.day(START) == [(2.5, 2)]
    assert archive.raw() == [START + 40 * DAY_MS]


def test_roll_ups_go_after_two_years(archive: Archive) -> None:
    archive.store((START, 1.0), (START + 731 * DAY_MS, 2.0))
    archive.writer.maintain(START + 731 * DAY_MS)
    archive.writer.maintain(START + 731 * DAY_MS)
    assert archive.day(START) == []
    assert archive.raw() == [START + 731 * DAY_MS]


def test_a_hub_clock_that_jumps_into_the_future_erases_nothing(archive: Archive) -> None:
    archive.store((START, 1.0), (START + 1000, 2.0))
    archive.writer.maintain(START + 80 * 365 * DAY_MS)
    assert archive.raw() == [START, START + 1000]


def test_bad_readings_are_kept_and_stay_out_of_means(archive: Archive) -> None:
    bad = Reading(
        "gauge-1", Quantity.WATER_LEVEL, START, 50.0, Quality.BAD, (Reason.STUCK, Reason.TEST)
    )
    archive.writer.write([(SERIES, bad)])
    archive.store((START + 1000, 1.0))
    archive.writer.maintain(START + DAY_MS)
    [bucket] = archive.reader.downsampled(SERIES.id, START, START + DAY_MS, 24)
    assert (bucket.mean, bucket.maximum, bucket.count, bucket.worst) == (1.0, 1.0, 1, Quality.BAD)
    assert archive.reader.range(SERIES.id, START, START + 1) == [bad]


def test_every_reason_has_its_own_bit_for_ever() -> None:
    assert set(REASON_BITS) == set(Reason)
    assert reasons_of(reason_bits(tuple(Reason))) == REASON_BITS
    # Files on disk hold these numbers: an entry may be added at the end, never moved.
    assert reason_bits((Reason.RANGE, Reason.TEST)) == 1 + 2**15


def test_a_reading_takes_less_than_45_bytes_so_that_a_year_fits(archive: Archive) -> None:
    series = [
        Series("riverside", "north-1", "underpass", f"gauge-{n}", Quantity.WATER_LEVEL)
        for n in range(10)
    ]
    count = 0
    for minute in range(100):
        points = [
            (one, Reading(one.sensor, Quantity.WATER_LEVEL, START + second * 1000, second / 977))
            for second in range(minute * 60, minute * 60 + 60)
            for one in series
        ]
        archive.writer.write(points)
        count += len(points)
    archive.writer.close()
    size = sum(path.stat().st_size for path in archive.path.parent.glob("history.db"))
    print(f"{size / count:.1f} bytes a reading")
    assert size / count < 45


def test_a_reader_before_the_first_writer_finds_nothing(tmp_path: Path) -> None:
    reader = SqliteReader(HistorySettings(path=str(tmp_path / "none.db")))
    assert reader.last(SERIES.id) is None
    assert reader.downsampled(SERIES.id, 0, START, 10) == []
    reader.close()


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of sqlite, influx-v1"):
        HistorySettings(kind="mysql")
    with pytest.raises(ValueError, match="raw_days"):
        HistorySettings(raw_days=900)


def states_of(archive: Archive) -> list[tuple[int, int]]:
    with closing(connect(archive.path)) as connection:
        return connection.execute("SELECT at, online FROM station ORDER BY at").fetchall()


def test_what_a_station_says_every_ten_seconds_is_kept_once_a_minute(archive: Archive) -> None:
    for second in range(0, 3600, 10):
        online = second != 1810
        state = StationState(station="north-1", at=START + second * 1000, online=online)
        archive.writer.write([], stations=[state])
    kept = states_of(archive)
    assert len(kept) == 62
    assert (START + 1_810_000, 0) in kept
    assert (START + 1_820_000, 1) in kept


def test_a_grade_that_is_only_repeated_is_kept_once_an_hour(archive: Archive) -> None:
    for minute in range(180):
        grade = Grade.RED if 100 <= minute < 110 else Grade.GREEN
        at = START + minute * 60_000
        said = ZoneGrade(
            zone="underpass",
            hazard=Hazard.FLOOD,
            grade=grade,
            condition=Condition.ACTIVE if grade else Condition.CLEARED,
            since=at,
            at=at,
        )
        archive.writer.write([], grades=[said])
    kept = archive.reader.grades("underpass", Hazard.FLOOD, 0, 2**53)
    minutes = [(one.at - START) // 60_000 for one in kept]
    assert minutes == [0, 60, 100, 110, 170]


def test_a_state_whose_write_was_rolled_back_is_written_again(archive: Archive) -> None:
    state = StationState(station="north-1", at=START, online=True)
    limit = "CREATE TRIGGER full BEFORE INSERT ON grade BEGIN SELECT RAISE(ABORT, 'full'); END"
    said = ZoneGrade(
        zone="underpass",
        hazard=Hazard.FLOOD,
        grade=Grade.BLUE,
        condition=Condition.ACTIVE,
        since=START,
        at=START,
    )
    with closing(connect(archive.path)) as connection:
        connection.execute(limit)
        with pytest.raises(HistoryUnavailableError, match="full"):
            archive.writer.write([], [said], [state])
        connection.execute("DROP TRIGGER full")
    archive.writer.write([], [said], [state])
    assert states_of(archive) == [(START, 1)]
    assert len(archive.reader.grades("underpass", Hazard.FLOOD, 0, 2**53)) == 1


def test_states_of_stations_go_with_the_raw_readings_and_grades_with_the_roll_ups(
    archive: Archive,
) -> None:
    said = ZoneGrade(
        zone="underpass",
        hazard=Hazard.FLOOD,
        grade=Grade.BLUE,
        condition=Condition.ACTIVE,
        since=START,
        at=START,
    )
    archive.writer.write([], [said], [StationState(station="north-1", at=START, online=True)])
    archive.store((START + 31 * DAY_MS, 1.0))
    archive.writer.maintain(START + 31 * DAY_MS)
    assert states_of(archive) == []
    assert len(archive.reader.grades("underpass", Hazard.FLOOD, 0, 2**53)) == 1
    archive.store((START + 731 * DAY_MS, 1.0))
    archive.writer.maintain(START + 731 * DAY_MS)
    assert archive.reader.grades("underpass", Hazard.FLOOD, 0, 2**53) == []
