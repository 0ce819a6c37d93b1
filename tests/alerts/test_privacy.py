"""People: what is held about them can be handed out and erased, and nothing personal gets stuck."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import String, insert, inspect, select

from alerts import tables
from alerts.database import open_database
from alerts.duty_store import DutyStore
from alerts.impersonal import MAIL_MARK, NUMBER_MARK, impersonal
from alerts.incident import Event, Happening
from alerts.personal import IMPERSONAL, PLACES
from alerts.privacy import ERASED_MARK, PersonError, Privacy
from alerts.retention import Retention, RetentionSettings, retention_problems
from alerts.standards_tables import erasure, hook_alert
from core.grade import Grade
from tests.alerts.scenery import Scene, level

DAY_S = 86_400


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def privacy(scene: Scene) -> Privacy:
    return Privacy(scene.database, scene.community, scene.clock)


def taken_over_by(scene: Scene, name: str) -> str:
    scene.say(level(Grade.YELLOW))
    person = scene.store.person_id(name)
    scene.watch.acknowledge(1, person, "console")
    return person


def whole_database(scene: Scene) -> str:
    """Everything that stands in any table."""
    found = []
    with scene.database.read() as connection:
        for table in tables.metadata.sorted_tables:
            found += [str(dict(row)) for row in connection.execute(select(table)).mappings()]
    return "\n".join(found)


def test_a_person_gets_everything_that_is_held_about_them(scene: Scene) -> None:
    person = taken_over_by(scene, "赵 六")
    held = privacy(scene).export(person)["held"]
    assert held["person"] == [{"id": person, "name": "赵 六"} | _rest(held["person"][0])]
    assert [entry["entry"]["event"]["what"] for entry in held["journal"]] == ["acknowledged"]
    assert held["incident"][0]["number"] == 1


def _rest(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if key not in ("id", "name")}


def test_staff_get_what_they_were_told_and_their_entry_of_the_profile(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    held = privacy(scene).export("duty-1")["held"]
    assert held["community.toml"]["name"] == "张 三"
    assert {row["channel"] for row in held["outbox"]} == {"hook"}


def test_erasing_leaves_no_trace_of_the_name_and_a_whole_chain(scene: Scene) -> None:
    person = taken_over_by(scene, "赵 六")
    before = scene.store.verify_journal()
    statement = privacy(scene).erase(person)
    assert "赵" not in whole_database(scene)
    assert scene.store.verify_journal(before) == before
    touched = {one.table: one for one in statement.touched}
    assert touched["person"].erased == ("row",)
    assert (touched["journal"].rows, touched["journal"].erased) == (1, ())
    assert "哈希链" in touched["journal"].kept.zh
    with scene.database.read() as connection:
        (row,) = connection.execute(select(erasure)).all()
    assert (row.person, json.loads(row.statement)["person"]) == (person, person)


def test_who_stands_in_the_profile_must_be_taken_out_by_hand_and_that_is_said(
    scene: Scene,
) -> None:
    scene.say(level(Grade.YELLOW))
    statement = privacy(scene).erase("duty-1")
    assert "community.toml" in statement.by_hand[0].en


def test_of_somebody_unknown_nothing_is_said(scene: Scene) -> None:
    for ask in (privacy(scene).export, privacy(scene).erase):
        with pytest.raises(PersonError, match="nothing is held"):
            ask("person-00000000")


def test_names_and_numbers_that_people_write_down_don_t_get_into_the_journal(
    scene: Scene,
) -> None:
    scene.store.person_id("赵 六")
    scene.say(level(Grade.RED))
    kept = scene.store.kept(1)
    assert kept is not None
    note = "王 五和赵 六到场，电话 138 1234 5678，li@example.com，水位 0.29 m，2026-05-01"
    event = Event(at=scene.clock.ms, actor="duty-1", what=Happening.NOTED, detail=note)
    scene.store.commit(kept, [event], scene.watch.times())
    written = scene.store.events(1)[-1].detail
    assert "leader-1" in written
    assert NUMBER_MARK in written
    assert MAIL_MARK in written
    assert "水位 0.29 m，2026-05-01" in written
    for personal in ("王 五", "赵", "1381234", "example.com"):
        assert personal not in written
    scene.store.verify_journal()


def test_a_hand_over_belongs_to_who_wrote_it_and_to_whom_it_names(scene: Scene) -> None:
    duty = DutyStore(scene.database, "riverside")
    writer, named = (scene.store.person_id(name) for name in ("赵 六", "钱 七"))
    duty.hand_over(writer, "day", "钱 七来修泵，水泵房钥匙在钱 七处", (), scene.clock.ms)
    duty.hand_over(named, "night", "一切正常", (), scene.clock.ms)
    duty.hand_over("duty-1", "day", "和别人无关", (), scene.clock.ms)

    held = privacy(scene).export(named)["held"]["hand_over"]
    assert {row["text"] for row in held} == {"钱 七来修泵，水泵房钥匙在钱 七处", "一切正常"}

    statement = privacy(scene).erase(named)
    assert [one.text for one in duty.hand_overs()] == [
        "和别人无关", "", f"{ERASED_MARK}来修泵，水泵房钥匙在{ERASED_MARK}处",
    ]  # fmt: skip
    touched = [(one.rows, one.erased) for one in statement.touched if one.table == "hand_over"]
    assert touched == [(1, ("text",)), (1, ("text",))]
    privacy(scene).erase(writer)
    assert [one.text for one in duty.hand_overs()] == ["和别人无关", "", ""]
    assert "钱" not in whole_database(scene)


def test_a_name_in_a_hand_over_is_taken_out_in_whatever_case(scene: Scene) -> None:
    duty = DutyStore(scene.database, "riverside")
    named = scene.store.person_id("Ann Erased")
    duty.hand_over("duty-1", "day", "ann erased mends the pump, ANN ERASED has the key", (), 1)

    assert len(privacy(scene).export(named)["held"]["hand_over"]) == 1
    privacy(scene).erase(named)

    [left] = duty.hand_overs()
    assert left.text == f"{ERASED_MARK} mends the pump, {ERASED_MARK} has the key"


def test_the_notes_that_name_staff_are_found_by_the_name_of_the_profile(scene: Scene) -> None:
    duty = DutyStore(scene.database, "riverside")
    duty.hand_over("leader-1", "day", "张 三 100% 到场", (), scene.clock.ms)
    assert privacy(scene).export("duty-1")["held"]["hand_over"][0]["text"] == "张 三 100% 到场"
    privacy(scene).erase("duty-1")
    assert duty.hand_overs()[0].text == f"{ERASED_MARK} 100% 到场"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+8613812345678", NUMBER_MARK),
        ("021-87654321 打不通", f"{NUMBER_MARK} 打不通"),
        ("SMTP 550: <bob@mail.example.org> unknown", f"SMTP 550: <{MAIL_MARK}> unknown"),
        ("+4915112345678", NUMBER_MARK),
        ("+86 10 5550 0199 来电", f"{NUMBER_MARK} 来电"),
        # What only looks like one stays: times, values, hashes, ids.
        ("1764500000000", "1764500000000"),
        ("水位 0.29 m 于 2026-11-25 08:00", "水位 0.29 m 于 2026-11-25 08:00"),
        ("sha256 a13812345678b", "sha256 a13812345678b"),
        ("#12-3 gauge-1.water-level", "#12-3 gauge-1.water-level"),
    ],
)
def test_numbers_and_addresses_are_told_from_readings(text: str, expected: str) -> None:
    assert impersonal(text) == expected


def test_every_text_column_of_the_database_is_known_to_be_personal_or_not(
    tmp_path: Path,
) -> None:
    """A table that somebody adds must be named in alerts/personal.py."""
    database = open_database(f"sqlite:///{tmp_path / 'fresh.db'}")
    with database.read() as connection:
        look = inspect(connection)
        texts = {
            f"{table}.{column['name']}"
            for table in look.get_table_names()
            for column in look.get_columns(table)
            if isinstance(column["type"], String)
        }
    database.close()
    named = {
        f"{place.table}.{column}"
        for place in PLACES
        for column in (*place.person, *place.within, *place.free, *place.cleared)
    }
    assert texts - named - IMPERSONAL == set()


# --- retention ---


def purge(scene: Scene, **days: int) -> dict[str, int]:
    return Retention(scene.database, RetentionSettings(**days), scene.clock).purge()


def accept_all(scene: Scene) -> None:
    with scene.database.write() as connection:
        connection.execute(
            tables.outbox.update().values(state="accepted", changed_at=scene.clock.ms)
        )


def closed_incident(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    accept_all(scene)
    scene.watch.acknowledge(1, "duty-1", "console")
    with scene.database.write() as connection:
        connection.execute(tables.incident.update().values(closed_at=scene.clock.ms))


def test_settled_notifications_of_closed_incidents_go_after_their_time_and_no_sooner(
    scene: Scene,
) -> None:
    closed_incident(scene)
    scene.clock.advance(30 * DAY_S - 1)
    assert purge(scene, outbox=30) == {}
    scene.clock.advance(2)
    assert purge(scene, outbox=30) == {"outbox": 1}
    assert scene.notes() == []


def test_nothing_goes_while_an_incident_is_open_or_a_kind_is_kept_for_ever(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    accept_all(scene)
    scene.clock.advance(999 * DAY_S)
    assert purge(scene, outbox=30) == {}
    closed_incident(scene)
    scene.clock.advance(999 * DAY_S)
    assert purge(scene, outbox=0, person=0) == {}


def test_a_purge_never_touches_the_journal(scene: Scene) -> None:
    person = taken_over_by(scene, "赵 六")
    head = scene.store.verify_journal()
    scene.clock.advance(800 * DAY_S)
    assert purge(scene) == {"person": 1}
    assert person not in scene.store.names()
    assert scene.store.verify_journal(head) == head


def test_a_name_that_the_journal_has_named_lately_stays(scene: Scene) -> None:
    person = taken_over_by(scene, "赵 六")
    scene.store.person_id("钱 七")  # typed once, never in the journal
    scene.clock.advance(700 * DAY_S)
    assert purge(scene) == {"person": 1}
    assert list(scene.store.names()) == [person]


def test_many_old_rows_go_in_several_steps(scene: Scene) -> None:
    rows = [
        {"site": "riverside", "hook": "g", "fingerprint": f"f{number}", "starts_at": 1,
         "signed_wall_s": 0, "firing": int(number == 0), "heard_at": 1, "claim": "{}"}
        for number in range(1201)
    ]  # fmt: skip
    with scene.database.write() as connection:
        connection.execute(insert(hook_alert), rows)
    assert purge(scene) == {"hook": 1200}  # the one that still fires stays


def test_a_retention_that_would_purge_at_once_is_refused() -> None:
    assert retention_problems(RetentionSettings()) == []
    assert len(retention_problems(RetentionSettings(outbox=1, person=-5))) == 2
