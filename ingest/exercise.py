"""What ingest knows of a drill: whose packs are stored, under names of their own.

A pack of the station of a drill is judged by the twins of the drill that runs. Without one, or with
the mark of another one, its readings are quarantined: receipted and counted, never stored.
"""

from __future__ import annotations

import logging

from core.community import Community
from core.drill import DrillError, DrillPhase, DrillStatement, decode_drill, drill_community
from core.pack import Pack
from ingest.validation import Judged, Registry, refused

log = logging.getLogger(__name__)
# Stations that mark what is actual are told of once each; so many at most.
_MOST_TOLD = 1000


class Exercise:
    """The drill that is announced, if any.

    Args:
        community: The profile that twins are made from.

    Attributes:
        unanswered: Id of a drill that runs and was not told yet that we take part; "" if none.
    """

    def __init__(self, community: Community) -> None:
        self._community = community
        self._statement: DrillStatement | None = None
        self._registry: Registry | None = None
        self._told: set[str] = set()
        self.unanswered = ""

    def hear(self, payload: bytes) -> None:
        """Take the hub's statement over which drill runs."""
        if not payload:
            return
        try:
            statement = decode_drill(payload)
            community = drill_community(self._community, statement.sensors)
        except DrillError as error:
            log.warning("a drill can't take place: %s", error)
            return
        known = self._statement
        if known is not None and known.id == statement.id and known.phase is statement.phase:
            return  # said again
        self._statement, self._registry = statement, Registry(community)
        runs = statement.phase is DrillPhase.RUNNING
        self.unanswered = statement.id if runs else ""
        log.info("drill %s: %s", statement.id, statement.phase)

    def judge(self, station: str, pack: Pack, now_ms: int) -> Judged:
        """Return what may be stored of a pack of the station of a drill."""
        statement, registry = self._statement, self._registry
        if statement is None or registry is None or now_ms >= statement.until:
            return refused(pack, "of a drill, but none runs")
        if pack.exercise != statement.id:
            mark = pack.exercise[:60]
            return refused(pack, f"of drill {mark!r}, but {statement.id!r} runs")
        # What was under way when the drill ended still belongs to it.
        return registry.judge(station, pack, now_ms)

    def tell_false_mark(self, station: str, pack: Pack) -> None:
        """A station that is none of a drill marks its readings as one: they are actual."""
        if station in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(station)
        log.warning(
            "station %s marks its readings as exercise %r: they are actual, because only the"
            " station of a drill can play one",
            station,
            pack.exercise[:60],
        )
