"""Files as other people write them: read as they are meant, or refused in one line by name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.recording import RecordingError, read_recording
from detectors.replay import day_means, replay

ROWS = "at,stage\n" + "".join(
    f"2021-03-01T00:{minute:02d}:00Z,{0.2 + 0.03 * minute:.2f}\n" for minute in range(60)
)


def write(directory: Path, text: bytes | str = ROWS, **changed: Any) -> Path:
    facts = {
        "format": 1,
        "name": "cellar",
        "kind": "water",
        "interval_s": 60,
        "timezone": "Asia/Shanghai",
        "channels": {"stage": {"quantity": "water-level", "unit": "m"}},
        "limits": {"stage": {"flood": 1.5}},
        **changed,
    }
    path = directory / "cellar.csv.gz"
    path.write_bytes(gzip.compress(text.encode() if isinstance(text, str) else text))
    path.with_name("cellar.json").write_text(json.dumps(facts), encoding="utf-8")
    return path


def flip_a_byte(packed: bytes) -> bytes:
    broken = bytearray(packed)
    broken[60] ^= 0xFF
    return bytes(broken)


@pytest.mark.parametrize(
    "change",
    [
        lambda packed: packed[:-200],
        flip_a_byte,
        lambda packed: packed[:-8] + b"\0" * 8,
        lambda _packed: b"no gzip at all",
    ],
    ids=["cut short", "a flipped byte", "a wrong sum", "not packed"],
)
def test_a_damaged_pack_is_refused_by_its_name(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RecordingError, match=r"cellar\.csv\.gz: "):
        read_recording(path)


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("0.50\n", '"' + "9" * 200_000 + '"\n', "larger than field limit"),
        ("00:10:00Z,0.50", "00:10:00Z,0.50,7", "line 12 has 3 cells, not 2"),
        ("2021-03-01T00:10:00Z", "", "reading 11: '' is no time"),
        ("2021-03-01T00:10:00Z", "NaT", "reading 11: 'NaT' is no time"),
        ("2021-03-01T00:10:00Z", "today", "reading 11: 'today' is no time"),
    ],
    ids=["a cell of 200 kB", "a cell too many", "no time", "not a time", "whatever day it is"],
)
def test_a_broken_row_is_refused_by_its_place(
    tmp_path: Path, was: str, becomes: str, told: str
) -> None:
    path = write(tmp_path, ROWS.replace(was, becomes))
    with pytest.raises(RecordingError, match=rf"cellar\.csv\.gz: .*{told}"):
        read_recording(path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "at,stage,stage\n2021-03-01T00:00:00Z,1,2\n")
    with pytest.raises(RecordingError, match="more than one column is called `stage`"):
        read_recording(path)


@pytest.mark.parametrize("interval_s", [0, -60, 1e300])
def test_an_interval_that_is_none_is_refused_in_the_file_that_says_it(
    tmp_path: Path, interval_s: float
) -> None:
    path = write(tmp_path, interval_s=interval_s)
    with pytest.raises(RecordingError, match=r"cellar\.json: .*interval_s"):
        read_recording(path)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\n\n"),
        ROWS.removesuffix("\n"),
        "".join(",".join(f'"{c}"' for c in row.split(",")) + "\n" for row in ROWS.splitlines()),
    ],
    ids=["byte order mark", "crlf", "empty lines", "no last newline", "quoted"],
)
def test_the_ways_of_spreadsheets_change_nothing(tmp_path: Path, text: bytes | str) -> None:
    plain = list(replay([write(tmp_path)], every=True))
    path = write(tmp_path, text)
    json_file = path.with_name("cellar.json")
    json_file.write_bytes(b"\xef\xbb\xbf" + json_file.read_bytes())
    assert list(replay([path], every=True)) == plain


def test_times_with_an_offset_are_the_same_instants_and_printed_as_written(
    tmp_path: Path,
) -> None:
    plain = list(replay([write(tmp_path)]))
    shifted = ROWS.replace("T00:", "T08:").replace("Z,", "+08:00,")

    lines = list(replay([write(tmp_path, shifted)]))

    assert [line["at"] for line in lines] == [
        line["at"].replace("T00:", "T08:").replace("Z", "+08:00") for line in plain
    ]
    assert [line["grade"] for line in lines] == [line["grade"] for line in plain]
    assert [line["because"] for line in lines] == [line["because"] for line in plain]


def test_numbers_beyond_every_range_are_faults_and_no_trouble_of_ours(tmp_path: Path) -> None:
    rows = ROWS.replace(",0.50\n", ",1e308\n").replace(",0.53\n", ",-1e308\n")

    lines = list(replay([write(tmp_path, rows)], every=True))

    assert [line["fault"] for line in lines[10:12]] == ["saturated", "range"]


def test_a_number_that_its_canonical_unit_can_not_hold_is_missing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ROWS.replace(",0.50\n", ",1e308\n"),
        channels={"stage": {"quantity": "carbon-monoxide", "unit": "%"}},
    )
    assert list(replay([path], every=True))[10]["fault"] == "missing"


def test_a_row_out_of_order_lets_no_mean_see_later_rows() -> None:
    at = np.arange(60) * 3_600_000
    at[40] = 0
    values = np.linspace(10.0, 300.0, 60)
    whole = day_means(at, values, 3600)
    for cut in range(20, 60):
        assert np.array_equal(day_means(at[:cut], values[:cut], 3600), whole[:cut], equal_nan=True)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("again", [10, 11], ids=["a minute back", "the same time twice"])
def test_a_reading_that_is_no_newer_is_a_fault_of_the_clock_and_changes_nothing_before_it(
    tmp_path: Path, again: int, together: bool
) -> None:
    rows = ROWS.splitlines(keepends=True)
    rows.insert(13, rows[again + 1].split(",")[0] + ",9.00\n")

    lines = list(replay([write(tmp_path, "".join(rows))], every=True, together=together))
    part = list(replay([write(tmp_path, "".join(rows[:13]))], every=True, together=together))

    assert (lines[:12], lines[12]["fault"]) == (part, "clock")
    assert {line["fault"] for line in lines[:12] + lines[13:]} == {None}
    assert lines[12]["grade"] == lines[11]["grade"]
