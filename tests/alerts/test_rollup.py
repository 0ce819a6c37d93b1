"""Areas: the worst within, unknown told apart from green, withheld told apart from told."""

from __future__ import annotations

from alerts.rollup import AreaView, roll_up
from alerts.views import IncidentView
from core.community import Community, Name
from core.community_file import parse_community
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade

HOUSE = """
[site]
id = "garden"
name = { zh = "花园", en = "Garden" }
[[zone]]
id = "block-1"
name = { zh = "1 栋", en = "Block 1" }
[[zone]]
id = "stairwell-a"
parent = "block-1"
name = { zh = "A 单元", en = "Stairwell A" }
[[zone]]
id = "flat-101"
parent = "stairwell-a"
name = { zh = "101", en = "Flat 101" }
[[zone]]
id = "block-2"
name = { zh = "2 栋", en = "Block 2" }
"""


def house() -> Community:
    return parse_community(HOUSE)


def grade(zone: str, worst: Grade, condition: Condition = Condition.ACTIVE) -> ZoneGrade:
    return ZoneGrade(zone=zone, hazard=Hazard.FIRE, grade=worst, condition=condition, since=0, at=0)


def an_incident(zone: str, worst: Grade, **changes: bool) -> IncidentView:
    return IncidentView(
        number=1, zone=zone, hazard=Hazard.FIRE, condition=Condition.ACTIVE, grade=worst,
        peak=worst, acknowledged=changes.get("acknowledged", False), acknowledged_by="",
        acknowledged_at=0, stage="warned", opened_at=0, changed_at=0, closed_at=0,
        headline=Name(), why=Name(), hidden=changes.get("hidden", False),
    )  # fmt: skip


def areas(*said: ZoneGrade, incidents: tuple[IncidentView, ...] = ()) -> dict[str, AreaView]:
    return {area.zone: area for area in roll_up(house(), said, incidents)}


def test_parents_stand_before_their_children_with_their_depth() -> None:
    listed = [(area.zone, area.depth) for area in roll_up(house(), [], [])]

    assert listed == [
        ("garden", 0), ("block-1", 1), ("stairwell-a", 2), ("flat-101", 3), ("block-2", 1),
    ]  # fmt: skip


def test_the_worst_of_a_flat_is_the_grade_of_all_that_hold_it() -> None:
    found = areas(grade("flat-101", Grade.ORANGE), grade("block-2", Grade.BLUE))

    for zone in ("flat-101", "stairwell-a", "block-1", "garden"):
        assert (found[zone].grade, found[zone].where) == (Grade.ORANGE, "flat-101")
    assert found["block-2"].grade is Grade.BLUE


def test_unknown_is_counted_and_does_not_look_green() -> None:
    found = areas(grade("flat-101", Grade.GREEN, Condition.UNKNOWN))

    assert (found["block-1"].unknown, found["block-2"].unknown) == (1, 0)


def test_incidents_are_counted_by_grade_and_by_who_waits() -> None:
    found = areas(
        incidents=(
            an_incident("flat-101", Grade.RED),
            an_incident("stairwell-a", Grade.RED, acknowledged=True),
            an_incident("block-1", Grade.BLUE, hidden=True),
        )
    )

    block = found["block-1"]
    assert block.incidents == {"red": 2, "blue": 1}
    assert (block.waiting, block.hidden, block.zones) == (1, 1, 3)
    assert found["flat-101"].incidents == {"red": 1}


def test_a_zone_whose_parent_is_missing_belongs_to_the_site() -> None:
    found = areas(grade("block-1", Grade.GREEN))

    assert {area.parent for area in found.values() if area.depth == 1} == {"garden"}
