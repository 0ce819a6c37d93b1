"""The same state in PostgreSQL: a real server in a directory of its own."""

from __future__ import annotations

import os
import pwd
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
from alerts.dispatch import Room
from alerts.journal import JournalError
from core.grade import Grade
from tests.alerts.running import Running
from tests.alerts.scenery import FLOOD, Scene, level
from tests.alerts.test_acts import OFF, ON
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
        assert site.service.readiness()["database"]
        site.service.verify_journal()
    finally:
        site.stop()
