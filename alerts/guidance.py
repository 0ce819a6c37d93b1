"""What to do first, and what residents are told, where no plan of the place says it better. Pure.

A response plan knows the place; these few lines don't, so they say only what holds everywhere and
harms nobody: look after people, stop them from coming, call who is trained. 119 is the fire brigade
and 110 the police in China.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.community import Name
from core.finding import Hazard
from core.grade import Grade


class Guidance(msgspec.Struct, frozen=True):
    """What a message adds to the facts: for those who act, and for residents."""

    first: Name = Name()
    public: Name = Name()


NO_GUIDANCE = Guidance()
# (zone, hazard, grade) -> what a plan says; the answer may be empty.
Advise = Callable[[str, Hazard, Grade], Guidance]

_FIRST = {
    Hazard.FLOOD: Name(
        "先确认低处有没有人，封住入口，不要涉水",
        "See whether anybody is low down, close the way in, don't wade",
    ),
    Hazard.FIRE: Name(
        "先确认现场、叫醒住户撤离，有明火拨119",
        "Check, wake and move people out; call the fire brigade (119) at once if it burns",
    ),
    Hazard.AIR: Name(
        "先开窗通风、让人离开，不适者送医",
        "Air the place, move people out, get help for who is ill",
    ),
    Hazard.CROWD: Name(
        "先停止放人进入，打开所有出口，必要时拨110",
        "Stop the inflow, open every exit, call the police (110) if it gets worse",
    ),
    Hazard.EQUIPMENT: Name(
        "先看供电和网络；修好之前请人工巡查",
        "Look at power and network; walk the place until it is mended",
    ),
}
_PUBLIC = {
    Hazard.FLOOD: Name(
        "请离开地下室和低洼处，不要涉水，听从工作人员安排",
        "Leave basements and low places, don't wade, follow the staff",
    ),
    Hazard.FIRE: Name(
        "请走楼梯离开，不乘电梯，遇浓烟弯腰捂口鼻",
        "Leave by the stairs, not the lift; in smoke stay low and cover nose and mouth",
    ),
    Hazard.AIR: Name("请开窗通风，离开该区域", "Open windows and leave the area"),
    Hazard.CROWD: Name(
        "请暂勿前往，已在场的请听从疏导", "Stay away for now; if you are there, follow the staff"
    ),
}


def general(zone: str, hazard: Hazard, grade: Grade) -> Guidance:
    """Return what holds everywhere; below orange only those who act need to hear anything."""
    del zone
    public = _PUBLIC.get(hazard, Name()) if grade >= Grade.ORANGE else Name()
    return Guidance(_FIRST[hazard], public)


def advice(plans: Advise | None, zone: str, hazard: Hazard, grade: Grade) -> Guidance:
    """Return what the plan says, completed by what holds everywhere."""
    own = plans(zone, hazard, grade) if plans is not None else NO_GUIDANCE
    common = general(zone, hazard, grade)
    return Guidance(
        own.first if own.first != Name() else common.first,
        own.public if own.public != Name() else common.public,
    )
