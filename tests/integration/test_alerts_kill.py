"""SIGKILL at any moment: nobody is forgotten, and who hears twice hears the same id twice."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.database import open_database
from alerts.store import Store
from tests.alerts.samples import SECRET
from tests.alerts.scenery import place
from tests.alerts.vendor import Reply, Vendor
from tests.servers import wait_until

INCIDENTS = 60
MESSAGES = 4 * INCIDENTS  # red: three contacts, one of them over two channels
KILLS = 5


@pytest.fixture
def receiver() -> Iterator[Vendor]:
    server = Vendor(Reply(204))
    yield server
    server.close()


def pending(url: str) -> int:
    """Look into the state from outside, as another program would."""
    with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM outbox WHERE state = 'pending'")
    connection.close()
    return int(count)


def test_kill_9_of_a_busy_outbox_loses_nothing_and_repeats_only_the_same_ids(
    receiver: Vendor, tmp_path: Path
) -> None:
    secret = tmp_path / "key"
    secret.write_text(SECRET)
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    dice = random.Random(7)
    command = [
        sys.executable, "-m", "tests.alerts.busy_outbox", url, receiver.url, str(secret),
        str(INCIDENTS),
    ]  # fmt: skip
    pause = threading.Event()

    for life in range(KILLS + 1):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if life < KILLS:
                goal = len(receiver.requests) + dice.randint(1, MESSAGES // (KILLS + 2))
                wait_until(lambda goal=goal: len(receiver.requests) >= goal, 30)  # type: ignore[misc]  # bound default
                pause.wait(dice.uniform(0, 0.02))
            else:
                wait_until(lambda: pending(url) == 0, 60)
        finally:
            process.kill()
            process.communicate(timeout=10)

    store = Store(open_database(url), place(), "", ())
    ids = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert len(ids) == MESSAGES  # nobody is lost, and no message has two ids
    assert store.outbox_counts()[0] == {"accepted": MESSAGES}
    repeated = sum(count - 1 for count in ids.values())
    assert repeated <= KILLS * 16 * 4  # at most what was leased and not settled at each kill
    store.verify_journal()
    store.database.close()
