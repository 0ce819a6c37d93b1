"""Who was told what: the state of alerts beside what has really arrived."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import RowMapping, func, select

from alerts import journal, tables
from alerts.audit import audit
from alerts.database import Database
from alerts.incident import Happening, Incident
from alerts.outbox import ACCEPTED, PENDING, SUPERSEDED
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.program import TOLD_OF_RED
from tests.alerts.storm import Place
from tests.alerts.vendor import Request

_INCIDENT = msgspec.json.Decoder(Incident)


class Message(NamedTuple):
    """What makes one message differ from every other."""

    incident: int
    seq: int
    kind: str
    contact: str
    channel: str


class Account:
    """What the database and the receiver say, to be compared.

    Args:
        database: Of the programs.
        requests: What came in.
    """

    def __init__(self, database: Database, requests: Sequence[Request]) -> None:
        with database.read() as connection:
            self.rows: list[RowMapping] = list(
                connection.execute(select(tables.outbox).order_by(tables.outbox.c.row)).mappings()
            )
            states = connection.execute(select(tables.incident.c.state)).scalars()
            incidents = [_INCIDENT.decode(state) for state in states]
            self.told = Counter(
                event.notification
                for one in incidents
                for event in journal.events_of(connection, one.number)
                if event.what is Happening.TOLD
            )
            # Without what the program says of itself on a machine that is too busy.
            self._of_places = [one for one in incidents if one.hazard is not Hazard.EQUIPMENT]
            self.problems = audit(connection).problems
        self.heard: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            self.heard[request.headers["webhook-id"]].append(request)

    @property
    def repeated(self) -> int:
        """How many messages came in again."""
        return sum(len(again) - 1 for again in self.heard.values())

    def check(self, dangers: Collection[Place]) -> None:
        """Assert that each danger is one incident, that nobody is forgotten, and no id is doubled.

        Raises:
            AssertionError: Somebody was not told, or heard one message under two ids.
        """
        assert not self.problems, f"the journal: {self.problems}"
        self._check_incidents(dangers)
        self._check_ids()
        self._check_rows()

    def _check_incidents(self, dangers: Collection[Place]) -> None:
        opened = Counter(Place(one.zone, one.hazard) for one in self._of_places)
        wrong = (opened - Counter(dangers)) + (Counter(dangers) - opened)
        assert not wrong, f"not one incident each: {wrong}"
        mild = [one.zone for one in self._of_places if one.peak is not Grade.RED]
        assert not mild, f"never red: {mild[:3]}"
        heard: dict[Place, set[tuple[str, str]]] = defaultdict(set)
        for [first, *_] in self.heard.values():
            data = first.json["data"]
            if data["grade"] == "red" and data["kind"] in ("alert", "update"):
                place = Place(data["zone"], data["hazard"])
                heard[place].add((data["contact"], first.path.strip("/")))
        left = {place: TOLD_OF_RED - heard[place] for place in dangers}
        forgotten = {place: whom for place, whom in left.items() if whom}
        assert not forgotten, f"never told of a red: {forgotten}"

    def _check_ids(self) -> None:
        """One id is one message, word for word, and one message has one id."""
        for key, again in self.heard.items():
            bodies = {msgspec.json.encode(request.json["data"]) for request in again}
            assert len(bodies) == 1, f"different messages under id {key}: {bodies}"
        messages = Counter(_message(first) for [first, *_] in self.heard.values())
        twice = [message for message, ids in messages.items() if ids > 1]
        assert not twice, f"told under two ids: {twice}"

    def _check_rows(self) -> None:
        assert set(self.heard) <= {row["id"] for row in self.rows}, "an id that is in no row"
        numbers = {one.number for one in self._of_places}
        rows = {row["id"]: row for row in self.rows if row["incident"] in numbers}
        accepted = {key for key, row in rows.items() if row["state"] == ACCEPTED}
        other = [row for key, row in rows.items() if key not in accepted]
        unsent = [dict(row) for row in other if row["state"] != SUPERSEDED]
        assert not unsent, f"neither accepted nor told by a later message: {unsent[:3]}"
        assert accepted <= set(self.heard), "accepted, and nobody has heard it"
        # The journal says each once, however often it went out.
        told = Counter({key: often for key, often in self.told.items() if key in rows})
        assert told == Counter(accepted), "the journal does not say who was told"
        latest = {
            (row["incident"], row["contact"], row["channel"]): row["state"] for row in rows.values()
        }
        assert set(latest.values()) == {ACCEPTED}, "superseded by nothing that was told"


def all_told(database: Database, dangers: int) -> bool:
    """Tell whether so many incidents have been red, and nothing waits to be told."""
    incident, outbox = tables.incident, tables.outbox
    with database.read() as connection:
        opened = connection.execute(select(func.count()).select_from(incident)).scalar_one()
        if opened < dangers:  # the common answer, and the cheap one
            return False
        waiting = select(outbox.c.row).where(outbox.c.state == PENDING).limit(1)
        if connection.execute(waiting).first() is not None:
            return False
        states = connection.execute(select(incident.c.state)).scalars()
        return sum(_INCIDENT.decode(state).peak is Grade.RED for state in states) >= dangers


def _message(request: Request) -> Message:
    data: Any = request.json["data"]
    return Message(
        data["incident"], data["seq"], data["kind"], data["contact"], request.path.strip("/")
    )
