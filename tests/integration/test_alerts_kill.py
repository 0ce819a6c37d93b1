"""SIGKILL at any moment: nobody is forgotten, and who hears twice hears the same id twice."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.database import open_database
from alerts.store import Store
from tests.alerts import busy_outbox
from tests.alerts.samples import SECRET
from tests.alerts.scenery import place
from tests.alerts.vendor import Reply, Vendor
from tests.servers import wait_until

# Each life is forked from a program that has imported everything: real processes, quickly begun.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.alerts.busy_outbox"])
ROWS = 4  # of a red: three contacts, one of them over two channels


@pytest.fixture
def receiver() -> Iterator[Vendor]:
    server = Vendor(Reply(204))
    yield server
    server.close()


def rows(url: str) -> Counter[str]:
    """Look into the state from outside, as another program would."""
    with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10) as connection:
        states = connection.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall()
    connection.close()
    return Counter(dict(states))


@pytest.mark.parametrize(
    ("kills", "incidents"),
    [(10, 60), pytest.param(200, 1500, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
def test_kill_9_of_a_busy_program_loses_nothing_and_repeats_only_the_same_ids(
    receiver: Vendor, tmp_path: Path, kills: int, incidents: int
) -> None:
    secret = tmp_path / "key"
    secret.write_text(SECRET)
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    dice = random.Random(7)
    pause = threading.Event()
    all_told = Counter(accepted=ROWS * incidents)
    under_load = 0

    for life in range(kills + 1):
        ready = FORKS.Event()
        process = FORKS.Process(
            target=busy_outbox.main, args=(url, receiver.url, str(secret), incidents, ready)
        )
        process.start()
        try:
            assert ready.wait(30)
            if life == kills:
                wait_until(lambda: rows(url) == all_told, 110, what="an empty outbox")
            elif life % 4 == 0:  # while it is still beginning
                pause.wait(dice.uniform(0.0, 0.2))
            else:
                goal = len(receiver.requests) + dice.randint(1, ROWS * incidents // (kills + 2))
                wait_until(lambda goal=goal: len(receiver.requests) >= goal, 60)  # type: ignore[misc]  # bound default
                pause.wait(dice.uniform(0.0, 0.02))
                under_load += 1
        finally:
            process.kill()
            process.join(10)

    store = Store(open_database(url), place(), "", ())
    ids = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert len(ids) == ROWS * incidents  # nobody is lost, and no message has two ids
    repeated = sum(count - 1 for count in ids.values())
    assert repeated <= kills * 16 * 4  # at most what was leased and not settled at each kill
    print(f"{kills} kills ({under_load} while sending): {len(ids)} told, {repeated} repeated")
    store.verify_journal()
    store.database.close()
