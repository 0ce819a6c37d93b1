"""Replaying recordings: what a line says, what it may know, and that it never looks ahead."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.community_file import parse_community
from detectors.recording import RecordingError
from detectors.replay import day_means, replay

RECORDINGS = os.environ.get("SAFETY_EYE_RECORDINGS", "")
real = pytest.mark.skipif(not RECORDINGS, reason="SAFETY_EYE_RECORDINGS names no recordings")
START = np.datetime64("2015-12-25T00:00:00")


def write(
    directory: Path,
    name: str,
    columns: dict[str, Sequence[float | None]],
    *,
    quantity: str = "water-level",
    unit: str = "m",
    interval_s: int = 900,
    limits: dict[str, float] | None = None,
    kind: str = "water",
) -> Path:
    size = len(next(iter(columns.values())))
    lines = [",".join(["at", *columns])]
    for row in range(size):
        at = f"{np.datetime_as_string(START + np.timedelta64(row * interval_s, 's'))}Z"
        cells = ["" if column[row] is None else repr(column[row]) for column in columns.values()]
        lines.append(",".join([at, *cells]))
    path = directory / f"{name}.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    facts = {
        "format": 1,
        "name": name,
        "kind": kind,
        "interval_s": interval_s,
        "timezone": None,
        "channels": {column: {"quantity": quantity, "unit": unit} for column in columns},
        "limits": {column: limits or {} for column in columns},
        "events": [{"start": "nonsense that a replay must not read"}],
    }
    (directory / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    return path


def grades(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [line["grade"] for line in lines]


FLOOD = [0.5] * 60 + [0.5 + 0.05 * step for step in range(80)] + [4.0 - 0.05 * s for s in range(70)]


def test_a_single_published_limit_is_red_and_warned_of_hours_before(tmp_path: Path) -> None:
    path = write(tmp_path, "river", {"stage": FLOOD}, limits={"flood": 3.9})

    lines = list(replay([path]))

    first = {grade: grades(lines).index(grade) for grade in ("blue", "yellow", "orange", "red")}
    assert first["blue"] < first["yellow"] < first["orange"] < first["red"]
    red = lines[first["red"]]
    assert red["detector"] == "limit-high"
    assert red["because"]["value"] >= 3.9 == red["because"]["limit"]
    assert first["red"] - first["yellow"] >= 8, "two hours on a 15-minute gauge"
    assert set(red) == {
        *("recording", "at", "channel", "score", "grade", "fault", "detector", "because"),
    }
    assert (red["recording"], red["channel"], red["fault"]) == ("river", "stage", None)
    assert red["score"] >= 0.875
    assert all(line["score"] >= 0.5 for line in lines)
    assert red["at"].endswith("Z")


def test_several_limits_sort_in_the_danger_direction_in_the_unit_of_the_file(
    tmp_path: Path,
) -> None:
    depth = [0.0] * 60 + [5.0] * 60 + [13.0] * 60 + [25.0] * 60
    path = write(
        tmp_path,
        "street",
        {"depth": depth},
        unit="[in_i]",
        interval_s=60,
        limits={"4-inches": 4, "12-inches": 12, "24-inches": 24},
    )

    lines = [line for line in replay([path]) if line["detector"] == "limit-high"]

    seen = list(dict.fromkeys(grades(lines)))
    assert seen == ["yellow", "orange", "red"]
    assert lines[-1]["because"]["limit"] == pytest.approx(24 * 0.0254)
    assert lines[-1]["because"]["unit"] == "m"


def test_water_and_crowds_without_limits_are_not_judged_and_smoke_is(tmp_path: Path) -> None:
    water = write(tmp_path, "tank", {"level": [9.0] * 20})
    crowd = write(
        tmp_path, "gate", {"count": [900.0] * 20}, quantity="people-count", unit="{count}"
    )
    smoke = write(
        tmp_path,
        "fire",
        {"smoke": [0.05] * 20},
        quantity="smoke-obscuration",
        unit="/m",
        interval_s=2,
        kind="smoke",
    )

    assert list(replay([water, crowd])) == []
    assert grades(list(replay([smoke])))[-1] == "red"


def test_an_empty_cell_keeps_the_grade_and_is_told_only_when_asked(tmp_path: Path) -> None:
    levels: list[float | None] = [4.0] * 4 + [None, None] + [4.0] * 2
    path = write(tmp_path, "river", {"stage": levels}, limits={"flood": 3.9})

    brief, every = list(replay([path])), list(replay([path], every=True))

    assert len(brief) == 6
    assert [line["fault"] for line in every] == [None] * 4 + ["missing"] * 2 + [None] * 2
    assert set(grades(every)) == {"red"}


def test_the_24_hour_mean_needs_three_quarters_of_its_day(tmp_path: Path) -> None:
    hours = np.arange(48) * 3_600_000
    values = np.full(48, 10.0)
    values[5:12] = np.nan

    means = day_means(hours, values, 3600)

    assert np.isnan(means[:17]).all()
    assert np.isnan(means[23])
    assert means[30] == 10.0
    path = write(
        tmp_path,
        "air",
        {"pm2-5": [20.0] * 30 + [400.0] * 24},
        quantity="pm2-5",
        unit="ug/m3",
        interval_s=3600,
        limits={"heavy-pollution-24h-mean": 150},
        kind="air",
    )
    lines = list(replay([path]))
    red = grades(lines).index("red")
    assert lines[red]["because"]["value"] == pytest.approx((20 * 15 + 400 * 9) / 24, rel=0.1)
    assert "yellow" in grades(lines)[:red]


def test_a_community_binds_a_column_and_its_limits_replace_the_recordings(tmp_path: Path) -> None:
    path = write(tmp_path, "river", {"stage": FLOOD}, limits={"flood": 3.9})
    community = parse_community(
        """
        [site]
        id = "s"
        name = { en = "S" }
        [[zone]]
        id = "bank"
        name = { en = "Bank" }
        [[sensor]]
        id = "gauge-1"
        station = "north-1"
        zone = "bank"
        driver = "qdy30a"
        quantity = "water-level"
        hazard = "flood"
        interval_s = 900
        recording = "river"
        channel = "stage"
        [[limit]]
        zone = "bank"
        quantity = "water-level"
        orange = 2.0
        """
    )

    lines = list(replay([path], community=community))

    direct = [line for line in lines if line["detector"] == "limit-high"]
    assert set(grades(direct)) == {"orange"}
    assert direct[0]["because"]["limit"] == 2.0


def test_together_the_lines_come_in_the_order_of_time(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, name, {"stage": [4.0] * 5}, limits={"flood": 3.9}) for name in ("a", "b")
    ]

    apart, together = list(replay(paths)), list(replay(paths, together=True))

    assert [line["recording"] for line in apart] == ["a"] * 5 + ["b"] * 5
    assert [line["recording"] for line in together] == ["a", "b"] * 5
    assert sorted(map(json.dumps, apart)) == sorted(map(json.dumps, together))


@pytest.mark.parametrize("text", ["", "time,stage\n", "at,stage\n2015-01-01T00:00:00Z,1,2\n"])
def test_what_is_no_recording_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "river", {"stage": [1.0]})
    path.write_bytes(gzip.compress(text.encode()))

    with pytest.raises(RecordingError, match=r"river\.csv\.gz"):
        list(replay([path]))


def test_values_beyond_physics_are_faults_and_not_floods(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "co",
        {"co": [1.0, -200.0, 1.0]},
        quantity="carbon-monoxide",
        unit="[ppm]",
        kind="air",
    )

    lines = list(replay([path]))

    assert [(line["grade"], line["fault"]) for line in lines] == [("green", "range")]


@real
@pytest.mark.parametrize("cut", [1, 40, 333, 1200])
@pytest.mark.parametrize("name", ["water/ea-don-rotherham-2007", "smoke/delco-test-5"])
def test_a_prefix_of_a_recording_gives_a_prefix_of_its_lines(
    tmp_path: Path, name: str, cut: int
) -> None:
    source = Path(RECORDINGS) / f"{name}.csv.gz"
    rows = gzip.decompress(source.read_bytes()).decode().splitlines()
    short = tmp_path / source.name
    short.write_bytes(gzip.compress("\n".join(rows[: cut + 1]).encode()))
    facts = source.with_name(source.name.replace(".csv.gz", ".json"))
    (tmp_path / facts.name).write_bytes(facts.read_bytes())

    whole = list(replay([source], every=True))
    part = list(replay([short], every=True))

    assert part == whole[: len(part)]
    assert len(part) >= min(cut, len(rows) - 1)


@real
def test_both_floods_of_the_don_are_warned_of_hours_before_without_a_false_red() -> None:
    lines = list(replay([Path(RECORDINGS) / "water/ea-don-rotherham-2007.csv.gz"]))

    floods = (
        ("2007-06-15T07:15:00Z", "2007-06-15T11:15:00Z"),
        ("2007-06-25T12:45:00Z", "2007-06-26T07:15:00Z"),
    )
    reds = [line["at"] for line in lines if line["grade"] == "red"]
    for start, _end in floods:
        assert start in reds
        before = [line for line in lines if line["at"] < start and line["grade"] != "green"]
        onset = np.datetime64(start[:-1]) - np.datetime64(before[-1]["at"][:-1])
        assert onset <= np.timedelta64(900, "s")
    yellow = {line["at"] for line in lines if line["grade"] in ("yellow", "orange")}
    assert "2007-06-15T05:15:00Z" in yellow, "two hours before the first flood"
    assert "2007-06-25T10:45:00Z" in yellow, "two hours before the second"
    assert min(reds) == floods[0][0]


def tide(hours: float) -> float:
    return 1.6 * math.sin(2 * math.pi * hours / 12.42) + 0.5 * math.sin(2 * math.pi * hours / 12)


def test_a_level_counts_from_the_zero_of_its_gauge_wherever_that_is(tmp_path: Path) -> None:
    sea = write(tmp_path, "sea", {"level": [tide(n / 4) for n in range(400)]})
    above_the_sea = [312.0 + level for level in FLOOD]
    river = write(tmp_path, "river", {"stage": above_the_sea}, limits={"flood": 315.9})
    lake = write(tmp_path, "lake", {"stage": above_the_sea})
    sentinel = write(tmp_path, "broken", {"stage": [0.5, -9999.0, 9999.0]}, limits={"flood": 3.9})
    plain = write(tmp_path, "plain", {"stage": FLOOD}, limits={"flood": 3.9})

    assert not [line for line in replay([sea, lake]) if line["fault"] in ("range", "saturated")]
    assert [line["fault"] for line in replay([sentinel])] == ["range", "saturated"]
    high, low = list(replay([river])), list(replay([plain]))
    rising = grades(low).index("red") + 1
    assert [line["at"] for line in high[:rising]] == [line["at"] for line in low[:rising]]
    assert grades(high)[:rising] == grades(low)[:rising]
    # Its deadband is 20 cm at most, and no share of its height above the sea (6 m).
    assert abs(grades(high).count("red") - grades(low).count("red")) <= 3
    assert grades(high)[-1] == "blue"


def test_the_ripple_of_a_falling_flood_is_no_surge_towards_a_limit_that_is_passed(
    tmp_path: Path,
) -> None:
    falling = [0.5] * 60 + [0.5 + 0.1 * n for n in range(30)]
    falling += [3.4 - 0.01 * n + 0.02 * (n % 2) for n in range(170)]
    path = write(
        tmp_path, "river", {"stage": falling}, limits={"1": 1.6, "2": 2.4, "3": 3.0, "4": 9.0}
    )

    down = grades(list(replay([path])))[-60:]

    assert down == sorted(down, key=["yellow", "blue"].index), "once down, it stays down"
    assert "blue" in down


def test_a_reading_that_no_rule_can_judge_yet_is_quiet_and_has_a_score(tmp_path: Path) -> None:
    tank = write(tmp_path, "tank", {"level": [0.5, 0.6, 0.7]})

    scores = [line["score"] for line in replay([tank], every=True)]

    assert scores == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("unit", "factor", "code"),
    [("m", 1.0, -9.99), ("mm", 1000.0, -9999.0), ("[ft_i]", 1 / 0.3048, -99.99), ("m", 1.0, -99.0)],
)
def test_a_gauge_that_fails_in_a_flood_with_a_code_of_nines_does_not_end_it(
    tmp_path: Path, unit: str, factor: float, code: float
) -> None:
    stages = [stage * factor for stage in [0.5] * 60 + [1.0, 2.0, 3.0, 4.0, 4.0]] + [code] * 20
    path = write(tmp_path, "river", {"stage": stages}, unit=unit, limits={"flood": 3.9 * factor})

    failed = list(replay([path], every=True))[-20:]

    assert {(line["grade"], line["fault"]) for line in failed} == {("red", "range")}


@pytest.mark.parametrize("code", [-999.0, 1e308])
def test_a_code_for_no_reading_has_no_part_in_the_mean_of_a_day(
    tmp_path: Path, code: float
) -> None:
    dust = [120.0] * 40 + [code] * 2 + [120.0] * 40
    path = write(
        tmp_path, "station", {"pm2-5": dust}, quantity="pm2-5", unit="ug/m3", interval_s=3600,
        limits={"bad-24h-mean": 75.0}, kind="air",
    )  # fmt: skip

    assert grades(list(replay([path], every=True)))[-64:] == ["red"] * 64
