"""Plans: what is refused, which one holds where, and what the lint finds in them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from alerts.guidance import NO_GUIDANCE
from alerts.ladder import Ladder, Step, ladders
from alerts.plan_lint import Lint, LintFinding
from alerts.plans import advise, doors_of, plan_for, template
from alerts.register import takings, who_can
from alerts.register_file import load_registers, parse_registers
from alerts.response import Call, Plan, within_zones
from alerts.response import Step as PlanStep
from alerts.response_file import load_response, response_problems
from core.community import Community, Contact, Name
from core.community_file import load_community
from core.configuration import ConfigurationError
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.response_samples import (
    DAY,
    RESPONSE,
    SAMPLE,
    SHANGHAI,
    at,
    community,
    lint,
    pump_hand,
    response,
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('zone = "underpass"', 'zone = "cellar"', "zone 'cellar' is not in the profile"),
        ('grade = "blue"', 'grade = "pink"', "grade 'pink': expected one of blue"),
        ('contact = "leader-1"', 'contact = "boss"', "contact 'boss' is not in the profile"),
        ('role = "duty"', 'role = "night-fairy"', "role 'night-fairy': expected one of"),
        ("within_min = 5", "within_min = -5", "within_min -5"),
        ("quantity = 10", "quantity = 0", "quantity 0.0: expected above 0"),
        ("daily 20:00-08:00", "daily 20-08", "time '20': expected 00:00 to 24:00"),
        ('["duty-2"]', '["duty-9"]', "contact 'duty-9' is not in the profile"),
        ('id = "night"', 'id = "day"', "shift id 'day': twice"),
        ('phone = "119"', "", "call: expected a contact, or name and phone"),
        ("minimum = 40", "minimal = 40", "minimal"),
        ('reason = "the', 'why = "the', "why"),
    ],
)
def test_a_response_that_can_t_be_used_is_refused_in_words(old: str, new: str, said: str) -> None:
    assert old in RESPONSE

    with pytest.raises(ConfigurationError) as refused:
        response(RESPONSE.replace(old, new, 1))

    assert "response.toml" in str(refused.value)
    assert said in str(refused.value)


def test_a_zone_has_its_own_plan_else_its_parents_else_the_sites() -> None:
    made, place = response(), community()

    def chosen(zone: str, grade: Grade) -> str:
        plan = plan_for(made, place, Hazard.FLOOD, grade, zone)
        return plan.id if plan else ""

    assert chosen("underpass", Grade.BLUE) == "flood-underpass"
    assert chosen("underpass", Grade.ORANGE) == "flood-underpass"  # up to the next plan
    # What is written for red wins over what the zone has for less danger.
    assert chosen("underpass", Grade.RED) == "flood-site-red"
    assert chosen("north", Grade.RED) == "flood-site-red"
    assert chosen("north", Grade.ORANGE) == ""
    assert chosen("riverside", Grade.RED) == "flood-site-red"


def test_a_step_without_a_role_is_found_and_takes_no_plan_from_the_place() -> None:
    made = response(RESPONSE.replace('role = "duty"\n', "", 1))

    [found] = lint(response=made).run()

    assert (found.rule, found.where) == ("no-owner", "plan flood-underpass: step boom")
    assert made.unowned == ["flood-underpass/boom"]
    assert [made.role_name("", language) for language in ("zh", "en")] == [
        "无人负责", "owned by nobody",
    ]  # fmt: skip
    ask = advise(made, community())("underpass", Hazard.FLOOD, Grade.ORANGE)
    assert ask.first.en == "Lower the north boom, key on hook 2"


def test_messages_get_the_first_step_of_the_plan_and_nothing_where_there_is_none() -> None:
    ask = advise(response(), community())

    orange = ask("underpass", Hazard.FLOOD, Grade.ORANGE)
    assert orange.first.en == "Lower the north boom, key on hook 2"
    assert orange.public.en == "Water in the underpass: use the east gate."
    assert ask("underpass", Hazard.FLOOD, Grade.YELLOW).public == Name()
    assert ask("underpass", Hazard.FIRE, Grade.RED) == NO_GUIDANCE


def test_the_template_has_words_for_every_hazard_and_is_itself_well_formed() -> None:
    place = community()
    # The template names roles only; it must hold in any place.
    assert [text for text in response_problems(template(), place) if "role" not in text] == []
    for hazard in Hazard:
        for grade in (Grade.BLUE, Grade.RED):
            assert plan_for(template(), place, hazard, grade, "anywhere") is not None


def test_doors_are_named_by_storey_or_one_by_one_or_only_counted() -> None:
    text = RESPONSE + '\n[[doors]]\nzone = "tower"\nfloors = 3\nper_floor = 2\nfirst_floor = 4\n'

    assert doors_of(response(text), community(), "tower") == (
        "401", "402", "501", "502", "601", "602",
    )  # fmt: skip
    assert doors_of(response(), community(), "tower") == ("1", "2", "3", "4", "5", "6")
    assert doors_of(response(), community(), "underpass") == ()
    with pytest.raises(ConfigurationError, match="8 doors, but the profile says 6 households"):
        response(text.replace("per_floor = 2", "per_floor = 2\n").replace("= 3", "= 4"))


def test_a_sample_without_findings_is_the_measure_of_the_lint() -> None:
    assert lint().run() == []


def test_the_shipped_sample_has_no_findings() -> None:
    place = load_community(SAMPLE / "community.toml")
    made = load_response(SAMPLE / "response.toml", place)
    people = load_registers(SAMPLE / "volunteers.csv", place).volunteer

    channels = {"duty-webhook", "residents-webhook"}
    found = Lint(made, place, people, made.supply, DAY, channels).run()

    assert found == []
    assert len(made.plan) >= 10


def _with_step(text: str) -> dict[str, Any]:
    made = response()
    step = PlanStep("copied", Name(zh=text, en="Something of this place, and only of it"), "duty")
    plan = msgspec.structs.replace(made.plan[0], step=(*made.plan[0].step, step))
    return {"response": msgspec.structs.replace(made, plan=(plan, *made.plan[1:]))}


def _with_plan(**changes: Any) -> dict[str, Any]:
    made = response()
    plan: Plan = msgspec.structs.replace(made.plan[0], **changes)
    return {"response": msgspec.structs.replace(made, plan=(plan, *made.plan[1:]))}


def _with_limit(**changes: Any) -> dict[str, Any]:
    place = community()
    limit = msgspec.structs.replace(place.limit[0], **changes)
    return {"community": msgspec.structs.replace(place, limit=(limit,))}


def _with_contact(**changes: Any) -> dict[str, Any]:
    place: Community = community()
    first = msgspec.structs.replace(place.contact[0], **changes)
    return {"community": msgspec.structs.replace(place, contact=(first, *place.contact[1:]))}


def _with_supply(**changes: Any) -> dict[str, Any]:
    pump, bags = response().supply
    return {"supplies": (pump, msgspec.structs.replace(bags, **changes))}


def _without_night() -> dict[str, Any]:
    made = response()
    return {"response": msgspec.structs.replace(made, shift=made.shift[:1])}


def _without_tower_count() -> dict[str, Any]:
    place = community()
    zones = tuple(msgspec.structs.replace(zone, households=None) for zone in place.zone)
    return {"community": msgspec.structs.replace(place, zone=zones)}


@pytest.mark.parametrize(
    ("changes", "rule", "where"),
    [
        (_with_step("立即组织地下空间和低洼处人员转移到高处！"), "copied", "step copied"),
        (_with_step("立即组织【北区】地下空间和低洼处人员转移到高处"), "copied", "step copied"),
        (_with_step("通知【填写联系人】关闸"), "placeholder", "step copied"),
        (_with_plan(public=Name()), "no-public-words", "public"),
        (_with_plan(public=Name(zh="请走东门")), "one-language", "public"),
        (_with_plan(reason=" "), "plan-reason", "flood-underpass"),
        (_with_plan(reviewed=None), "never-reviewed", "plan flood-underpass"),
        (_with_plan(reviewed=dt.date(2025, 11, 20)), "review-overdue", "plan flood-underpass"),
        (_with_plan(call=()), "no-calls", "flood-underpass"),
        (_with_plan(zone="north", grade="orange"), "no-plan", "zone underpass: flood"),
        (_with_limit(reason=""), "limit-reason", "limit underpass/water-level"),
        (_with_limit(reviewed=None), "never-reviewed", "limit underpass/water-level"),
        (_with_contact(channels=()), "no-channel", "contact duty-1"),
        (_with_contact(channels=("pager",)), "unreachable", "contact duty-1"),
        (_with_contact(channels=("hook", "pager")), "channel", "contact duty-1"),
        (_with_supply(expires=dt.date(2026, 1, 1)), "expired", "supply bags"),
        (_with_supply(expires=dt.date(2026, 1, 1)), "short", "plan flood-underpass: sandbag"),
        (_with_supply(quantity=39), "short", "supply bags"),
        ({"volunteers": ()}, "no-volunteer", "step pump"),
        ({"volunteers": (pump_hand(consent=None),)}, "no-volunteer", "step pump"),
        ({"volunteers": (pump_hand(skills=("singing",)),)}, "no-volunteer", "step pump"),
        ({"volunteers": (pump_hand(phone=""),)}, "no-phone", "volunteer vol-1"),
        (_without_night(), "unowned", "role duty"),
        (_without_tower_count(), "households", "zone tower"),
    ],
)
def test_the_lint_finds_what_would_fail_in_the_night(
    changes: dict[str, Any], rule: str, where: str
) -> None:
    found: list[LintFinding] = lint(**changes).run()

    assert any(one.rule == rule and where in one.where for one in found), found
    assert all(one.text.zh and one.text.en for one in found)


@pytest.mark.parametrize(
    ("changes", "rule", "zh", "en"),
    [
        (_with_plan(zone="north", grade="orange"), "no-plan", "区域 下穿通道 · 内涝",
         "zone Underpass · flood"),
        (_with_plan(name=Name(zh="通道积水", en="Water"), public=Name()), "no-public-words",
         "预案 通道积水 · 对居民的话", "plan Water · words for residents"),
        (_with_step("通知【填写联系人】关闸"), "placeholder", "预案 flood-underpass · 步骤 3",
         "plan flood-underpass · step 3"),
        (_with_limit(reason=""), "limit-reason", "限值 下穿通道 水位",
         "limit Underpass water level"),
        (_with_contact(channels=()), "no-channel", "联系人 张 三", "contact 张 三"),
        (_with_supply(quantity=39), "short", "物资 沙袋", "supply Sandbags"),
        ({"volunteers": (pump_hand(phone=""),)}, "no-phone", "志愿者 vol-1", "volunteer vol-1"),
        (_without_night(), "unowned", "角色 duty", "role duty"),
    ],
)  # fmt: skip
def test_people_read_which_entry_it_is_by_its_name(
    changes: dict[str, Any], rule: str, zh: str, en: str
) -> None:
    [first, *_] = [one for one in lint(**changes).run() if one.rule == rule]

    assert (first.entry.zh, first.entry.en) == (zh, en)


def _called_at_red(*roles: str, after_s: float = 0.0) -> dict[Grade, Ladder]:
    told = Step(0.0, ("duty",)), Step(after_s, roles)
    return ladders([Ladder("red", told)])


def test_where_nobody_tells_residents_of_a_red_is_found_with_what_to_do() -> None:
    tenants = Contact("tenants", "居民群", "resident", ("hook",))
    with_tenants = msgspec.structs.replace(community(), contact=(*community().contact, tenants))

    def found(called: dict[Grade, Ladder] | None, place: Community, **plan: Any) -> list[str]:
        made = lint(**(_with_red(**plan) | {"community": place, "ladders": called})).run()
        return [f"{one.where}: {one.text.en}" for one in made if one.rule == "residents"]

    for called, place in (
        (_called_at_red("leader"), with_tenants),  # no step names them
        (_called_at_red("resident"), community()),  # a step does, but there is nobody
        (_called_at_red("resident", after_s=600), with_tenants),  # only if nobody takes over
    ):
        [one] = found(called, place)
        assert one.startswith("zone underpass: nobody tells residents at red (flood")
        assert "roles = ['resident']" in one
    assert found(_called_at_red("resident"), with_tenants) == []
    assert found(_called_at_red("leader"), community(), roll_call=("tower",)) == []
    assert found(_called_at_red("leader"), with_tenants, call=(Call(contact="tenants"),)) == []
    assert found(None, community()) == []  # without hub.toml nobody knows


def _with_red(**changes: Any) -> dict[str, Any]:
    """The site's plan for red, before *changes*."""
    made = response()
    plan: Plan = msgspec.structs.replace(made.plan[1], **changes)
    return {"response": msgspec.structs.replace(made, plan=(made.plan[0], plan))}


def test_a_hole_in_the_roster_is_told_with_its_hours_and_its_first_night() -> None:
    [found] = [one for one in lint(**_without_night()).run() if one.rule == "unowned"]

    assert "168 h of the next 14 days" in found.text.en
    assert "2026-11-25 00:00" in found.text.en
    assert "flood-underpass/boom" in found.text.en


def test_a_plan_takes_what_has_not_expired_and_says_what_is_short() -> None:
    made = response()
    pump, bags = made.supply
    old = msgspec.structs.replace(bags, id="old", expires=dt.date(2026, 11, 24))
    few = msgspec.structs.replace(bags, quantity=4, expires=dt.date(2026, 11, 25))

    taken = {one.item: one for one in takings(made.plan[0], (pump, old, few), DAY)}

    assert (taken["pump"].usable, taken["pump"].short) == (1, 0)
    assert (taken["sandbag"].usable, taken["sandbag"].short) == (4, 6)
    assert [stock.id for stock in taken["sandbag"].stocks] == ["bags"]


def test_only_those_who_agreed_can_do_it_and_are_free_are_asked() -> None:
    night = at("2026-11-25T03:00")
    people = [
        pump_hand(id="asleep", hours="daily 08:00-22:00"),
        pump_hand(id="awake", hours="daily 20:00-08:00"),
        pump_hand(id="never-agreed", consent=None),
        pump_hand(id="elsewhere", zones=("tower",)),
        pump_hand(id="cook", skills=("cooking",)),
    ]

    asked = who_can(people, ("pump",), night, SHANGHAI, ("underpass", "north", ""))

    assert [one.id for one in asked] == ["awake"]


def test_a_spreadsheet_becomes_a_register_and_its_mistakes_name_the_line() -> None:
    text = "\ufeffid,name,phone,skills,consent\nvol-1,赵 六,5550,pump；first-aid,2026-04-01\n"
    taken = parse_registers(text.encode(), "people.csv", community())

    [one] = taken.volunteer
    assert (one.name, one.skills, one.consent) == (
        "赵 六",
        ("pump", "first-aid"),
        dt.date(2026, 4, 1),
    )
    stock = parse_registers(b"id,item,name,quantity\nb-1,sandbag,Bags,40\n", "s.csv", community())
    assert (stock.supply[0].item, stock.supply[0].quantity) == ("sandbag", 40)
    for data, said in (
        (b"id,shoe_size\nvol-1,44\n", "line 1: shoe_size: expected columns out of id, name"),
        (b"id,name,consent\nvol-1,Zhao,yes\n", "line 2"),
        (b"id,name\nvol-1,Zhao\nvol-1,Qian\n", "volunteer 'vol-1': twice"),
        (b"id,item,name,quantity\nb-1,sandbag,Bags,many\n", "line 2: quantity 'many'"),
        (b"id,name,zones\nvol-1,Zhao,moon\n", "zone 'moon' is not in the profile"),
        ("id,name\nvol-1,赵\n".encode("gb18030"), "not UTF-8"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            parse_registers(data, "people.csv", community())
        assert said in str(refused.value)


def test_a_place_with_fewer_zones_keeps_the_plans_that_still_fit() -> None:
    place = load_community(SAMPLE / "community.toml")
    made = load_response(SAMPLE / "response.toml", place)
    fewer = msgspec.structs.replace(
        place, zone=tuple(zone for zone in place.zone if zone.id in ("north", "underpass"))
    )

    kept = within_zones(made, frozenset(zone.id for zone in fewer.zone))

    assert response_problems(kept, fewer) == []
    assert "flood-underpass" in [plan.id for plan in kept.plan]
    assert "fire-tower-3" not in [plan.id for plan in kept.plan]
