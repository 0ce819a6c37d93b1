"""A small place with plans, doors and a roster."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path

import msgspec

from alerts.plan_lint import Lint
from alerts.register import Volunteer
from alerts.response import Response
from alerts.response_file import parse_response
from core.community import Community
from tests.alerts.scenery import place

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample"
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
DAY = dt.date(2026, 11, 25)

RESPONSE = """
[[plan]]
id = "flood-underpass"
hazard = "flood"
grade = "blue"
zone = "underpass"
public = { zh = "下穿通道积水，请走东门。", en = "Water in the underpass: use the east gate." }
roll_call = ["tower"]
reason = "cars stall at 0.27 m"
reviewed = 2026-05-01
[[plan.call]]
contact = "leader-1"
[[plan.step]]
id = "boom"
role = "duty"
within_min = 5
text = { zh = "落下北口道闸，钥匙在 2 号挂钩", en = "Lower the north boom, key on hook 2" }
[[plan.step]]
id = "pump"
role = "volunteer"
within_min = 20
skills = ["pump"]
needs = [{ item = "pump" }, { item = "sandbag", quantity = 10 }]
text = { zh = "3 号泵出水甩到河堤侧", en = "Pump 3, hose over the river side" }

[[plan]]
id = "flood-site-red"
hazard = "flood"
grade = "red"
public = { zh = "所有人上二楼。", en = "Everybody up to the second floor." }
reason = "the dyke is 2 m high"
reviewed = 2026-05-01
[[plan.call]]
name = { zh = "消防", en = "Fire brigade" }
phone = "119"
[[plan.step]]
id = "up"
role = "leader"
text = { zh = "带北区人从西梯上二楼", en = "Lead the north block up the west stairs" }

[[shift]]
id = "day"
hours = "daily 08:00-20:00"
contacts = ["duty-1"]
[[shift]]
id = "night"
hours = "daily 20:00-08:00"
contacts = ["duty-2"]

[[supply]]
id = "pump-3"
item = "pump"
name = { zh = "泵", en = "Pump" }
quantity = 1
[[supply]]
id = "bags"
item = "sandbag"
name = { zh = "沙袋", en = "Sandbags" }
quantity = 60
minimum = 40
"""


def community() -> Community:
    """The small place with a tower of 6 households, a night duty and reviewed limits."""
    whole = place()
    zone = msgspec.structs.replace(whole.zone[1], id="tower", households=6)
    duty = next(contact for contact in whole.contact if contact.role == "duty")
    return msgspec.structs.replace(
        whole,
        zone=(*whole.zone, zone),
        contact=(*whole.contact, msgspec.structs.replace(duty, id="duty-2", name="王 五")),
        limit=tuple(
            msgspec.structs.replace(limit, reason="kerb", reviewed=dt.date(2026, 5, 1))
            for limit in whole.limit
        ),
    )


def response(text: str = RESPONSE) -> Response:
    return parse_response(text, community(), "response.toml")


def pump_hand(**changes: object) -> Volunteer:
    """A volunteer who can do what the plan asks."""
    whole = Volunteer(
        id="vol-1", name="赵 六", phone="+86 10 5550 0100", skills=("pump",),
        consent=dt.date(2026, 4, 1),
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)


def lint(**changes: object) -> Lint:
    """A lint that finds nothing, before *changes*."""
    made = response()
    whole: dict[str, object] = {
        "response": made,
        "community": community(),
        "volunteers": (pump_hand(),),
        "supplies": made.supply,
        "day": DAY,
        "channels": {"hook", "second"},
    }
    return Lint(**(whole | changes))  # type: ignore[arg-type]  # fields by name


def at(text: str) -> int:
    """Return an instant (ms) from local time at the place."""
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)
