"""The account of a boot: whatever order packs come in, every reading is counted once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pack import Gone, Unknown
from ingest.account import RECENT_PACKS, BootAccount
from ingest.ledger import Ledger
from ingest.ledger_file import LedgerError, connect
from ingest.quarantine import read_quarantine
from ingest.station_ledger import pack_fate, read_ledger


def receive(account: BootAccount, seq: int, made: int | None, count: int) -> bool:
    fresh = account.receive(seq, made, count, 1000)
    if fresh:
        account.stored += count
    return fresh


def test_packs_in_order_leave_no_holes() -> None:
    account = BootAccount("one", "b")
    for seq in range(1, 1001):
        assert receive(account, seq, seq * 3, 3)
    balance = account.balance()
    assert (balance.produced, balance.stored, balance.pending) == (3000, 3000, 0)
    assert account.absent == []
    assert len(account.recent) <= 2 * RECENT_PACKS


def test_packs_that_were_sent_before_the_first_one_seen_are_missing() -> None:
    account = BootAccount("one", "b")
    receive(account, 5, 50, 10)
    assert account.missing_packs == 4
    assert account.balance().pending == 40


def test_numbering_may_go_on_over_boots() -> None:
    account = BootAccount("one", "b")
    receive(account, 4712, 20, 10)
    assert account.missing_packs == 4711
    assert receive(account, 4711, 10, 10)
    assert account.missing_packs == 0
    assert account.balance().pending == 0


def test_a_pack_that_came_and_was_declared_gone_is_stored_not_lost() -> None:
    account = BootAccount("one", "b")
    for seq in range(1, 11):
        receive(account, seq, seq * 50, 50)
    # Receipts of 9 and 10 were lost; the next boot says that 9 to 20 overflowed, 600 readings.
    account.declare_gone(9, 20, 600, 1000)
    balance = account.balance()
    assert (balance.produced, balance.stored, balance.lost, balance.pending) == (1000, 500, 500, 0)


def test_a_pack_declared_gone_that_comes_after_all_is_stored_not_lost() -> None:
    account = BootAccount("one", "b")
    receive(account, 1, 10, 10)
    receive(account, 3, 30, 10)
    account.declare_gone(2, 2, 10, 1000)
    assert account.balance().lost == 10
    assert receive(account, 2, 20, 10)
    assert not receive(account, 2, 20, 10)
    balance = account.balance()
    assert (balance.produced, balance.stored, balance.lost, balance.pending) == (30, 30, 0, 0)


def test_what_an_unreadable_pack_declared_becomes_unknown_not_pending_for_ever() -> None:
    account = BootAccount("one", "b")
    receive(account, 1, 10, 10)
    receive(account, 2, None, 10)  # it also said that 4 readings were thinned; nobody can read it
    receive(account, 3, 34, 10)
    balance = account.balance()
    assert (balance.produced, balance.stored, balance.unknown, balance.pending) == (34, 30, 4, 0)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[str, int, int, int]], int, int, int, int]:
    """A boot's packs as (kind, seq, made, readings), shuffled and repeated, with the truth."""
    size = draw(st.integers(1, 30))
    first = draw(st.sampled_from([0, 1, 1, 7]))
    events: list[tuple[str, int, int, int]] = []
    made = lost = stored = thinned_total = 0
    dropped: list[tuple[int, int]] = []
    for seq in range(first, first + size):
        count = draw(st.integers(0, 5))
        thinned = draw(st.integers(0, 2))
        made += count + thinned
        last = seq == first + size - 1
        if not last and draw(st.booleans()) and draw(st.booleans()):
            dropped.append((seq, count + thinned))
            lost += count + thinned
            continue
        stored += count
        thinned_total += thinned
        events.append((f"pack:{thinned}", seq, made, count))
    events += [("gone", seq, 0, readings) for seq, readings in dropped]
    order = draw(st.permutations(events))
    again = draw(st.lists(st.sampled_from(events), max_size=10))
    return [*order, *again], made, stored, lost, thinned_total


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_order_with_duplicates_drops_and_declarations_balances(
    history: tuple[list[tuple[str, int, int, int]], int, int, int, int],
) -> None:
    events, made, stored, lost, thinned = history
    account = BootAccount("one", "b")
    declared: set[int] = set()
    for kind, seq, total, count in events:
        if kind == "gone":
            if seq not in declared:  # a declaration is part of a pack, which counts once
                account.declare_gone(seq, seq, count, 1000)
            declared.add(seq)
            continue
        extra = int(kind.split(":")[1])
        if account.receive(seq, total, count + extra, 1000):
            account.stored += count
            account.lost += extra
    balance = account.balance()
    assert balance.produced == made
    assert balance.stored == stored
    assert balance.lost == lost + thinned
    assert (balance.unknown, balance.pending) == (0, 0)


@settings(max_examples=80, deadline=None)
@given(histories(), st.data())
def test_at_every_moment_produced_is_what_is_accounted_for_plus_what_is_pending(
    history: tuple[list[tuple[str, int, int, int]], int, int, int, int], data: st.DataObject
) -> None:
    events, *_ = history
    account = BootAccount("one", "b")
    for kind, seq, total, count in events[: data.draw(st.integers(1, len(events)))]:
        if kind == "gone":
            account.declare_gone(seq, seq, count, 1000)
        elif account.receive(seq, total, count + int(kind.split(":")[1]), 1000):
            account.stored += count
            account.lost += int(kind.split(":")[1])
        balance = account.balance()
        parts = (
            balance.stored,
            balance.quarantined,
            balance.lost,
            balance.unknown,
            balance.pending,
        )
        assert min(parts) >= 0
        assert balance.produced == sum(parts)


def test_the_ledger_survives_closing_and_opening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    receive(ledger.account("one", "b"), 1, 10, 10)
    receive(ledger.account("one", "b"), 4, 40, 10)
    ledger.declare("one", [Gone("b", 2, 2, 10, "overflow")], [Unknown("a", 7)], 2000)
    ledger.commit()
    receive(ledger.account("one", "b"), 3, 30, 10)
    ledger.rollback()
    ledger.close()
    [entry] = read_ledger(path, now_ms=61_000)
    assert (entry.produced, entry.stored, entry.lost, entry.unknown) == (47, 20, 10, 7)
    assert (entry.pending, entry.holes, entry.oldest_hole_s) == (10, 1, 60.0)
    fates = [pack_fate(path, "one", "b", seq) for seq in (1, 2, 3, 4, 5)]
    assert fates == ["stored", "lost", "missing", "stored", "missing"]
    again = Ledger(path)
    assert not again.account("one", "b").receive(4, 40, 10, 3000)
    assert again.account("one", "b").receive(3, 30, 10, 3000)
    again.account("one", "b").stored += 10
    again.commit()
    again.close()
    assert read_ledger(path)[0].balanced


def test_a_ledger_whose_tables_ingest_is_just_making_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    connect(path).close()
    found = (read_ledger(path), read_quarantine(path), pack_fate(path, "one", "b", 1))
    assert found == ([], [], "missing")


def test_a_ledger_of_which_a_table_is_gone_is_not_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with closing(connect(path)) as connection:
        connection.executescript("DROP TABLE boot; DROP TABLE quarantine")
    for ask in (read_ledger, read_quarantine):
        with pytest.raises(LedgerError, match="no such table"):
            ask(path)


def test_a_ledger_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database, but long enough to look like a file" * 20)
    with pytest.raises(LedgerError, match=r"ledger\.db: can't be used"):
        Ledger(path)
    for ask in (read_ledger, read_quarantine, lambda file: pack_fate(file, "one", "b", 1)):
        with pytest.raises(LedgerError, match=r"ledger\.db: can't be read"):
            ask(path)


def test_a_ledger_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "none.db") == []
    assert pack_fate(tmp_path / "none.db", "one", "b", 1) == "missing"


def test_what_an_earlier_boot_no_longer_holds_and_never_came_is_unknown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    for seq in (1, 2, 5):
        account = ledger.account("one", "b1")
        assert account.receive(seq, seq * 10, 10, 1000)
        account.stored += 10
    account.announced = 80
    ledger.account("two", "other").announced = 9
    ledger.commit()
    before = {row.station: row for row in read_ledger(ledger.path)}
    assert (before["one"].pending, before["one"].holes, before["one"].balanced) == (50, 2, False)
    ledger.close_earlier("one", "b2", {"b1": 70, "never-heard-of": 7}, 2000)
    ledger.commit()
    after = {row.station: row for row in read_ledger(ledger.path)}
    assert (after["one"].produced, after["one"].stored, after["one"].unknown) == (87, 30, 57)
    assert after["one"].balanced
    assert after["one"].holes == 0
    assert pack_fate(ledger.path, "one", "b1", 3) == "lost"
    assert after["two"].pending == 9, "another station's boots are no business of ours"
    # A disk that was given up comes back: what comes all the same is stored, not unknown.
    account = ledger.account("one", "b1")
    assert account.receive(3, 30, 10, 3000)
    account.stored += 10
    ledger.commit()
    again = {row.station: row for row in read_ledger(ledger.path)}["one"]
    assert (again.produced, again.stored, again.unknown, again.balanced) == (87, 40, 47, True)
    assert not ledger._touched
    ledger.close_earlier("one", "b2", {"b1": 70, "never-heard-of": 7}, 4000)
    assert not ledger._touched, "a status that says nothing new writes nothing"
    ledger.close()
