"""Writers within one program take turns in the order in which they came."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.exc import TimeoutError as DatabaseTimeoutError

from alerts.turns import Turns
from tests.servers import wait_until


def test_who_came_first_writes_first_and_nobody_waits_behind_a_busy_one() -> None:
    turns, order = Turns(), list[int]()

    def write(number: int) -> None:
        with turns.turn(10):
            order.append(number)

    threads = []
    with turns.turn(1):
        for number in range(5):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            wait_until(lambda number=number: len(turns._waiting) == number + 1, 5)  # type: ignore[misc]  # bound default
    for thread in threads:
        thread.join(5)

    assert order == [0, 1, 2, 3, 4]


def test_a_turn_that_does_not_come_is_an_error_of_the_database_and_holds_up_nobody() -> None:
    turns = Turns()
    with (
        turns.turn(1),
        pytest.raises(DatabaseTimeoutError, match=r"no turn to write"),
        turns.turn(0.05),
    ):
        pass

    with turns.turn(0.05):
        assert turns._held
    assert not turns._held
