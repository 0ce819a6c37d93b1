"""Tells on the terminal what happens: each rise and fall of a grade, each message that arrived."""

from __future__ import annotations

from collections import deque
from typing import Any

import httpx

from core import topics
from core.act import ActEvent
from core.act_wording import act_sentence
from core.broker import Broker, Message
from core.clock import Clock
from core.community import Community
from core.finding import Condition, FindingError, ZoneGrade, decode_zone_grade
from core.grade import Grade, grade_named
from core.status import StatusError, decode_status
from core.wording import HAZARDS, grade_words
from safety_eye.house import House
from safety_eye.output import clock_text, console, grade_line, say
from safety_eye.receiver import Delivery
from safety_eye.siren import Sounding

# Wall seconds after which a message is printed: its change of grade comes by another way and is
# printed first, because that is the order in which people read.
_AFTER_GRADE_S = 0.7
_GRADES = {grade.word for grade in Grade}
# What a station did; that it was heard is said with the end.
_TOLD = frozenset(
    {ActEvent.ON, ActEvent.OFF, ActEvent.NOT_HEARD, ActEvent.WITHHELD, ActEvent.FAILED}
)
_KINDS = {
    "alert": ("预警", "alert"),
    "update": ("更新", "update"),
    "clear": ("解除", "clear"),
    "drill-end": ("结束", "over"),
    "escalation": ("无人接手，升级呼叫", "nobody has it, called:"),
    "reminder": ("还在处理吗", "still on it?"),
    "digest": ("汇总", "digest"),
}


class Story:
    """Follows the zone grades of a run and prints each change.

    Args:
        house: The run.
        community: For the names of places.
        language: "zh" or "en".
    """

    def __init__(self, house: House, community: Community, language: str) -> None:
        self._community = community
        self._language = language
        self._clock: Clock = house.clock
        self._url = house.config.http.url
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._grades: dict[tuple[str, str], ZoneGrade] = {}
        self._link = Broker(
            house.broker, "safety-eye-story", on_message=self._received, session_expiry_s=0
        )
        site = community.site.id
        self._link.subscribe([topics.all_grades(site), topics.all_stations(site, "status")])
        self._told: set[tuple[str, str]] = set()

    def start(self) -> None:
        """Begin to listen."""
        self._link.start()

    def stop(self) -> None:
        """End listening."""
        self._link.stop()

    def _received(self, message: Message) -> None:
        """Print what came; the network thread is ours alone, so printing may take time."""
        where = topics.parse_station(message.topic)
        if where is not None:
            self._tell_acts(where.station, message.payload)
            return
        try:
            grade = decode_zone_grade(message.payload)
        except FindingError:
            return
        key = (grade.zone, grade.hazard)
        before = self._grades.get(key)
        self._grades[key] = grade
        was = before.grade if before is not None else Grade.GREEN
        if grade.grade is was or grade.condition is Condition.UNKNOWN:
            if before is not None and before.condition is not grade.condition:
                self._tell_condition(grade)
            return
        console.print(
            grade_line(
                grade.since,
                self._community.site.timezone,
                grade.grade,
                self._words(grade),
                self._language,
            ),
            soft_wrap=True,
        )

    def _tell_acts(self, station: str, payload: bytes) -> None:
        """Print what a station says that it did alone: once, and when it happened."""
        try:
            acts = decode_status(payload).acts
        except StatusError:
            return
        for act in acts:
            if (station, act.id) in self._told or act.event not in _TOLD:
                continue
            self._told.add((station, act.id))
            time = clock_text(act.at, self._community.site.timezone)
            said = "站点报告" if self._language == "zh" else "reported"
            text = act_sentence(act, station, self._language)
            console.print(f"{time}  ⌁ {said}: {text}", markup=False, soft_wrap=True)

    def siren(self, sounding: Sounding) -> None:
        """Print that a siren sounds, or is quiet again: what people on the spot hear."""
        time = clock_text(sounding.at, self._community.site.timezone)
        if self._language == "zh":
            text = f"{sounding.station} 自行鸣响警报器" if sounding.on else "警报器停止"
        else:
            text = f"{sounding.station} sounds its siren by itself" if sounding.on else "siren off"
        console.print(f"{time}  ♪ {text}", style="bold", markup=False)

    def _tell_condition(self, grade: ZoneGrade) -> None:
        if grade.condition is not Condition.UNKNOWN:
            return
        words = "未知，不等于安全" if self._language == "zh" else "unknown, which is not safe"
        time = clock_text(self._clock.now_ms(), self._community.site.timezone)
        say(f"[dim]{time}[/]  ?  {words}: {self._place(grade)}")

    def _place(self, grade: ZoneGrade) -> str:
        name = self._community.place(grade.zone, self._language)
        hazard = HAZARDS[grade.hazard][0 if self._language == "zh" else 1]
        return f"{name} · {hazard}"

    def _words(self, grade: ZoneGrade) -> str:
        """Return the place, and the incident's own headline where there is one."""
        if grade.incident and grade.grade > Grade.GREEN:
            try:
                answer = httpx.get(
                    f"{self._url}/api/v1/incidents/{grade.incident}", timeout=2, trust_env=False
                )
                headline = answer.json()["headline"]
                return str(headline.get(self._language) or headline.get("zh"))
            except (httpx.HTTPError, ValueError, KeyError):
                pass
        return self._place(grade)

    def delivered(self, delivery: Delivery) -> None:
        """Note that a message reached the receiver; it is printed below its change of grade."""
        self._waiting.append((self._clock.monotonic_s() + _AFTER_GRADE_S, delivery))

    def flush(self, *, everything: bool = False) -> None:
        """Print the messages whose change of grade has had time to be printed."""
        while self._waiting and (everything or self._waiting[0][0] <= self._clock.monotonic_s()):
            self._tell_delivery(self._waiting.popleft()[1])

    def _tell_delivery(self, delivery: Delivery) -> None:
        data = delivery.body.get("data", {})
        zh = self._language == "zh"
        kind = _KINDS.get(str(data.get("kind")), ("", ""))[0 if zh else 1]
        grade = str(data.get("grade", ""))
        words = grade_words(grade_named(grade), self._language) if grade in _GRADES else grade
        place = data.get("place", {}).get(self._language) or data.get("zone", "")
        told = f"已送达 {data.get('contact')}" if zh else f"reached {data.get('contact')}"
        again = "" if not delivery.repeated else "（重复，同一编号）" if zh else " (again, same id)"
        mark = ("【演练】" if zh else "[DRILL] ") if data.get("exercise") else ""
        line = f"          └─ {told}: {mark}{kind} {words} · {place}{again}"
        console.print(line, style="dim", markup=False, soft_wrap=True)

    def world(self, event: dict[str, Any]) -> None:
        """Print what really happens in the simulated world."""
        text = event.get("text")
        if isinstance(text, dict):
            text = text.get(self._language) or text.get("en")
        if not text:
            return
        if event.get("state") == "ends":
            text = f"{text}（结束）" if self._language == "zh" else f"{text} (over)"
        at = event.get("at")
        time = clock_text(int(at) if at else self._clock.now_ms(), self._community.site.timezone)
        console.print(f"{time}  · {text}", style="italic dim", markup=False)
