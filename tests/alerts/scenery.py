"""A small place, its findings, and a fresh state: what the tests of alerts share."""

from __future__ import annotations

from pathlib import Path

from alerts.board import Board, Key
from alerts.cycle_desk import CycleDesk
from alerts.database import Database, open_database
from alerts.decisions import Patience
from alerts.delivery import Delivery
from alerts.grading import Judgement, judge
from alerts.store import Store
from alerts.watch import Watch
from alerts.withholding_desk import WithholdingDesk
from alerts.withholding_store import WithholdingStore
from core.clock import ManualClock
from core.community import Community
from core.community_file import parse_community
from core.finding import Because, Condition, Finding, Hazard
from core.grade import Grade

PLACE = """
[site]
id = "riverside"
name = { zh = "滨河社区", en = "Riverside Community" }
[[zone]]
id = "north"
name = { zh = "北区", en = "North block" }
[[zone]]
id = "underpass"
parent = "north"
name = { zh = "下穿通道", en = "Underpass" }
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
name = { zh = "水位 1", en = "Gauge 1" }
[[sensor]]
id = "gauge-2"
station = "north-1"
zone = "underpass"
driver = "qdy30a"
quantity = "water-level"
hazard = "flood"
name = { zh = "水位 2", en = "Gauge 2" }
[[limit]]
zone = "underpass"
quantity = "water-level"
blue = 0.05
yellow = 0.15
orange = 0.20
red = 0.27
[[contact]]
id = "duty-1"
name = "张 三"
role = "duty"
channels = ["hook", "second"]
[[contact]]
id = "deputy-1"
name = "李 四"
role = "deputy"
channels = ["hook"]
[[contact]]
id = "leader-1"
name = "王 五"
role = "leader"
channels = ["hook"]
"""
FLOOD = Key("underpass", Hazard.FLOOD)
EQUIPMENT = Key("underpass", Hazard.EQUIPMENT)
LIMIT = {Grade.BLUE: 0.05, Grade.YELLOW: 0.15, Grade.ORANGE: 0.20, Grade.RED: 0.27}


def place() -> Community:
    return parse_community(PLACE)


def level(
    grade: Grade,
    *,
    sensor: str = "gauge-1",
    condition: Condition | None = None,
    late: bool = False,
    at: int = 1_764_500_000_000,
    rule: str = "limit-high",
) -> Finding:
    """What the limit detector says of a gauge."""
    because = Because()
    if grade > Grade.GREEN:
        because = Because(
            value=LIMIT[grade] + 0.01, unit="m", limit=LIMIT[grade], limit_grade=grade.word,
            side="high", quality="good", held_s=3.0,
        )  # fmt: skip
    return Finding(
        subject=f"{sensor}.water-level", rule=rule, zone="underpass", hazard=Hazard.FLOOD,
        grade=grade,
        condition=condition or (Condition.ACTIVE if grade else Condition.CLEARED),
        at=at, since=at, judged=at, late=late, because=because,
    )  # fmt: skip


def silence(sensor: str, *, active: bool = True, at: int = 1_764_500_000_000) -> Finding:
    """What roll-call says of a sensor that has gone silent."""
    return Finding(
        subject=f"{sensor}.water-level", rule="silence", zone="underpass",
        hazard=Hazard.EQUIPMENT, grade=Grade.YELLOW if active else Grade.GREEN,
        condition=Condition.ACTIVE if active else Condition.CLEARED,
        at=at, since=at, judged=at,
        because=Because(silent_s=90.0, expected_s=1.0) if active else Because(),
    )  # fmt: skip


def link(*, lost: bool, at: int = 1_764_500_000_000) -> Finding:
    """What the link detector says of the station, and which sensors that explains."""
    return Finding(
        subject="station.north-1", rule="link", zone="underpass", hazard=Hazard.EQUIPMENT,
        grade=Grade.YELLOW if lost else Grade.GREEN,
        condition=Condition.ACTIVE if lost else Condition.CLEARED,
        at=at, since=at, judged=at,
        because=Because(
            note="link" if lost else "",
            members=("gauge-1.water-level", "gauge-2.water-level"),
        ),
    )  # fmt: skip


class Scene:
    """A watch over a database of its own, with a clock that the test moves."""

    def __init__(
        self,
        directory: Path,
        *,
        url: str = "",
        channels: tuple[str, ...] = ("hook", "second"),
        patience: Patience | None = None,
        clock: ManualClock | None = None,
        delivery: Delivery | None = None,
        community: Community | None = None,
    ) -> None:
        self.community = community or place()
        self.delivery = delivery or Delivery()
        self.clock = clock or ManualClock()
        self.url = url or f"sqlite:///{directory}/alerts.db"
        self.channels = channels
        self.patience = patience or Patience()
        self.versions: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.database: Database = open_database(self.url)
        self.store = Store(
            self.database, self.community, "http://hub", self.channels, self.delivery
        )
        self.watch = Watch(self.store, self.community, self.clock, self.patience)
        rows = WithholdingStore(self.database, self.community.site.id)
        self.cycle = CycleDesk(
            self.store, lambda _: self.watch, rows, self.clock, lambda: None, self.versions
        )
        self.withholding = WithholdingDesk(
            rows, self.store, self.watch, self.community, self.clock, lambda: None
        )
        self.watch.withhold(rows.standing())

    def restart(self) -> None:
        """As after SIGKILL: nothing but the database is left."""
        self.close()
        self._begin()

    def say(self, *findings: Finding) -> None:
        for finding in findings:
            self.watch.take(finding, 120)

    def later(self, seconds: float, *refreshed: Finding) -> None:
        """Let time pass in steps of a minute, in which detectors refresh what they say."""
        left = seconds
        while left > 0:
            step = min(left, 60.0)
            self.clock.advance(step)
            self.say(*refreshed)
            self.withholding.tick()
            self.watch.tick()
            left -= step

    def notes(self, number: int = 1) -> list[tuple[str, str, str, str]]:
        """Notifications, oldest first: kind, grade, contact, state."""
        rows = self.store.notified([number])[number]
        return [
            (
                str(row["kind"]), Grade(int(str(row["grade"]))).word,
                str(row["contact"]), str(row["state"]),
            )
            for row in reversed(rows)
        ]  # fmt: skip

    def happened(self, number: int = 1) -> list[str]:
        return [str(event.what) for event in self.store.events(number)]

    def close(self) -> None:
        self.database.close()


def judged(
    *findings: Finding, now_s: float = 0.0, holders: dict[str, Grade] | None = None
) -> Judgement:
    """Judge the flood in the underpass from these findings alone."""
    board = Board()
    for finding in findings:
        board.put(finding, now_s, 120)
    return judge(board.of(FLOOD), holders or {}, board.explained(), place(), FLOOD)
