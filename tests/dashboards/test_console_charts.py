"""What a chart draws: the stored past and the live present in one line, gaps and peaks kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.community import SensorEntry
from core.identity import SeriesId
from core.quantity import Quantity
from core.reading import Reading
from dashboards.console.archive import chart_points
from dashboards.console.feed import LiveFeed
from dashboards.console.trace import Point
from ingest.history import (
    Bucket,
    HistoryReader,
    HistorySettings,
    HistoryUnavailableError,
    open_reader,
    open_writer,
)
from ingest.history.base import Series
from tests.dashboards.console_stage import sample_community

T0 = 1_764_500_000_000
MINUTE = 60_000


class Down:
    """A history whose server is away."""

    def range(self, series: SeriesId, start_ms: int, end_ms: int, limit: int = 1) -> list[Reading]:
        raise HistoryUnavailableError(f"{series} {start_ms} {end_ms} {limit}")

    def last(self, series: SeriesId) -> Reading | None:
        raise HistoryUnavailableError(str(series))

    def downsampled(
        self, series: SeriesId, start_ms: int, end_ms: int, buckets: int
    ) -> list[Bucket]:
        raise HistoryUnavailableError(f"{series} {start_ms} {end_ms} {buckets}")

    def close(self) -> None:
        """Nothing is held."""


class Offline(LiveFeed):
    """A feed that never connects and holds the points that a test gives it."""

    def __init__(self, given: list[Point]) -> None:
        from core.broker import BrokerAddress  # noqa: PLC0415 - an address that nobody uses

        super().__init__(BrokerAddress(), sample_community(), ManualClock(T0))
        self._given = given

    def points(self, series: SeriesId) -> list[Point]:
        del series
        return self._given


def entry_of(sensor: str) -> SensorEntry:
    entry = sample_community().sensor_of(sensor)
    assert entry is not None
    return entry


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryReader]:
    settings = HistorySettings(path=str(tmp_path / "history.db"))
    writer = open_writer(settings)
    level = Series("riverside", "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)
    count = Series("riverside", "centre-1", "east-gate", "gate-in", Quantity.PEOPLE_IN)
    rows = [
        (level, Reading("gauge-1", Quantity.WATER_LEVEL, T0 + 10_000 * n, 0.9 if n == 7 else 0.1))
        for n in range(180)
        if not 60 <= n < 90
    ]
    rows += [
        (count, Reading("gate-in", Quantity.PEOPLE_IN, T0 + MINUTE * n, 500.0 + 12 * n))
        for n in range(30)
    ]
    writer.write(rows, site="riverside")
    writer.close()
    reader = open_reader(settings)
    yield reader
    reader.close()


def test_a_peak_between_two_pixels_is_drawn_and_a_silence_stays_a_gap(
    history: HistoryReader,
) -> None:
    points = chart_points(
        Offline([]), history, entry_of("gauge-1"), Quantity.WATER_LEVEL, T0, T0 + 30 * MINUTE, 60
    )
    values = [point.value for point in points if point.value is not None]
    assert max(values) == 0.9
    gaps = [point.at for point in points if point.value is None]
    assert len(gaps) == 1
    assert T0 + 560_000 <= gaps[0] <= T0 + 900_000
    assert len(points) <= 61


def test_the_live_trace_goes_on_where_the_stored_past_ends(history: HistoryReader) -> None:
    live = [Point(T0 + 30 * MINUTE + 1000 * n, 0.5) for n in range(10)]
    end = T0 + 31 * MINUTE
    points = chart_points(
        Offline(live), history, entry_of("gauge-1"), Quantity.WATER_LEVEL, T0, end, 60
    )
    assert points[-10:] == live
    times = [point.at for point in points]
    assert times == sorted(set(times))
    assert times[0] < T0 + MINUTE


def test_a_stored_counter_is_drawn_as_people_in_one_interval(history: HistoryReader) -> None:
    points = chart_points(
        Offline([]), history, entry_of("gate-in"), Quantity.PEOPLE_IN, T0, T0 + 30 * MINUTE, 30
    )
    values = {point.value for point in points if point.value is not None}
    assert values == {12.0}


def test_a_history_that_is_away_leaves_the_live_chart() -> None:
    live = [Point(T0 + 1000, 0.5)]
    points = chart_points(
        Offline(live), Down(), entry_of("gauge-1"), Quantity.WATER_LEVEL, T0, T0 + MINUTE, 60
    )
    assert points == live


def test_a_damaged_history_file_leaves_the_live_trace(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"no database " * 1000)
    reader = open_reader(HistorySettings(path=str(tmp_path / "history.db")))
    live = [Point(T0 + 1000 * n, 0.5) for n in range(3)]
    points = chart_points(
        Offline(live),
        reader,
        entry_of("gauge-1"),
        Quantity.WATER_LEVEL,
        T0 - MINUTE,
        T0 + MINUTE,
        60,
    )
    assert [point.value for point in points] == [0.5, 0.5, 0.5]
