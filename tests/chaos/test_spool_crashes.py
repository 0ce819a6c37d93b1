"""Whatever becomes of the spool's files, the ledger balances, and nothing is counted twice.

A power cut on a card that lies about what it has written is a write-ahead log that ends anywhere,
or a page that holds something else. A kill is a process that ends anywhere.
"""

from __future__ import annotations

import base64
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.quantity import Quantity
from core.reading import Reading
from edge.pack_books import PackId, StoredPack
from edge.spool import Spool
from tests.chaos.account_hub import START_MS, AccountHub

AT_RISK = 7
COUNTER = iter(range(10**9))


def readings(count: int) -> list[Reading]:
    return [
        Reading("one-0", Quantity.WATER_LEVEL, START_MS + next(COUNTER), 0.25) for _ in range(count)
    ]


def open_spool(path: Path, boot: str, max_bytes: int = 10_000_000) -> Spool:
    return Spool(path, boot, ManualClock(), max_bytes=max_bytes, at_risk=AT_RISK)


def let_go(spool: Spool) -> None:
    """Free the files as the kernel does for a killed process."""
    spool._take_over.close()
    for store in (spool._disk, spool._memory):
        if store is not None:
            store.close()
    if spool._lock_file is not None:
        spool._lock_file.close()


def live(spool: Spool, hub: AccountHub, steps: int, chance: random.Random) -> list[StoredPack]:
    """Let a station work for a while on a line that comes and goes; return what the hub has."""
    had: list[StoredPack] = []
    for _ in range(steps):
        online = chance.random() < 0.6
        dropped = chance.choice([0, 0, 0, 0, 5])
        packs = spool.commit(
            readings(chance.randint(1, 9)), sync=True, sent=online, dropped=dropped,
            alarm=chance.random() < 0.1,
        )  # fmt: skip
        if not online:
            continue
        sent = packs + spool.oldest(chance.randint(0, 3), [packs[0].id])
        had += sent
        for pack in sent:
            hub.take(pack)
        if chance.random() < 0.5:
            spool.receipt([pack.id for pack in sent])
        if chance.random() < 0.3:
            hub.hear(spool)
    return had


def copy_of(spool: Path, ledger: Path, directory: Path) -> tuple[Path, Path]:
    """Copy the files of a spool and a ledger as they lie on the disk now."""
    directory.mkdir()
    for name in (spool.name, f"{spool.name}-wal", ledger.name, f"{ledger.name}-wal"):
        source = spool.parent / name
        if source.exists():
            shutil.copy(source, directory / name)
    return directory / spool.name, directory / ledger.name


def check_after(spool_file: Path, ledger: Path, had: set[PackId]) -> None:
    """The next boot goes on, everything is sent, and the hub's books are right."""
    with closing(AccountHub(ledger)) as hub, closing(open_spool(spool_file, "after")) as spool:
        spool.commit(readings(3), sync=True, sent=False)
        assert not spool.degraded
        while spool.takes_over:
            spool.take_over_some()
        before = hub.account().stored
        new = {pack.id for pack in spool.oldest(10**6, ()) if pack.id not in had}
        counts = {pack.id: pack.count for pack in spool.oldest(10**6, ())}
        hub.drain(spool)
        account = hub.account()
        assert account.balanced, account
        assert (account.pending, account.holes) == (0, 0)
        assert account.stored == before + sum(counts[one] for one in new), "counted twice"


def cuts(size: int, step: int, chance: random.Random) -> list[int]:
    """Where the log ends: around every frame, and anywhere."""
    frame = 4096 + 24
    borders = [32 + number * frame + by for number in range(size // frame + 1) for by in (-1, 0, 9)]
    anywhere = [chance.randrange(size + 1) for _ in range(40)]
    return sorted({cut for cut in [0, 31, *borders, *anywhere] if 0 <= cut <= size})[::step]


def truncated_everywhere(tmp_path: Path, seed: int, step: int, steps: int) -> None:
    chance = random.Random(seed)
    path, ledger = tmp_path / "s.db", tmp_path / "ledger.db"
    hub = AccountHub(ledger)
    early = open_spool(path, "early")
    live(early, hub, 6, chance)
    let_go(early)
    spool = open_spool(path, "cut", max_bytes=chance.choice([5_000, 10_000_000]))
    had = {pack.id for pack in live(spool, hub, steps, chance)}
    log = Path(f"{path}-wal").read_bytes()
    for cut in cuts(len(log), step, chance):
        copied, books = copy_of(path, ledger, tmp_path / f"cut-{cut}")
        Path(f"{copied}-wal").write_bytes(log[:cut])
        check_after(copied, books, had)
        shutil.rmtree(copied.parent)
    let_go(spool)
    hub.close()


@pytest.mark.parametrize("seed", [1])
def test_a_log_that_ends_anywhere_loses_nothing_unsaid(tmp_path: Path, seed: int) -> None:
    truncated_everywhere(tmp_path, seed, 7, 25)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 30))
def test_a_log_that_ends_at_each_of_many_places_loses_nothing_unsaid(
    tmp_path: Path, seed: int
) -> None:
    truncated_everywhere(tmp_path, seed, 1, 60)


def damaged(tmp_path: Path, seed: int, times: int) -> None:
    """Pages of the file, not of its log, hold something else."""
    chance = random.Random(seed)
    path, ledger = tmp_path / "s.db", tmp_path / "ledger.db"
    hub = AccountHub(ledger)
    spool = open_spool(path, "hurt")
    had = {pack.id for pack in live(spool, hub, 120, chance)}
    assert spool._disk is not None
    spool._disk._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    for number in range(times):
        copied, books = copy_of(path, ledger, tmp_path / f"hurt-{number}")
        at = chance.randrange(len(whole) // 512) * 512
        length = chance.choice([512, 4096, 16384])
        noise = chance.choice([bytes(length), b"\xff" * length, chance.randbytes(length)])
        copied.write_bytes((whole[:at] + noise + whole[at + length :])[: len(whole)])
        check_after(copied, books, had)
        shutil.rmtree(copied.parent)
    let_go(spool)
    hub.close()


def test_damaged_pages_lose_nothing_unsaid(tmp_path: Path) -> None:
    damaged(tmp_path, 3, 12)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40, 60))
def test_many_damaged_pages_lose_nothing_unsaid(tmp_path: Path, seed: int) -> None:
    damaged(tmp_path, seed, 100)


def killed(tmp_path: Path, seed: int, times: int) -> None:
    """Kill a process that works the spool, again and again, at any moment."""
    chance = random.Random(seed)
    path = tmp_path / "s.db"
    with closing(AccountHub(tmp_path / "ledger.db")) as hub:
        for number in range(times):
            for kind, *words in lines_until_killed(path, number, chance):
                if kind == "pack":
                    boot, seq, count, payload = words
                    name = PackId(boot, int(seq))
                    hub.take(StoredPack(name, int(count), base64.b64decode(payload)))
                else:
                    hub.hear_status(base64.b64decode(words[0]))
        with closing(open_spool(path, "after")) as spool:
            hub.drain(spool)
            account = hub.account()
            assert account.balanced, account
            assert (account.pending, account.holes) == (0, 0)
            # Every kill may have taken what was in memory; nothing else is unknown.
            assert account.unknown == AT_RISK * times
            assert account.stored > 0


def lines_until_killed(path: Path, number: int, chance: random.Random) -> Iterator[list[str]]:
    """Yield what a process said before it was killed; a line that was cut short did not arrive."""
    arguments = [str(path), f"k{number}", str(number * 10**6), str(chance.randrange(10**6))]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.spool_child", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    last = chance.randint(1, 120)
    for seen, line in enumerate(child.stdout, start=1):
        if seen == last:
            # A fraction of a millisecond: anywhere within a commit.
            threading.Event().wait(chance.random() / 500)
            child.send_signal(signal.SIGKILL)
        if line.endswith("\n"):
            yield line.split()
    child.stdout.close()
    assert child.wait(10) == -signal.SIGKILL


def test_kills_at_any_moment_lose_nothing_unsaid(tmp_path: Path) -> None:
    killed(tmp_path, 5, 4)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(60, 65))
def test_a_hundred_kills_lose_nothing_unsaid(tmp_path: Path, seed: int) -> None:
    killed(tmp_path, seed, 100)
