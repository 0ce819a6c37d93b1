"""A state of an older version comes up with its incidents as the journal tells them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event, text

from alerts.audit import audit
from alerts.database import _MIGRATIONS, _begin_sqlite, _prepare_sqlite
from alerts.incident import Event, Happening
from alerts.journal import _ENCODER as ENCODER
from alerts.journal import GENESIS, Entry, Head
from alerts.journal import _digest as digest
from core.grade import Grade
from tests.alerts.scenery import FLOOD, Scene, judged, level


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of version 0002: one orange incident that somebody has taken over, one closed."""
    made = f"sqlite:///{tmp_path}/alerts.db"
    engine = create_engine(made)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002_local_acts")
        end = Head(0, GENESIS)
        for number, zone, closed in ((1, "north", 5000), (2, FLOOD.zone, 0)):
            connection.execute(
                text(
                    "INSERT INTO incident (number, site, zone, hazard, version, grade, opened_at,"
                    " closed_at, state) VALUES (:n, 'riverside', :z, 'flood', 1, 3, 1000, :c, '{}')"
                ),
                {"n": number, "z": zone, "c": closed},
            )
            for happened in old_events(zone, closed):
                body = ENCODER.encode(
                    Entry(seq=end.seq + 1, incident=number, event=happened)
                ).decode()
                fresh = Head(end.seq + 1, digest(end.hash, body))
                connection.execute(
                    text("INSERT INTO journal VALUES (:s, :i, :b, :p, :h)"),
                    {"s": fresh.seq, "i": number, "b": body, "p": end.hash, "h": fresh.hash},
                )
                end = fresh
    engine.dispose()
    return made


def problems(scene: Scene) -> str:
    with scene.database.read() as connection:
        return "; ".join(audit(connection).problems)


def old_events(zone: str, closed: int) -> list[Event]:
    opened = Event(
        at=1000, what=Happening.OPENED, zone=zone, hazard=FLOOD.hazard,
        judgement=judged(level(Grade.ORANGE)),
    )  # fmt: skip
    taken = Event(at=2000, actor="duty-1", what=Happening.ACKNOWLEDGED, grade=Grade.ORANGE)
    over = Event(at=4000, what=Happening.CLEARED, judgement=judged(level(Grade.GREEN)))
    end = Event(at=5000, what=Happening.CLOSED, how="settled")
    return [opened, taken, over, end] if closed else [opened, taken]


def test_states_are_folded_again_and_the_journal_stays_whole(url: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, url=url)

    assert scene.store.verify_journal().seq == 6
    kept = {one.number: str(one.stage) for one in scene.store.latest(10, None)}
    assert kept == {1: "closed", 2: "deciding"}
    assert [one.incident.number for one in scene.store.open_incidents()] == [2]
    scene.say(level(Grade.RED))
    scene.store.verify_journal()
    scene.close()


def test_what_the_program_before_wrote_is_no_tampering_after_the_update(tmp_path: Path) -> None:
    """Its states lack what this fold knows more; what is really broken is still named."""
    scene = Scene(tmp_path)
    scene.say(level(Grade.RED))
    scene.say(
        msgspec.structs.replace(level(Grade.RED), zone="north", subject="north-1.water-level")
    )
    with scene.database.write() as connection:
        connection.execute(text("UPDATE incident SET state = json_remove(state, '$.described_at')"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0007_drills'"))
        connection.execute(text("DROP TRIGGER journal_no_update"))
        connection.execute(text("UPDATE journal SET body = '{}' WHERE incident = 2"))
    assert "incident 1 is not what its journal says" in problems(scene)
    scene.close()

    updated = Scene(tmp_path)

    assert "incident 1" not in problems(updated)
    assert "incident 2: its journal can't be folded" in problems(updated)
    assert {kept.incident.number for kept in updated.store.open_incidents()} == {1, 2}
    updated.close()
