"""SIGKILL of `safety-eye alerts` at any moment: nobody is forgotten, repeats are the same message.

The real program, attached to a real broker, is killed under load while it begins, while it works,
and between a message's arrival at the receiver and the answer to it. Findings go on meanwhile.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from alerts.database import Database, open_as_it_is
from tests.alerts.program import TOLD_OF_RED, Program
from tests.alerts.storm import HAZARDS, Place, Storm, places
from tests.alerts.told import Account, all_told
from tests.alerts.vendor import Reply, Request, Vendor
from tests.servers import Mosquitto, wait_until

# Until a program on an idle machine is linked to the broker: configuration, migrations, the outbox
# taken over. Kills of what begins are spread over this time.
BEGIN_S = 1.0
# The findings of one life come within: about half of them before it listens.
SHARE_S = 1.5
# Lives that may end one after the other with something just taken up.
LAST_LIVES = 5
# What may be under way at a kill: rows leased for each thread, threads a channel, channels.
UNDER_WAY = 4 * 8 * 2


@pytest.fixture
def receiver() -> Iterator[Vendor]:
    server = Vendor(Reply(204))
    yield server
    server.close()


class Deaths:
    """Kills lives, each at a moment of its own.

    Args:
        receiver: Who is told.
        dice: For the moments.
    """

    def __init__(self, receiver: Vendor, dice: random.Random) -> None:
        self._dice = dice
        self._pause = threading.Event()
        self._told: set[tuple[str, ...]] = set()  # each person's first word of each red
        self._goal = 0
        self._doomed: ForkServerProcess | None = None
        self.how = {"beginning": 0, "at work": 0, "before the answer": 0}
        receiver.heard = self._hear

    def kill(self, process: ForkServerProcess, life: int, dangers: int) -> None:
        """Wait for this life's moment, and end it.

        Args:
            process: The life.
            life: Its number.
            dangers: How many places have become red by now, or are about to.
        """
        # A life does a part of what is left to it, or many short ones would do nothing but repeat.
        left = dangers * len(TOLD_OF_RED) - len(self._told)
        self._goal = len(self._told) + self._dice.randint(1, left)
        if life % 4 == 0:
            self.how["beginning"] += 1
            self._pause.wait(self._dice.uniform(0, BEGIN_S))
        elif life % 4 == 1:
            self.how["before the answer"] += 1
            self._doomed = process
            wait_until(lambda: not process.is_alive(), 60, what=self._awaited)
            self._doomed = None
        else:
            self.how["at work"] += 1
            wait_until(lambda: self._reached() or not process.is_alive(), 60, what=self._awaited)
            self._pause.wait(self._dice.uniform(0, 0.05))
        process.kill()
        process.join(10)
        assert process.exitcode == -signal.SIGKILL, "it has ended by itself"

    @property
    def _awaited(self) -> str:
        return f"first message {self._goal} of those that reds ask for (has one been lost?)"

    def _reached(self) -> bool:
        return len(self._told) >= self._goal

    def _hear(self, request: Request) -> None:
        """Called when a message has come in that nobody has answered yet."""
        data = request.json["data"]
        if data["grade"] == "red" and data["kind"] in ("alert", "update"):
            self._told.add((data["zone"], data["hazard"], data["contact"], request.path))
        doomed = self._doomed
        if doomed is not None and self._reached():
            doomed.kill()


def end(program: Program, storm: Storm, dangers: int) -> Database:
    """Let last lives end politely until one leaves nothing untold; return the state that it leaves.

    Nobody takes over, so the ladders go on calling: what one life has taken up when it is asked to
    end, the next one tells.
    """
    database = open_as_it_is(program.state_url)
    for _ in range(LAST_LIVES):
        _live_to_the_end(program, storm, database, dangers)
        if all_told(database, dangers):
            break
    return database


def _live_to_the_end(program: Program, storm: Storm, database: Database, dangers: int) -> None:
    process = program.fork()
    try:
        storm.wait_said()
        wait_until(program.ready, 60, what="the last life")
        with contextlib.suppress(TimeoutError):  # the account says what is missing
            wait_until(lambda: all_told(database, dangers), 60)
        process.terminate()
        process.join(20)
        assert process.exitcode == 0
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("kills", "share"),
    [(10, 12), pytest.param(200, 6, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
def test_kill_9_of_alerts_under_load_loses_nothing_and_repeats_only_the_same_ids(
    mosquitto: Mosquitto, receiver: Vendor, tmp_path: Path, kills: int, share: int
) -> None:
    dice = random.Random(7)
    zones = [f"zone-{number}" for number in range(-(-share * (kills + 1) // len(HAZARDS)))]
    coming, dangers = places(zones), list[Place]()
    site = f"kill-{kills}"
    program = Program(tmp_path, mosquitto.address, receiver.base, site, zones)
    storm = Storm(mosquitto.address, site, dice)
    deaths = Deaths(receiver, dice)
    storm.start()
    try:
        for life in range(kills):
            fresh, coming = coming[:share], coming[share:]
            dangers += fresh
            # Before its first life the program has no session that could keep what passes.
            storm.bring(fresh, SHARE_S, fleeting=bool(receiver.requests))
            deaths.kill(program.fork(), life, len(dangers))
        storm.bring(coming, SHARE_S, fleeting=True)
        dangers += coming
        database = end(program, storm, len(dangers))
    finally:
        storm.stop()

    account = Account(database, receiver.requests)
    database.close()
    print(
        f"{kills} kills {deaths.how}: {storm.said} findings, {len(dangers)} incidents, "
        f"{len(account.heard)} messages, {account.repeated} repeated"
    )
    account.check(dangers)
    assert account.repeated <= kills * UNDER_WAY
    assert "Traceback" not in program.log
