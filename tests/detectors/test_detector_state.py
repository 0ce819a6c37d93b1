"""Snapshots, trails of packs, and times of untrusted boots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.community import Community
from core.community_file import parse_community
from core.grade import Grade
from core.pack import Gone, Pack
from core.quantity import Quantity
from core.reading import Reading
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.chronicle import Chronicle
from detectors.limit_lane import MOST_SAMPLES
from detectors.plan import plan_of
from detectors.snapshot import SnapshotError, collect, load, restore, save
from detectors.trail import GIVE_UP_S, LOOK_UP_S, Arrival, Trails

EPOCH = 1_764_500_000_000


def community(red: float = 0.27, *, second: bool = False) -> Community:
    sensors = "".join(
        f"""
[[sensor]]
id = "gauge-{number}"
station = "north-1"
zone = "zone-{number}"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
[[zone]]
id = "zone-{number}"
name = {{ en = "Z" }}
[[limit]]
zone = "zone-{number}"
quantity = "water-level"
yellow = 0.1
red = {red if number == 1 else 0.27}
"""
        for number in ((2, 1) if second else (1, 2))
    )
    return parse_community(f'[site]\nid = "s"\nname = {{ en = "S" }}\n{sensors}')


def flooded(place: Community) -> Bank:
    bank = Bank(plan_of(place))
    made = [
        Reading(f"gauge-{number}", Quantity.WATER_LEVEL, EPOCH + 1000 * second, 0.3)
        for number in (1, 2)
        for second in range(3)
    ]
    bank.update(batch_of(made, bank.slots), EPOCH)
    return bank


def stated(bank: Bank) -> dict[str, Grade]:
    return {f.subject[:7]: f.grade for f in bank.findings(EPOCH) if f.rule == "limit-high"}


def test_a_snapshot_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    bank, again = flooded(community()), Bank(plan_of(community()))
    save(tmp_path / "s", collect(bank), {"taken": 5})
    loaded = load(tmp_path / "s")
    assert loaded is not None

    restore(loaded[0], again)

    assert loaded[1] == {"taken": 5}
    assert stated(again) == stated(bank) == {"gauge-1": Grade.RED, "gauge-2": Grade.RED}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_changed_limit_starts_afresh_and_the_rest_is_resumed_wherever_it_stands_now() -> None:
    bank, changed = flooded(community()), Bank(plan_of(community(red=0.5, second=True)))

    restore(collect(bank), changed)

    assert stated(changed) == {"gauge-1": Grade.GREEN, "gauge-2": Grade.RED}


def test_a_snapshot_that_is_broken_or_of_another_schema_is_refused(tmp_path: Path) -> None:
    assert load(tmp_path / "none") is None
    (tmp_path / "torn").write_bytes(b"PK\x03\x04 torn")
    np.savez(tmp_path / "old.npz", notes=np.array('{"schema": 0}'))

    for name in ("torn", "old.npz"):
        with pytest.raises(SnapshotError, match=name):
            load(tmp_path / name)


def as_schema_2(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return a snapshot as it was written before levels were packed and lines left out."""
    old = dict(arrays)
    flags, held = old.pop("row-lane.flags"), old.pop("row-lane.held_ms")
    for name, bit in (("on", 1), ("breach", 2), ("clear", 4)):
        old[f"row-lane.{name}"] = (flags & bit) > 0
    old["row-lane.up_ms"], old["row-lane.down_ms"] = np.maximum(held, 0), np.maximum(-held, 0)
    del old["line.key"], old["counter.key"]
    return {**old, "notes": np.array('{"schema": 2, "taken": 5}')}


def test_a_snapshot_of_the_schema_before_is_resumed_in_the_middle_of_its_delays(
    tmp_path: Path,
) -> None:
    bank, again = flooded(community()), Bank(plan_of(community()))
    arrays = as_schema_2(collect(bank))
    endless = arrays["row-lane.up_samples"].astype(np.int32)
    endless[0, 0] = bank.lane.up_samples[0, 0] = MOST_SAMPLES
    endless[0, 0] += 1
    with (tmp_path / "s").open("wb") as file:
        np.savez(file, allow_pickle=False, **{**arrays, "row-lane.up_samples": endless})
    loaded = load(tmp_path / "s")
    assert loaded is not None

    restore(loaded[0], again)

    assert loaded[1] == {"taken": 5}
    assert bank.lane.held_ms.any()
    for name, array in collect(bank).items():
        assert np.array_equal(collect(again)[name], array, equal_nan=array.dtype.kind == "f"), name


def pack(seq: int, *, boot: str = "b1", gone: tuple[Gone, ...] = ()) -> Pack:
    reading = Reading("gauge-1", Quantity.WATER_LEVEL, EPOCH + 1000 * seq, 0.1)
    return Pack(boot=boot, seq=seq, readings=(reading,), gone=gone)


def test_a_pack_that_comes_twice_is_judged_once() -> None:
    trails = Trails()

    seen = [trails.arrive("north-1", pack(seq), 0.0) for seq in (4, 5, 5, 4)]

    assert seen == [Arrival.NEW, Arrival.NEW, Arrival.DUPLICATE, Arrival.DUPLICATE]
    assert trails.duplicates == 2


def test_a_hole_is_filled_once_all_of_its_packs_are_receipted() -> None:
    trails = Trails()
    for seq in (1, 2, 6):
        trails.arrive("north-1", pack(seq), 0.0)

    assert trails.receipt("north-1", "b1", (3, 4)) == []
    holes = trails.receipt("north-1", "b1", (5, 6))

    assert [(hole.start_ms, hole.end_ms) for hole in holes] == [(EPOCH + 2000, EPOCH + 6000)]
    assert trails.filled == 1


def test_a_pack_that_comes_after_newer_ones_is_the_past() -> None:
    trails = Trails()

    seen = [trails.arrive("north-1", pack(seq), 0.0) for seq in (1, 3, 2, 4)]

    assert seen == [Arrival.NEW, Arrival.NEW, Arrival.OLD, Arrival.NEW]
    assert trails.stations["north-1"].holes == []


def test_packs_that_the_station_declares_gone_close_their_hole_unfilled() -> None:
    trails = Trails()
    trails.arrive("north-1", pack(1), 0.0)
    trails.arrive("north-1", pack(5), 0.0)

    trails.arrive("north-1", pack(6, gone=(Gone("b1", 2, 4, 3, "overflow"),)), 0.0)

    assert (trails.closed, trails.filled) == (1, 0)


def test_a_hole_without_a_receipt_is_looked_up_and_given_up_in_the_end() -> None:
    trails = Trails()
    trails.arrive("north-1", pack(1), 0.0)
    trails.arrive("north-1", pack(5), 0.0)

    assert trails.due(LOOK_UP_S - 1) == []
    assert [station for station, _ in trails.due(LOOK_UP_S + 1)] == ["north-1"]
    assert trails.due(LOOK_UP_S + 2) == []
    assert trails.due(GIVE_UP_S + 1) == []
    assert trails.closed == 1


def test_numbering_goes_on_after_a_restart_of_the_detectors() -> None:
    trails, again = Trails(), Trails()
    trails.arrive("north-1", pack(1), 0.0)
    again.resume(trails.notes())  # type: ignore[arg-type]

    again.arrive("north-1", pack(4), 0.0)

    assert again.stations["north-1"].holes[0].missing == {2, 3}


def test_a_new_boot_starts_its_own_numbering() -> None:
    trails = Trails()
    trails.arrive("north-1", pack(70), 0.0)

    fresh = msgspec.structs.replace(pack(71, boot="b2"), seq=1)
    assert trails.arrive("north-1", fresh, 0.0) is Arrival.NEW
    assert trails.stations["north-1"].holes == []


def test_a_stamp_of_the_future_does_not_make_the_next_boot_the_past() -> None:
    trails = Trails()
    future = msgspec.structs.replace(pack(90_000), seq=1)
    trails.arrive("north-1", future, 0.0, EPOCH + 60_000)

    assert trails.arrive("north-1", pack(2, boot="b2"), 0.0, EPOCH + 60_000) is Arrival.NEW


def test_the_backlog_of_an_earlier_boot_is_the_past_and_makes_no_holes() -> None:
    trails = Trails()
    for seq in (1, 2):
        trails.arrive("north-1", pack(seq, boot="b1"), 0.0)
    later = [(50, "b2", 1), (10, "b1", 3), (51, "b2", 2), (11, "b1", 4), (52, "b2", 3)]

    seen = [
        trails.arrive("north-1", msgspec.structs.replace(pack(at, boot=boot), seq=seq), 0.0)
        for at, boot, seq in later
    ]

    assert seen == [Arrival.NEW, Arrival.OLD, Arrival.NEW, Arrival.OLD, Arrival.NEW]
    assert trails.stations["north-1"].holes == []


def test_a_device_that_counts_anew_under_its_old_boot_is_still_judged() -> None:
    trails = Trails()
    trails.arrive("north-1", msgspec.structs.replace(pack(1), seq=70_000), 0.0)

    again = msgspec.structs.replace(pack(2), seq=1)

    assert trails.arrive("north-1", again, 0.0) is Arrival.NEW
    assert trails.arrive("north-1", again, 0.0) is Arrival.DUPLICATE


def test_an_untrusted_clock_is_mapped_by_the_earliest_arrival() -> None:
    chronicle = Chronicle()
    readings = (Reading("gauge-1", Quantity.WATER_LEVEL, 9_000, 0.1),)
    assert chronicle.dated("north-1", "b1", readings) == ()

    chronicle.learn("north-1", "b1", 10_000, EPOCH + 10_400)
    chronicle.learn("north-1", "b1", 20_000, EPOCH + 20_100)
    chronicle.learn("north-1", "b1", 30_000, EPOCH + 45_000)

    assert chronicle.dated("north-1", "b1", readings)[0].at == EPOCH + 9_100
