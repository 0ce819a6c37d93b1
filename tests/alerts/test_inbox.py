"""What the broker is told: a finding is acknowledged once it is written, never before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from alerts.service import AlertService, AlertSettings
from core import topics
from core.broker import BrokerAddress, Message
from core.clock import RunClock
from core.finding import encode_finding
from core.grade import Grade
from tests.alerts.scenery import level, place


class Received:
    """A service that nobody has started, and the messages that it has acknowledged."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = AlertSettings(state_url=f"sqlite:///{directory / 'alerts.db'}")
        self.service = AlertService(settings, place(), BrokerAddress(), RunClock())
        self.acknowledged: list[int] = []
        monkeypatch.setattr(
            self.service._broker,
            "acknowledge",
            lambda message: self.acknowledged.append(message.mid),
        )

    def take(self, mid: int, payload: bytes) -> None:
        finding = level(Grade.RED)
        topic = topics.finding("riverside", finding.subject, finding.rule)
        self.service._inbox.receive(Message(topic, payload, True, {}, 120, mid, 1))
        self.service._inbox.turn(0.1)

    def rename(self, old: str, new: str) -> None:
        with self.service._database.write() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


@pytest.fixture
def received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    made = Received(tmp_path, monkeypatch)
    yield made
    made.service.stop()


def test_a_finding_is_acknowledged_once_its_incident_is_written(received: Received) -> None:
    received.take(1, encode_finding(level(Grade.RED)))

    assert received.acknowledged == [1]
    assert [one.peak for one in received.service.open_incidents()] == [Grade.RED]


def test_nonsense_is_acknowledged_so_that_it_does_not_come_again(received: Received) -> None:
    received.take(1, b"nonsense")

    assert received.acknowledged == [1]


def test_what_could_not_be_written_is_not_acknowledged_with_what_comes_next(
    received: Received,
) -> None:
    received.rename("journal", "away")
    with pytest.raises(SQLAlchemyError):
        received.take(1, encode_finding(level(Grade.RED)))
    with pytest.raises(SQLAlchemyError):
        received.take(2, b"nonsense")
    assert received.acknowledged == []

    received.rename("away", "journal")
    received.take(3, b"nonsense")

    assert received.acknowledged == [1, 2, 3]
    assert [one.peak for one in received.service.open_incidents()] == [Grade.RED]
