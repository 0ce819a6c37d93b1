"""The same state in PostgreSQL: a real server in a directory of its own."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alerts import dispatch
from alerts.act_store import ActStore
from alerts.api import build_api
from alerts.cap.upstream import Fate
from alerts.database import open_as_it_is
from alerts.dispatch import Room
from alerts.journal import JournalError
from alerts.outbox import ACCEPTED
from alerts.standards import Standards, StandardsSettings
from alerts.withholding import Scope, WithholdingKind
from core.grade import Grade
from tests.alerts.authority import rain
from tests.alerts.program import Program
from tests.alerts.response_samples import pump_hand, response
from tests.alerts.running import Running, community
from tests.alerts.scenery import FLOOD, Scene, level
from tests.alerts.storm import Storm, places
from tests.alerts.test_acts import OFF, ON
from tests.alerts.test_alerts_api import Web
from tests.alerts.test_cap_incoming import SETTINGS
from tests.alerts.test_people import House
from tests.alerts.told import Account, all_told
from tests.alerts.vendor import Reply, Vendor
from tests.servers import Mosquitto, Server, wait_until

pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")


def tool(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, or skip with the reason."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        pytest.skip(f"{name} is not installed (make servers)")
    return found


class Postgres(Server):
    """A cluster for one test run. It refuses to run as root, so root hands it to `postgres`."""

    name = "postgres"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._user: str | None = None
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("running as root, and there is no user postgres to run the server")
            self._user = account.pw_name
            os.chown(directory, account.pw_uid, account.pw_gid)

    def create(self) -> None:
        """Make the cluster."""
        subprocess.run(
            [tool("initdb"), "-D", str(self.directory / "data"), "-A", "trust", "-U", "test",
             "-N", "--locale=C", "-E", "UTF8"],
            check=True, user=self._user, cwd=self.directory, capture_output=True, timeout=120,
        )  # fmt: skip

    def command(self) -> list[str]:
        """Return the command line."""
        server = [
            tool("postgres"), "-D", str(self.directory / "data"), "-p", str(self.port),
            "-c", f"unix_socket_directories={self.directory}", "-c", "listen_addresses=127.0.0.1",
            "-c", "fsync=off",  # no test cuts the power of this server
        ]  # fmt: skip
        if self._user is None:
            return server
        return [tool("setpriv"), "--reuid", self._user, "--regid", self._user, "--clear-groups",
                *server]  # fmt: skip

    def ready(self) -> bool:
        """Tell whether it takes connections."""
        asked = subprocess.run(
            [tool("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)],
            capture_output=True, check=False, timeout=10,
        )  # fmt: skip
        return asked.returncode == 0

    def database(self, name: str) -> str:
        """Make a database and return its URL."""
        subprocess.run(
            [tool("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "test", name],
            check=True, timeout=30,
        )  # fmt: skip
        return f"postgresql://test@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    # Not pytest's directory: that one belongs to root alone when the tests run as root.
    with tempfile.TemporaryDirectory(prefix="safety-eye-postgres-") as directory:
        server = Postgres(Path(directory))
        server.create()
        server.start()
        yield server
        server.stop()


@pytest.fixture
def scene(postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(tmp_path, url=postgres.database(f"db{abs(hash(request.node.name)) % 10**8}"))
    yield scene
    scene.close()


def test_incidents_journal_and_outbox_work_on_postgresql(scene: Scene) -> None:
    for grade in (Grade.BLUE, Grade.YELLOW, Grade.GREEN):
        scene.say(level(grade))
    scene.restart()
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.later(400, level(Grade.GREEN))

    assert scene.store.open_incidents() == []
    assert scene.store.verify_journal().seq == len(scene.happened())


def test_local_acts_are_kept_once_on_postgresql(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    store = ActStore(scene.database, "riverside")
    acts = [ON, OFF]

    fresh = store.keep("north-1", acts, 1)
    again = store.keep("north-1", acts, 2)
    told = scene.watch.tell_act(FLOOD, "north-1", ON)

    assert [kept.act.id for kept in fresh] == ["b1-1", "b1-3"]
    assert again == []
    assert told
    assert store.running() == []
    assert [kept.act.id for kept in store.waiting()] == ["b1-3"]
    scene.store.verify_journal()


def test_what_others_say_figures_and_privacy_work_on_postgresql(scene: Scene) -> None:
    settings = StandardsSettings(upstream=SETTINGS)
    parts = Standards(
        settings, store=scene.store, watch=scene.watch, community=scene.community,
        base_url="", clock=scene.clock,
    )  # fmt: skip
    assert parts.upstream.take(rain()).fate is Fate.TAKEN
    assert parts.upstream.take(rain()).fate is Fate.DUPLICATE
    scene.clock.advance(2)
    for finding in parts.findings():
        scene.watch.take(finding, None)
    person = scene.store.person_id("赵 六")
    scene.watch.acknowledge(1, person, "console")
    scene.clock.advance(60)

    assert [one.kind for one in parts.cap.of_incident(1)] == ["Alert", "Ack"]
    assert parts.figures.last_days(1).figure("ack-median").n == 1
    assert len(parts.figures.resilience()) == 10
    assert parts.privacy.export(person)["held"]["person"][0]["name"] == "赵 六"
    assert {one.table for one in parts.privacy.erase(person).touched} >= {"person", "journal"}
    scene.clock.advance(200 * 86_400)
    assert parts.retention.purge() == {"upstream": 1}
    scene.store.verify_journal()


def test_people_reports_and_hand_overs_work_on_postgresql(
    postgres: Postgres, tmp_path: Path
) -> None:
    house = House(tmp_path, response(), url=postgres.database("people"))
    number = house.say(name="孙 八", phone="1")
    assert house.say(name="孙 八", phone="1") == number
    house.people.reports.confirm(number, "duty-2", Grade.ORANGE, "水到车轮")
    house.people.keep_volunteer(pump_hand(), "duty-1")
    house.people.erase_volunteer("vol-1")
    house.people.tick_door(1, "tower", "1", "found", "duty-2")
    house.people.tick_door(1, "tower", "1", "absent", "duty-2")
    house.people.count_supply("bags", 4, "duty-2")
    left = house.people.hand_over("duty-2", "泵漏水")

    house.restart()
    house.pass_time()

    plan = house.people.plan(1)
    assert plan is not None
    assert plan.roll_call[0].absent == 1
    assert house.people.volunteers() == []
    assert house.people.hand_overs() == [left]
    assert house.scene.store.open_incidents()[0].incident.grade is Grade.ORANGE
    house.scene.store.verify_journal()
    house.scene.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE journal SET body = '{}'", "DELETE FROM journal", "TRUNCATE journal"]
)
def test_postgresql_refuses_to_change_the_journal(scene: Scene, statement: str) -> None:
    scene.say(level(Grade.BLUE))

    with pytest.raises(DBAPIError, match="append-only"), scene.database.write() as connection:
        connection.execute(text(statement))

    scene.store.verify_journal()


def test_a_superuser_who_switches_the_trigger_off_is_found_out(scene: Scene) -> None:
    scene.say(level(Grade.BLUE))
    with scene.database.write() as connection:
        connection.execute(text("ALTER TABLE journal DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE journal SET body = replace(body, 'opened', 'closed')"))

    with pytest.raises(JournalError):
        scene.store.verify_journal()


def test_two_workers_never_lease_the_same_row(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    rooms = {"hook": Room(2), "second": Room(2)}
    times = scene.watch.times()

    with scene.database.write() as one:
        first = dispatch.claim(one, "one", rooms, 2, times)
    with scene.database.write() as two:
        second = dispatch.claim(two, "two", rooms, 2, times)

    assert not {row.row for row in first} & {row.row for row in second}
    assert len(first) + len(second) == 4


def test_the_whole_service_runs_on_postgresql(
    postgres: Postgres, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    site = Running(tmp_path, mosquitto.address, "pg-site", url=postgres.database("whole"))
    try:
        site.start()
        site.say(level(Grade.ORANGE))
        site.wait_posts(4)
        wait_until(lambda: site.service.outbox().pending == 0, what="an empty outbox")
        assert site.service.program.readiness()["database"]
        app = build_api(site.service, community=community("pg-site"), clock=site.clock, token=None)
        asked = Web(app, "127.0.0.1").get("/api/v1/acts?station=%00")  # a text has no NUL there
        assert (asked.status_code, asked.json()["title"]) == (422, "not understood")
        site.service.verify_journal()
    finally:
        site.stop()


def test_two_programs_on_one_database_share_the_work_and_tell_nobody_twice(
    postgres: Postgres, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    url, site, owners = postgres.database("twins"), "pg-twins", ("alerts-a", "alerts-b")
    dangers = places([f"zone-{number}" for number in range(26)])
    zones = sorted({place.zone for place in dangers})
    receiver, storm = Vendor(Reply(204)), Storm(mosquitto.address, site, random.Random(5))
    twins = [
        Program(
            tmp_path / owner, mosquitto.address, receiver.base, site, zones,
            owner=owner, state_url=url,
        )
        for owner in owners
    ]  # fmt: skip
    processes = [twin.start() for twin in twins]  # both find an empty database
    try:
        wait_until(lambda: all(twin.ready() for twin in twins), 60, what="both programs")
        database = open_as_it_is(url)
        storm.start()
        together, alone = dangers[:100], dangers[100:]
        storm.bring(together, 3.0, fleeting=True)
        storm.wait_said()
        wait_until(lambda: all_told(database, len(together)), 60, what="everybody told")
        shares = [twin.sent() for twin in twins]
        assert min(shares) > 0, shares  # both work
        assert sum(shares) == len(receiver.requests)

        processes[0].terminate()
        assert processes[0].wait(20) == 0
        storm.bring(alone, 0.1, fleeting=False)  # the other one goes on alone
        storm.wait_said()
        wait_until(lambda: all_told(database, len(dangers)), 60, what="the last ones told")
        processes[1].terminate()
        assert processes[1].wait(20) == 0

        account = Account(database, receiver.requests)
        database.close()
        account.check(dangers)
        assert account.repeated == 0
        assert {row["attempts"] for row in account.rows if row["state"] == ACCEPTED} == {1}
        assert {row["owner"] for row in account.rows if row["state"] == ACCEPTED} == set(owners)
        assert "Traceback" not in twins[0].log + twins[1].log
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
        storm.stop()
        receiver.close()


def test_what_is_withheld_and_the_whole_cycle_stand_on_postgresql_too(scene: Scene) -> None:
    until = scene.clock.now_ms() + 600_000
    scene.withholding.withhold(
        WithholdingKind.SHELVED, Scope(sensor="gauge-1"), "duty-1", "noise", until=until
    )
    scene.say(level(Grade.YELLOW))
    assert scene.notes() == []
    scene.later(660, level(Grade.ORANGE))
    scene.cycle.decide(1, "duty-1", "act", "plan")
    scene.cycle.look(1, "duty-1", safe=True, note="dry")

    assert [one.ended_how for one in scene.withholding.latest()] == ["expired"]
    scene.store.verify_journal()
