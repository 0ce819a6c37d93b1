"""Packs of a drill: counted, receipted, kept under names of their own, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core import topics
from core.broker import Message
from core.drill import STATION, DrillPhase, DrillStatement, encode_drill
from core.pack import Pack, encode_pack
from core.status import Link, StationStatus, encode_status
from ingest.batch import Batch
from ingest.inbox import Delivery
from ingest.intake import Intake
from ingest.ledger import Ledger
from tests.station_probe import community, level

NOW = 1_764_500_000_000
SITE = "s"
RUNNING = DrillStatement(
    id="d-1", zone="cellar", sensors=("one-0",), phase=DrillPhase.RUNNING, until=NOW + 60_000
)


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield Intake(community(SITE), ledger)
    ledger.close()


def take(intake: Intake, topic: str, payload: bytes, at: int = NOW) -> Batch:
    return intake.take([Delivery(Message(topic, payload, False, {}, None, 1, 1), at, 0)])


def announce(intake: Intake, statement: DrillStatement = RUNNING) -> None:
    take(intake, topics.drill(SITE), encode_drill(statement))


def send(
    intake: Intake, seq: int, mark: str, *, station: str = STATION, sensor: str = "drill-one-0",
    at: int = NOW,
) -> Batch:  # fmt: skip
    pack = Pack(boot="b1", seq=seq, readings=(level(sensor, at),), made=seq, exercise=mark)
    return take(intake, topics.readings(SITE, station), encode_pack(pack), at)


def reasons(batch: Batch) -> list[str]:
    return [one.reason for one in batch.quarantined]


def test_a_drills_readings_are_kept_under_no_name_of_a_real_place(intake: Intake) -> None:
    announce(intake)

    batch = send(intake, 1, "d-1")

    series, _ = batch.points[0]
    assert (series.station, series.zone, series.sensor) == (STATION, "drill-cellar", "drill-one-0")
    assert batch.receipts == {(STATION, "b1"): [1]}
    assert intake.exercise.unanswered == "d-1"


def test_without_a_drill_its_packs_are_receipted_and_not_stored(intake: Intake) -> None:
    batch = send(intake, 1, "d-1")

    assert batch.points == []
    assert reasons(batch) == ["of a drill, but none runs"]
    assert batch.receipts == {(STATION, "b1"): [1]}


@pytest.mark.parametrize("mark", ["", "d-0"])
def test_a_pack_of_another_drill_or_without_a_mark_is_not_stored(intake: Intake, mark: str) -> None:
    announce(intake)

    batch = send(intake, 1, mark)

    assert batch.points == []
    assert reasons(batch) == [f"of drill {mark!r}, but 'd-1' runs"]


def test_a_drill_whose_end_nobody_tells_is_over_by_itself(intake: Intake) -> None:
    announce(intake)

    assert send(intake, 1, "d-1", at=RUNNING.until).points == []


def test_what_was_under_way_at_the_end_still_counts(intake: Intake) -> None:
    announce(intake)
    announce(intake, msgspec.structs.replace(RUNNING, phase=DrillPhase.ENDED))

    assert len(send(intake, 1, "d-1").points) == 1
    assert intake.exercise.unanswered == ""


def test_a_station_that_marks_its_readings_as_exercise_is_stored_as_actual(
    intake: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    announce(intake)

    batch = send(intake, 1, "d-1", station="one", sensor="one-0")
    send(intake, 2, "d-1", station="one", sensor="one-0", at=NOW + 1000)

    series, _ = batch.points[0]
    assert (series.station, series.zone) == ("one", "cellar")
    assert [record.message for record in caplog.records if "actual" in record.message] != []
    assert sum("actual" in record.message for record in caplog.records) == 1


def test_the_station_of_a_drill_can_write_no_real_series(intake: Intake) -> None:
    announce(intake)

    batch = send(intake, 1, "d-1", sensor="one-0")

    assert batch.points == []
    assert "not in the community profile" in reasons(batch)[0]


def test_the_state_of_a_drills_station_is_no_state_of_the_site(intake: Intake) -> None:
    status = encode_status(StationStatus(link=Link.ONLINE, boot="b1", made=3))

    assert take(intake, topics.status(SITE, STATION), status).stations == []


def test_a_statement_that_names_strangers_is_not_followed(intake: Intake) -> None:
    announce(intake, msgspec.structs.replace(RUNNING, sensors=("nobody",)))

    assert intake.exercise.unanswered == ""
    assert reasons(send(intake, 1, "d-1")) == ["of a drill, but none runs"]
