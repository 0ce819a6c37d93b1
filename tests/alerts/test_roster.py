"""The roster: who is on duty at an instant, through exceptions, stand-ins and changes of clocks."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.ladder import DEFAULTS, Step
from alerts.response import Absence, DatedShift, Response
from alerts.roster import Away, Roster
from alerts.routing import of_steps
from alerts.weekly import covers, parse_hours, spans
from core.grade import Grade
from tests.alerts.response_samples import at, community, response


def duty(roster: Roster, when: str) -> list[str]:
    return [contact.id for contact in roster.on_duty(at(when))["duty"]]


def test_the_duty_is_who_is_on_shift() -> None:
    roster = Roster(response(), community())

    assert duty(roster, "2026-11-25T07:59") == ["duty-2"]
    assert duty(roster, "2026-11-25T08:00") == ["duty-1"]
    assert duty(roster, "2026-11-25T19:59") == ["duty-1"]
    assert duty(roster, "2026-11-26T03:00") == ["duty-2"]


def test_who_stands_in_no_shift_is_always_on_call() -> None:
    roles = Roster(response(), community()).on_duty(at("2026-11-25T03:00"))

    assert [contact.id for contact in roles["leader"]] == ["leader-1"]
    assert [contact.id for contact in roles["deputy"]] == ["deputy-1"]


def test_a_dated_exception_replaces_one_shift_of_one_day() -> None:
    swap = DatedShift(dt.date(2026, 11, 25), "night", ("duty-1",))
    none = DatedShift(dt.date(2026, 11, 27), "day")
    roster = Roster(msgspec.structs.replace(response(), dated=(swap, none)), community())

    assert duty(roster, "2026-11-25T23:00") == ["duty-1"]
    assert duty(roster, "2026-11-26T07:00") == ["duty-1"]  # it began on the 25th
    assert duty(roster, "2026-11-26T23:00") == ["duty-2"]
    # Nobody is on shift: then all of that role are told, never nobody.
    assert duty(roster, "2026-11-27T12:00") == ["duty-1", "duty-2"]


def test_a_stand_in_serves_exactly_while_the_other_is_away() -> None:
    begin, end = (dt.datetime.fromisoformat(f"2026-11-{text}") for text in ("25T22", "26T02"))
    away = Absence("duty-2", begin, end, "deputy-1")
    roster = Roster(msgspec.structs.replace(response(), absence=(away,)), community())

    assert duty(roster, "2026-11-25T21:59") == ["duty-2"]
    assert duty(roster, "2026-11-25T22:00") == ["deputy-1"]
    assert duty(roster, "2026-11-26T02:00") == ["duty-2"]
    parts = roster.shifts(at("2026-11-25T20:00"), at("2026-11-26T08:00"))
    assert [(part.contacts, part.end - part.begin) for part in parts] == [
        (("duty-2",), 2 * 3_600_000),
        (("deputy-1",), 4 * 3_600_000),
        (("duty-2",), 6 * 3_600_000),
    ]


def test_a_night_noted_on_the_console_wins_over_the_file_and_survives_strangers() -> None:
    night = (at("2026-11-25T20:00"), at("2026-11-26T08:00"))
    noted = [Away("duty-2", *night, "duty-1"), Away("gone", *night, "x"), Away("duty-1", 0, 1, "x")]

    assert duty(Roster(response(), community(), noted), "2026-11-25T23:00") == ["duty-1"]


def told(roster: Roster, when: str, grade: Grade) -> list[str]:
    """Whom the announcement of the default ladder goes to."""
    steps = DEFAULTS[grade].announced
    addresses = of_steps(steps, community(), roster.community_at(at(when)))
    return list(dict.fromkeys(address.contact for address in addresses))


def test_only_those_on_duty_are_routed_to_and_everybody_where_there_is_no_roster() -> None:
    roster = Roster(response(), community())

    assert told(roster, "2026-11-25T03:00", Grade.BLUE) == ["duty-2"]
    assert told(roster, "2026-11-25T12:00", Grade.BLUE) == ["duty-1"]
    assert set(told(roster, "2026-11-25T03:00", Grade.RED)) == {"duty-2", "deputy-1", "leader-1"}
    none = Roster(Response(), community())
    assert told(none, "2026-11-25T03:00", Grade.BLUE) == ["duty-1", "duty-2"]


def test_who_is_named_in_a_ladder_is_told_on_shift_or_not() -> None:
    duty = Roster(response(), community()).community_at(at("2026-11-25T03:00"))

    [*addresses] = of_steps([Step(0.0, contacts=("duty-1",))], community(), duty)

    assert {address.contact for address in addresses} == {"duty-1"}


def test_who_stands_in_for_the_duty_is_told_as_the_duty() -> None:
    away = Away("duty-2", at("2026-11-25T20:00"), at("2026-11-26T08:00"), "leader-1")
    roster = Roster(response(), community(), [away])

    assert told(roster, "2026-11-25T23:00", Grade.BLUE) == ["leader-1"]
    assert set(told(roster, "2026-11-25T23:00", Grade.RED)) == {"deputy-1", "leader-1"}


def test_the_deputy_on_shift_who_stands_in_for_the_duty_plays_both() -> None:
    shifts = tuple(
        msgspec.structs.replace(shift, contacts=(*shift.contacts, "deputy-1"))
        for shift in response().shift
    )
    made = msgspec.structs.replace(response(), shift=shifts)
    away = Away("duty-2", at("2026-11-25T20:00"), at("2026-11-26T08:00"), "deputy-1")
    roles = Roster(made, community(), [away]).on_duty(at("2026-11-25T23:00"))

    assert [one.id for one in roles["duty"]] == [one.id for one in roles["deputy"]] == ["deputy-1"]


@pytest.mark.parametrize("day", [dt.date(2026, 3, 29), dt.date(2026, 10, 25)])
def test_no_hole_and_no_double_hour_when_the_clocks_change(day: dt.date) -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    rules = parse_hours("daily 20:00-02:30; daily 02:30-12:00; daily 12:00-20:00")

    served = spans(rules, day - dt.timedelta(days=2), 5, berlin)

    assert all(one.end == after.begin for one, after in itertools.pairwise(served))


def test_hours_of_the_week_wrap_over_midnight_and_over_sunday() -> None:
    shanghai = zoneinfo.ZoneInfo("Asia/Shanghai")
    weekend = parse_hours("sat,sun 20:00-08:00")

    assert covers(weekend, at("2026-11-30T07:59"), shanghai)  # Monday morning
    assert not covers(weekend, at("2026-11-30T08:00"), shanghai)
    assert not covers(weekend, at("2026-11-28T07:00"), shanghai)  # Saturday morning
    assert covers(parse_hours("fri-mon 09:00-17:00"), at("2026-11-29T10:00"), shanghai)
    for wrong in ("mon 8-20", "someday 08:00-20:00", "mon 08:00", "mon 25:00-26:00"):
        with pytest.raises(ValueError, match="expected"):
            parse_hours(wrong)


@given(
    minutes=st.integers(0, 14 * 24 * 60),
    cuts=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 600), st.booleans()), max_size=4
    ),
)
def test_the_duty_is_never_nobody_and_holes_are_exactly_where_nobody_serves(
    minutes: int, cuts: list[tuple[int, int, bool]]
) -> None:
    begin = at("2026-11-25T00:00")
    away = [
        Away(
            "duty-1" if first else "duty-2", begin + start * 60_000, begin + (start + long) * 60_000
        )
        for start, long, first in cuts
    ]
    roster = Roster(response(), community(), away)
    now = begin + minutes * 60_000

    holes = roster.unmanned("duty", begin, begin + 15 * 86_400_000)
    serving = {name for shift in roster.on_shift(now) for name in shift.contacts}

    assert roster.on_duty(now)["duty"]
    assert any(now in hole for hole in holes) == (not serving & {"duty-1", "duty-2"})
