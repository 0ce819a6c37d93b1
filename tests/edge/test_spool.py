from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from core.pack import Pack, Unknown, decode_pack, encode_pack
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from core.topics import MAX_PACK_BYTES
from edge import read_spool
from edge.pack_books import PackId, StoredPack, read_waiting
from edge.pack_code import expand, squeeze
from edge.spool import RETRY_S, Spool
from edge.spool_file import SpoolBusyError, SpoolTotals
from edge.thinning import thin

START = 1_764_500_000_000
OPENED: list[Spool] = []


def readings(
    count: int, start: int = 0, quantity: Quantity = Quantity.TEMPERATURE
) -> list[Reading]:
    return [
        Reading(f"s{index % 4}", quantity, START + 1000 * (start + index), float(index % 50))
        for index in range(count)
    ]


def wild_readings(count: int, seed: int) -> list[Reading]:
    """Readings that nothing can make small."""
    chance = random.Random(seed)
    return [
        Reading(f"s{index}-{chance.randrange(10**15)}", Quantity.TEMPERATURE,
                START + chance.randrange(10**9), chance.random())
        for index in range(count)
    ]  # fmt: skip


def open_spool(
    path: Path, boot: str, clock: ManualClock | None = None, max_bytes: int = 10_000_000
) -> Spool:
    spool = Spool(path, boot, clock or ManualClock(), max_bytes=max_bytes, at_risk=9)
    OPENED.append(spool)
    return spool


def kill(spool: Spool) -> None:
    """Let go of all files as the kernel does for a killed process: nothing is noted."""
    spool._take_over.close()
    for store in (spool._disk, spool._memory):
        if store is not None:
            store.close()
    if spool._lock_file is not None:
        spool._lock_file.close()


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    while OPENED:
        kill(OPENED.pop())


def commit(spool: Spool, count: int, start: int = 0) -> list[StoredPack]:
    return spool.commit(readings(count, start), sync=True, sent=False)


def take_over(spool: Spool) -> None:
    """Let the spool read a broken file to its end, as the publisher does between two packs."""
    while spool.takes_over:
        spool.take_over_some()


def waiting(spool: Spool) -> list[StoredPack]:
    return spool.oldest(100_000, ())


def accounted(packs: Iterable[Pack]) -> tuple[int, int, int]:
    """What an ingest that sees every pack once would count: stored, lost, unknown."""
    seen = list(packs)
    stored = sum(pack.count for pack in seen)
    lost = sum(pack.thinned + sum(gone.readings for gone in pack.gone) for pack in seen)
    return stored, lost, sum(one.readings for pack in seen for one in pack.unknown)


def receipt_all(spool: Spool) -> list[Pack]:
    """Let a hub take everything; return what it got."""
    got = []
    while packs := spool.oldest(50, ()):
        got += [decode_pack(pack.payload) for pack in packs]
        spool.receipt([pack.id for pack in packs])
        spool.settle()
        if not spool.waiting.packs and spool.has_declarations:
            spool.commit([], sync=True, sent=True)
    return got


def test_nothing_is_removed_before_its_receipt(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    for start in range(3):
        commit(spool, 4, start)
    assert [pack.id.seq for pack in waiting(spool)] == [1, 2, 3]
    spool.receipt([PackId("b1", 2), PackId("other", 1)])
    assert [pack.id.seq for pack in waiting(spool)] == [1, 3]
    spool.close()
    assert read_spool(tmp_path / "s.db") == SpoolTotals(12, 2, 8, 0, 0, 0, 1)


def test_packs_know_how_much_their_boot_has_made(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    made = [decode_pack(commit(spool, count)[0].payload).made for count in (3, 1, 5)]
    assert made == [3, 4, 9]


def test_a_large_batch_is_split_into_packs_that_fit(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    reasons = (Reason.WARMING_UP, Reason.IMPLAUSIBLE_PAIR, Reason.CONFIGURATION)
    heavy = [
        Reading("s" * 40, Quantity.SMOKE_OBSCURATION, START + index, 0.1234567890123456,
                Quality.UNCERTAIN, reasons, 0.1234567890123456, 0.1234567890123456, 10)
        for index in range(2500)
    ]  # fmt: skip
    packs = spool.commit(heavy, sync=True, sent=False)
    assert all(len(pack.payload) <= MAX_PACK_BYTES for pack in packs)
    assert sum(pack.count for pack in packs) == 2500
    decoded = [decode_pack(pack.payload) for pack in packs]
    assert [one.at for pack in decoded for one in pack.readings] == [one.at for one in heavy]
    assert [pack.seq for pack in decoded] == list(range(1, len(packs) + 1))


def test_a_clean_stop_leaves_nothing_unknown(tmp_path: Path) -> None:
    first = open_spool(tmp_path / "s.db", "b1")
    commit(first, 4)
    first.close()
    second = open_spool(tmp_path / "s.db", "b2")
    assert not second.has_declarations
    second.close()


def test_a_killed_boot_is_declared_unknown_once_until_a_receipt_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = open_spool(path, "b1")
    commit(first, 4)
    kill(first)
    second = open_spool(path, "b2")
    carrier = commit(second, 2)[0]
    assert decode_pack(carrier.payload).unknown == (Unknown("b1", 9),)
    assert decode_pack(commit(second, 2)[0].payload).unknown == ()
    kill(second)
    third = open_spool(path, "b3")
    assert decode_pack(commit(third, 1)[0].payload).unknown == (Unknown("b2", 9),)
    got = receipt_all(third)
    assert accounted(got) == (9, 0, 18)
    third.close()
    totals = read_spool(path)
    assert (totals.produced, totals.waiting_packs, totals.unknown, totals.boots) == (27, 0, 18, 3)


def test_a_full_spool_thins_first_then_drops_and_declares_all_of_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1", max_bytes=40_000)
    sizes = []
    for start in range(400):
        commit(spool, 4, 4 * start)
        sizes.append(spool.waiting.size)
    assert max(sizes) <= 40_000
    got = receipt_all(spool)
    stored, lost, _ = accounted(got)
    assert any(pack.thinned for pack in got)
    assert any(pack.gone for pack in got)
    assert stored + lost == 1600
    spool.close()
    totals = read_spool(tmp_path / "s.db")
    assert (totals.produced, totals.lost, totals.waiting_packs) == (1600, lost, 0)


def test_thinning_keeps_alarms_and_every_peak(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    for second in range(110):
        at = START + 1000 * second
        peak = 9.75 if second == 13 else 0.1
        spool.commit(
            [
                Reading("gauge", Quantity.WATER_LEVEL, at, peak),
                Reading("panel", Quantity.ALARM_INPUT, at, float(second == 7)),
                Reading("bad", Quantity.TEMPERATURE, at, None, Quality.BAD, (Reason.RANGE,)),
            ],
            sync=True,
            sent=False,
        )
    thinned = thin(pack.payload for pack in waiting(spool))
    results = [result for result in thinned if result is not None]
    kept = [one for result in results for one in decode_pack(result.payload).readings]
    assert sum(result.count + result.taken for result in results) == 330
    gauge = [one for one in kept if one.sensor == "gauge"]
    assert len([one for one in kept if one.sensor == "panel"]) == 110
    assert len([one for one in kept if one.sensor == "bad"]) == 110
    assert len(gauge) == 55
    assert max(one.maximum or one.value or 0.0 for one in gauge) == 9.75
    assert sum(one.count for one in gauge) == 110


def test_a_pack_that_the_hub_may_have_is_never_changed(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1", max_bytes=30_000)
    sent = spool.commit(readings(8), sync=True, sent=True)[0]
    for start in range(300):
        commit(spool, 4, start)
    assert waiting(spool)[0] == sent
    assert waiting(spool)[1].id.seq > 2


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(1, 9), st.sampled_from(["receipt", "kill", "stop", "drop"])),
        max_size=60,
    )
)
def test_the_books_balance_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "s.db"
    boots = 1
    spool = open_spool(path, "b1", max_bytes=12_000)
    got: list[Pack] = []
    for index, step in enumerate(steps):
        if isinstance(step, int):
            spool.commit(readings(step, 10 * index), sync=True, sent=index % 3 == 0)
        elif step == "receipt":
            packs = spool.oldest(3, ())
            got += [decode_pack(pack.payload) for pack in packs]
            spool.receipt([pack.id for pack in packs])
        elif step == "drop":
            spool.commit(readings(2, 10 * index), sync=True, sent=False, dropped=3)
        else:
            if step == "stop":
                spool.close()
            else:
                # What was noted but not yet deleted is sent once more; the hub knows it.
                spool.settle()
                kill(spool)
            boots += 1
            spool = open_spool(path, f"b{boots}", max_bytes=12_000)
    spool.commit([], sync=True, sent=True)
    got += receipt_all(spool)
    spool.close()
    assert len({(pack.boot, pack.seq) for pack in got}) == len(got)
    totals = read_spool(path)
    assert sum(accounted(got)) == totals.produced
    assert accounted(got)[1:] == (totals.lost, totals.unknown)


def test_dropped_readings_of_a_full_tray_are_declared_gone(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    pack = spool.commit(readings(2), sync=True, sent=False, dropped=7)[0]
    decoded = decode_pack(pack.payload)
    assert [(one.first, one.last, one.readings, one.reason) for one in decoded.gone] == [
        (1, 1, 7, "memory")
    ]
    assert (decoded.seq, decoded.made) == (2, 9)


def test_a_disk_that_refuses_to_write_is_replaced_by_memory_and_taken_back(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    spool = open_spool(tmp_path / "s.db", "b1", clock)
    commit(spool, 4)
    assert spool._disk is not None
    spool._disk._db.execute("PRAGMA query_only=ON")
    commit(spool, 4, 10)
    assert spool.degraded
    assert "readonly" in spool.error
    commit(spool, 4, 20)
    assert [pack.id.seq for pack in waiting(spool)] == [2, 3]
    spool.receipt([PackId("b1", 2)])
    spool.settle()
    clock.advance(RETRY_S)
    commit(spool, 4, 30)
    assert not spool.degraded
    assert [pack.id.seq for pack in waiting(spool)] == [1, 3, 4]
    spool.close()
    assert read_spool(tmp_path / "s.db") == SpoolTotals(16, 3, 12, 0, 0, 0, 1)


def test_memory_is_bounded_while_the_disk_is_full_and_says_what_it_lost(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = open_spool(tmp_path / "s.db", "b1", clock)
    assert spool._disk is not None
    spool._disk._db.execute("PRAGMA max_page_count=12")
    for start in range(400):
        spool.commit(wild_readings(200, start), sync=True, sent=False)
    assert spool.degraded
    assert "full" in spool.error
    assert spool.waiting.size <= 2_100_000
    clock.advance(RETRY_S)
    got = receipt_all(spool)
    spool.commit([], sync=True, sent=True)
    got += receipt_all(spool)
    stored, lost, _ = accounted(got)
    assert lost > 0
    assert stored + lost == 80_000
    spool.close()
    assert read_spool(tmp_path / "s.db").produced == 80_000


def test_a_declaration_that_went_out_from_memory_is_not_made_again(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "s.db"
    kill(open_spool(path, "b1"))
    spool = open_spool(path, "b2", clock)
    assert spool._disk is not None
    assert spool.has_declarations
    spool._disk._db.execute("PRAGMA query_only=ON")
    carrier = commit(spool, 1)[0]
    assert decode_pack(carrier.payload).unknown == (Unknown("b1", 9),)
    clock.advance(RETRY_S)
    assert decode_pack(commit(spool, 1)[0].payload).unknown == ()
    spool.close()


def test_a_spool_on_an_unusable_path_still_publishes_from_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    spool = open_spool(tmp_path / "file" / "s.db", "b1")
    assert spool.degraded
    assert commit(spool, 4)[0].count == 4
    assert len(waiting(spool)) == 1
    spool.close()


@pytest.mark.parametrize("damage", ["header", "first page", "page", "two pages"])
def test_of_a_broken_spool_all_whole_packs_are_taken_over(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.db"
    first = open_spool(path, "b1")
    whole = {pack.id: pack for start in range(200) for pack in commit(first, 20, start)}
    first.close()
    before = path.read_bytes()
    offset, size = {
        "header": (0, 64),
        "first page": (0, 4096),
        "page": (len(before) // 8192 * 4096, 4096),
        "two pages": (len(before) // 8192 * 4096, 8192),
    }[damage]
    path.write_bytes(before[:offset] + b"\xa5" * size + before[offset + size :])
    second = open_spool(path, "b2")
    assert second.corrupt
    take_over(second)
    assert (tmp_path / "s.db.corrupt-b2-done").stat().st_size == len(before)
    found = waiting(second)
    assert second.salvaged == len(found) >= (200 if offset == 0 else 150)
    assert found == [whole[pack.id] for pack in found]
    assert second.closed is None
    receipt_all(second)
    assert second.closed == {"b1": 4000}, "what is missing of it will never come: the hub must know"
    second.close()


def test_a_spool_that_breaks_while_it_is_used_closes_the_holes_of_its_own_boot(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    path = tmp_path / "s.db"
    spool = open_spool(path, "b1", clock)
    for start in range(200):
        commit(spool, 20, start)
    assert spool._disk is not None
    spool._disk._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool._disk._db.execute("PRAGMA cache_size=1")
    middle = path.stat().st_size // 8192 * 4096
    with path.open("r+b") as file:
        file.seek(middle)
        file.write(b"\xa5" * 8192)
    assert spool.oldest(1000, ()) == []
    assert spool.degraded
    assert spool.waiting.packs == 200, "what lies on the failed disk is not forgotten"
    clock.advance(RETRY_S)
    commit(spool, 20, 300)
    assert spool.corrupt
    assert not spool.degraded
    take_over(spool)
    got = [*receipt_all(spool)]
    holes = [gone for pack in got for gone in pack.gone]
    missing = {*range(1, 202)} - {pack.seq for pack in got if pack.count}
    assert holes
    assert {seq for gone in holes for seq in range(gone.first, gone.last + 1)} >= missing
    assert {gone.readings for gone in holes} == {0}
    spool.close()


def test_taking_over_goes_on_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = open_spool(path, "b1")
    for start in range(50):
        commit(first, 4, start)
    first.close()
    # As if the second boot had been killed after it had set the file aside.
    path.rename(tmp_path / "s.db.corrupt-b2")
    third = open_spool(path, "b3")
    take_over(third)
    assert (third.corrupt, third.salvaged, third.waiting.packs) == (True, 50, 50)
    third.close()
    fourth = open_spool(path, "b4")
    assert (fourth.corrupt, fourth.salvaged, fourth.waiting.packs) == (False, 0, 50)
    fourth.close()


def broken_spool(path: Path, packs: int = 1200) -> dict[PackId, StoredPack]:
    """A spool with a backlog of an earlier boot, and a page that can't be read any more."""
    first = open_spool(path, "b1")
    whole = {pack.id: pack for start in range(packs) for pack in commit(first, 4, start)}
    first.close()
    middle = path.stat().st_size // 8192 * 4096
    with path.open("r+b") as file:
        file.seek(middle)
        file.write(b"\xa5" * 4096)
    return whole


def test_while_a_broken_file_is_taken_over_the_station_goes_on_and_the_order_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.db"
    whole = broken_spool(path)
    spool = open_spool(path, "b2")
    assert spool.takes_over
    new = []
    steps = 0
    while spool.takes_over:
        assert spool.closed is None, "the hub must not call unknown what may still be found"
        spool.take_over_some()
        new += spool.commit(readings(4, 10_000 + steps), sync=True, sent=False, alarm=steps == 1)
        steps += 1
        if spool.takes_over:
            assert waiting(spool) == new, "what is new does not wait for what is old"
            assert spool.newest(50, ()) == new
    assert steps > 2, "one piece at a time"
    found = waiting(spool)
    urgent, regular = [new[1]], [new[0], *new[2:]]
    assert sorted(pack.id for pack in found[-len(new) :]) == sorted(pack.id for pack in new)
    old = [pack for pack in found if pack not in new]
    assert old == [whole[pack.id] for pack in old]
    assert [pack.id.seq for pack in old] == sorted(pack.id.seq for pack in old)
    assert len(old) == spool.salvaged > 1000
    assert spool.oldest(1, ()) == urgent
    assert regular[0] in spool.newest(len(new), ())
    assert spool.waiting.packs == len(found)
    assert spool.closed is None
    receipt_all(spool)
    assert spool.closed == {"b1": 4800}
    spool.close()


def test_a_file_that_breaks_while_another_is_taken_over_costs_neither(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    whole = broken_spool(path)
    second = open_spool(path, "b2")
    second.take_over_some()
    copied = second.salvaged
    assert 0 < copied < 1000
    new = commit(second, 4, 50_000)
    second.close()
    data = path.read_bytes()
    path.write_bytes(b"\xa5" * 64 + data[64:])  # the header: all packs are still there
    third = open_spool(path, "b3")
    take_over(third)
    found = waiting(third)
    assert len({pack.id for pack in found}) == len(found) > 1000
    assert [pack for pack in found if pack.id.boot == "b2"] == new
    assert all(whole[pack.id] == pack for pack in found if pack.id.boot == "b1")
    assert [pack.id.seq for pack in found[:-1]] == sorted(pack.id.seq for pack in found[:-1])
    third.close()
    assert sorted(one.name for one in tmp_path.glob("*.corrupt*")) == [
        "s.db.corrupt-b2-done",
        "s.db.corrupt-b3-done",
    ]


def test_a_row_that_claims_more_than_any_pack_is_not_looked_for_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = open_spool(path, "b1")
    for start in range(50):
        commit(first, 4, start)
    first.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE pack SET payload = zeroblob(3000000) WHERE seq = 25")
        database.commit()
    path.rename(tmp_path / "s.db.corrupt-b2")
    second = open_spool(path, "b2")
    with pytest.raises(sqlite3.DataError, match="too big"):
        second._take_over._left[0]._source.execute("SELECT payload FROM pack").fetchall()
    take_over(second)
    assert second.salvaged == 49
    second.close()


def test_only_the_newest_broken_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for boot in ("b1", "b2", "b3"):
        path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
        spool = open_spool(path, boot)
        assert spool.corrupt
        take_over(spool)
        commit(spool, 1)
        spool.close()
    assert [one.name for one in tmp_path.glob("*.corrupt*")] == ["s.db.corrupt-b3-done"]


def test_a_pack_that_is_no_pack_any_more_stops_neither_thinning_nor_the_next_boot(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.db"
    spool = open_spool(path, "b1", max_bytes=20_000)
    commit(spool, 4)
    assert spool._disk is not None
    spool._disk._db.execute("UPDATE pack SET payload = ?", (b"\xff" * 200,))
    for start in range(100):
        commit(spool, 4, start)
    kill(spool)
    assert open_spool(path, "b2").ended == {}


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_squeezed_pack_that_is_damaged_never_becomes_another_one(data: st.DataObject) -> None:
    payload = encode_pack(Pack(boot="b1", seq=7, sync=True, readings=tuple(readings(8)), made=8))
    kept = squeeze(payload)
    assert expand(kept) == payload
    start = data.draw(st.integers(0, len(kept) - 1))
    length = data.draw(st.integers(1, len(kept) - start))
    noise = data.draw(st.sampled_from([b"", b"\xff", b"\x00", b"\xa5"]))
    damaged = kept[:start] + noise * length + (kept[start + length :] if noise else b"")
    assert expand(damaged) in (damaged, payload)


def test_two_stations_can_not_share_a_spool(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    with pytest.raises(SpoolBusyError, match="another station process"):
        open_spool(tmp_path / "s.db", "b2")
    spool.close()
    open_spool(tmp_path / "s.db", "b2").close()


def test_reading_the_books_of_no_spool_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.db"):
        read_spool(tmp_path / "none.db")


def test_every_commit_is_durable(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    assert spool._disk is not None
    database = spool._disk._db
    assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database.execute("PRAGMA synchronous").fetchone()[0] == 2
    spool.close()


WRITER = """
    import sys
    from pathlib import Path
    from core.clock import RunClock
    from core.quantity import Quantity
    from core.reading import Reading
    from edge.spool import Spool
    spool = Spool(Path(sys.argv[1]), sys.argv[2], RunClock(), max_bytes=10**7, at_risk=5)
    for number in range(10**6):
        reading = Reading("s", Quantity.TEMPERATURE, 1764500000000 + number, 1.0)
        packs = spool.commit([reading] * 3, sync=True, sent=True)
        print(packs[0].id.seq, flush=True)
"""


def test_sigkill_in_the_middle_of_writing_loses_no_committed_pack(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    last: dict[str, int] = {}
    for boot in ("k1", "k2"):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path), boot],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        for line in writer.stdout:
            last[boot] = int(line)
            if last[boot] >= 40:
                writer.kill()
        writer.wait(10)
        writer.stdout.close()
    spool = open_spool(path, "k3")
    commit(spool, 1)
    names = {pack.id for pack in waiting(spool)}
    for boot, seq in last.items():
        assert {PackId(boot, number) for number in range(1, seq + 1)} <= names
    got = receipt_all(spool)
    spool.close()
    totals = read_spool(path)
    assert totals.unknown == 10
    assert sum(accounted(got)) == totals.produced


def test_a_spool_can_be_read_while_the_station_writes_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    commit(spool, 4)
    assert read_spool(tmp_path / "s.db").produced == 4
    with sqlite3.connect(f"file:{tmp_path / 's.db'}?mode=ro", uri=True) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM pack").fetchone()
        commit(spool, 4)
        assert not spool.degraded
    other.close()
    spool.close()


def test_a_full_spool_makes_room_without_reading_all_of_itself(tmp_path: Path) -> None:
    """On an SD card that takes ten seconds, and the urgent lane would wait for it."""
    spool = open_spool(tmp_path / "spool.db", "a", max_bytes=60_000)
    for start in range(0, 2000, 10):
        spool.commit(readings(10, start), sync=True, sent=start % 50 == 0)
    said: list[str] = []
    store = spool._disk
    assert store is not None
    store._db.set_trace_callback(said.append)
    for start in range(2000, 4000, 10):
        spool.commit(readings(10, start), sync=True, sent=start % 50 == 0)
    store._db.set_trace_callback(None)
    assert [text for text in said if "count(*)" in text] == []
    assert any(text.startswith("DELETE FROM pack") for text in said)
    assert store.waiting() == read_waiting(store._db)


def test_the_ends_of_boots_without_a_clock_are_known_while_their_packs_wait(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    first = open_spool(path, "a")
    for at in (1000, 2500):
        first.commit([Reading("s", Quantity.TEMPERATURE, at, 1.0)], sync=False, sent=False)
    kill(first)
    second = open_spool(path, "b")
    assert second.ended == {"a": 2500}
    second.commit(readings(2), sync=True, sent=False)
    kill(second)
    third = open_spool(path, "c")
    assert third.ended == {"a": 2500}
    third.receipt([PackId("a", 1), PackId("a", 2)])
    third.settle()
    kill(third)
    assert open_spool(path, "d").ended == {}


def test_packs_grow_too_old_but_not_those_with_something_urgent(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path / "s.db", "b1", clock, max_bytes=10**7, at_risk=9, max_age_ms=3_600_000)
    OPENED.append(spool)
    for start in range(100):
        spool.commit(readings(4, 40 * start), sync=True, sent=False, alarm=start == 3)
    spool.commit([Reading("s", Quantity.TEMPERATURE, 5000, 1.0)], sync=False, sent=False)
    clock.advance(60)
    late = [Reading("s", Quantity.TEMPERATURE, START + 5_000_000, 1.0)]
    spool.commit(late, sync=True, sent=False)
    kept = [pack.id.seq for pack in waiting(spool)]
    # 100 packs, 40 s apart: 1,400 s of them are older than an hour before the last one.
    assert kept == [4, *range(36, 103)]
    got = receipt_all(spool)
    assert {gone.reason for pack in got for gone in pack.gone} == {"age"}
    assert sum(accounted(got)) == 402


def test_a_full_spool_gives_up_what_is_urgent_last(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1", max_bytes=30_000)
    for start in range(500):
        alarm = start % 50 == 5
        spool.commit(readings(4, start), sync=True, sent=start % 2 == 0, alarm=alarm)
    urgent = {PackId("b1", start + 1) for start in range(5, 500, 50)}
    assert urgent <= {pack.id for pack in waiting(spool)}
    assert spool.waiting.size <= 30_000
    got = receipt_all(spool)
    assert sum(accounted(got)) == 2000


def test_what_is_urgent_is_sent_before_any_older_backlog(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", "b1")
    for start in range(200):
        spool.commit(readings(1, start), sync=True, sent=False, alarm=start in {20, 150})
    assert [pack.id.seq for pack in spool.newest(3, ())] == [21, 151, 198, 199, 200]
    assert [pack.id.seq for pack in spool.oldest(4, ())] == [1, 2, 21, 151]
    assert [pack.id.seq for pack in spool.oldest(3, [PackId("b1", 21)])] == [1, 2, 151]


def test_a_spool_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spool = open_spool(path, "b1")
    commit(spool, 4)
    spool.close()
    with sqlite3.connect(path) as database:
        for index in ("pack_to_drop", "pack_to_thin", "pack_alarm"):
            database.execute(f"DROP INDEX {index}")
        for column in ("alarm", "newest_ms"):
            database.execute(f"ALTER TABLE pack DROP COLUMN {column}")
        database.execute("CREATE INDEX pack_unsent ON pack(ordinal) WHERE sent = 0")
    database.close()
    again = open_spool(path, "b2")
    assert not again.corrupt
    commit(again, 4)
    assert [pack.count for pack in waiting(again)] == [4, 4]


def test_a_disk_out_of_reach_closes_no_earlier_boot(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = open_spool(path, "b1")
    commit(first, 4)
    first.close()
    spool = open_spool(path, "b2")
    assert spool.closed is None
    assert spool._disk is not None
    spool._disk._db.execute("PRAGMA query_only=ON")
    commit(spool, 4)
    assert spool.degraded
    assert (spool.closed, spool.waiting.packs) == (None, 2)
