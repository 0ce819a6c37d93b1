"""Plans on incidents, the roster in routing, hand-overs, registers and reports: real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from alerts.duty_store import DutyError
from alerts.impersonal import MAIL_MARK, NUMBER_MARK
from alerts.people import PeopleDesk
from alerts.privacy import Privacy
from alerts.register_store import RegisterError
from alerts.report_store import ReportError, Saying
from alerts.response import Response
from alerts.views import IncidentError
from alerts.withholding import Scope, WithholdingKind
from core.clock import ManualClock
from core.community import Contact
from core.finding import Certainty, Condition, Hazard
from core.grade import Grade
from tests.alerts.response_samples import at, community, pump_hand, response
from tests.alerts.scenery import FLOOD, Scene, level


class House:
    """A scene with its people; `pass_time` does what the service does every tick."""

    def __init__(
        self,
        directory: Path,
        plans: Response,
        url: str = "",
        contacts: tuple[Contact, ...] | None = None,
    ) -> None:
        clock = ManualClock(at("2026-11-25T03:00"))
        place = community()
        place = msgspec.structs.replace(place, contact=contacts or place.contact)
        self.scene = Scene(directory, url=url, community=place, clock=clock)
        self.plans = plans
        self._begin()

    def _begin(self) -> None:
        scene = self.scene
        self.people = PeopleDesk(
            self.plans, scene.database, scene.store, scene.watch, scene.community, scene.clock,
            scene.channels, lambda: None,
        )  # fmt: skip

    def restart(self) -> None:
        self.scene.restart()
        self._begin()

    def pass_time(self, seconds: float = 2.0) -> None:
        self.scene.clock.advance(seconds)
        self.scene.watch.tick()
        self.people.tick()

    def say(self, nonce: str = "nonce-0001", *, client: str = "a", **changes: object) -> int:
        whole: dict[str, object] = {
            "nonce": nonce, "zone": "underpass", "hazard": Hazard.FLOOD,
            "text": "坡底有一辆车，车里有人", "client": client,
        }  # fmt: skip
        number = self.people.reports.say(Saying(**(whole | changes)))  # type: ignore[arg-type]  # fields by name
        self.pass_time()
        self.pass_time()
        return number


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, response())
    yield made
    made.scene.close()


# --- plans ---


def test_an_incident_gets_the_steps_of_its_plan_and_a_rise_those_of_the_worse_one(
    house: House,
) -> None:
    house.scene.say(level(Grade.BLUE))
    house.pass_time()
    house.pass_time()

    [kept] = house.scene.store.open_incidents()
    assert kept.incident.plan == "flood-underpass v1"
    assert [step.id for step in kept.incident.steps] == ["boom", "pump"]
    assert kept.incident.steps[0].within_s == 300
    assert house.scene.happened().count("planned") == 1

    house.scene.say(level(Grade.RED))
    house.pass_time()

    [kept] = house.scene.store.open_incidents()
    assert [step.id for step in kept.incident.steps] == ["up"]
    house.scene.say(level(Grade.BLUE))
    house.pass_time()
    [kept] = house.scene.store.open_incidents()
    assert kept.incident.plan == "flood-site-red v1"  # a fall takes no step away


def test_the_plan_of_an_incident_says_who_can_be_asked_and_what_is_short(house: House) -> None:
    house.people.keep_volunteer(pump_hand(hours="daily 20:00-08:00"), "duty-1")
    house.people.keep_volunteer(pump_hand(id="asleep", hours="daily 08:00-20:00"), "duty-1")
    house.people.count_supply("bags", 4, "duty-1")
    house.scene.say(level(Grade.BLUE))
    house.pass_time()
    house.scene.cycle.do_step(1, "boom", "duty-2")

    view = house.people.plan(1)

    assert view is not None
    boom, pump = view.steps
    assert boom.done is not None
    assert boom.done.by == "duty-2"
    assert [one.id for one in pump.ask] == ["vol-1"]
    assert pump.due_at > house.scene.clock.now_ms()
    assert {one.item: one.short for one in view.take} == {"pump": 0, "sandbag": 6}
    assert (view.generic, view.roll_call[0].left) == (False, 6)


def test_without_a_plan_of_the_place_nothing_can_be_ticked_off(tmp_path: Path) -> None:
    house = House(tmp_path, Response())
    house.scene.say(level(Grade.RED))
    house.pass_time()

    view = house.people.plan(1)

    assert view is not None
    assert (view.plan, view.generic) == ("", True)
    assert view.steps
    assert "planned" not in house.scene.happened()
    house.scene.close()


def test_the_message_says_what_the_plan_wants_done_first(house: House) -> None:
    house.scene.say(level(Grade.ORANGE))

    rows = house.scene.store.notified([1])[1]
    assert "Lower the north boom, key on hook 2" in str(rows[0]["payload"])
    assert "请走东门" in str(rows[0]["payload"])


def test_doors_are_ticked_and_counted(house: House) -> None:
    house.scene.say(level(Grade.BLUE))
    house.pass_time()

    for door, state in (("1", "found"), ("2", "absent"), ("3", "needs-help"), ("1", "needs-help")):
        house.people.tick_door(1, "tower", door, state, "赵 六")

    view = house.people.plan(1)
    assert view is not None
    [tower] = view.roll_call
    assert (tower.found, tower.absent, tower.needs_help, tower.left) == (0, 1, 2, 3)
    house.people.tick_door(1, "tower", "2", "", "赵 六")
    assert house.people.plan(1).roll_call[0].left == 4  # type: ignore[union-attr]  # it is there
    for zone, door, state in (
        ("tower", "7", "found"), ("moon", "1", "found"), ("tower", "1", "asleep"),
    ):  # fmt: skip
        with pytest.raises(DutyError):
            house.people.tick_door(1, zone, door, state, "赵 六")
    with pytest.raises(IncidentError, match="incident 9: there is none"):
        house.people.tick_door(9, "tower", "1", "found", "赵 六")


def test_a_finished_roll_call_stands_in_the_journal_once(house: House) -> None:
    house.scene.say(level(Grade.BLUE))
    house.pass_time()
    for door in "123456":
        house.people.tick_door(1, "tower", door, "absent" if door == "4" else "found", "duty-2")
    house.people.tick_door(1, "tower", "4", "found", "duty-2")

    noted = [event.detail for event in house.scene.store.events(1) if event.what == "noted"]
    assert noted == ["tower：在 5，无人应 1，需帮助 0 / found 5, no answer 1, need help 0"]


# --- roster ---


def test_the_night_shift_is_told_at_night_and_a_stand_in_from_the_moment_it_is_noted(
    house: House,
) -> None:
    house.scene.say(level(Grade.BLUE))
    assert house.scene.notes() == [("alert", "blue", "duty-2", "pending")]

    now = house.scene.clock.now_ms()
    house.people.note_absence("duty-2", now, now + 3_600_000, "deputy-1", "duty-2")
    house.scene.say(level(Grade.YELLOW))

    assert house.scene.notes()[-1][2] == "deputy-1"
    house.restart()
    assert house.people.duty().roles["duty"] == ("deputy-1",)


def test_a_red_reaches_duty_deputy_and_leader_but_no_sleeping_shift(house: House) -> None:
    house.scene.say(level(Grade.RED))

    told = {contact for _, _, contact, _ in house.scene.notes()}
    assert told == {"duty-2", "deputy-1", "leader-1"}


def test_without_a_roster_every_duty_contact_is_told(tmp_path: Path) -> None:
    house = House(tmp_path, Response())
    house.scene.say(level(Grade.BLUE))

    assert {contact for _, _, contact, _ in house.scene.notes()} == {"duty-1", "duty-2"}
    house.scene.close()


def test_a_number_typed_into_a_hand_over_is_not_kept(house: House) -> None:
    left = house.people.hand_over("duty-2", "王师傅 138 1234 5678 七点来修泵，li@example.com")

    assert left.text == f"王师傅 {NUMBER_MARK} 七点来修泵，{MAIL_MARK}"
    assert house.people.hand_overs()[0].text == left.text


def test_a_hand_over_keeps_what_was_open_and_the_first_who_reads_it(house: House) -> None:
    house.scene.say(level(Grade.ORANGE))
    house.pass_time()
    house.scene.cycle.do_step(1, "boom", "duty-2")

    left = house.people.hand_over("duty-2", "泵在漏水，电梯 2 号停着")

    assert (left.shift, left.by, left.taken_at) == ("night", "duty-2", 0)
    [then] = left.incidents
    assert (then.number, then.grade, then.steps_left) == (1, Grade.ORANGE, 1)
    house.scene.say(level(Grade.RED))
    with pytest.raises(IncidentError, match="somebody else"):
        house.people.take_hand_over(left.number, "duty-2")
    house.people.take_hand_over(left.number, "duty-1")
    house.people.take_hand_over(left.number, "deputy-1")
    [kept] = house.people.hand_overs()
    assert (kept.taken_by, kept.incidents) == ("duty-1", left.incidents)
    with pytest.raises(DutyError, match="there is none"):
        house.people.take_hand_over(99, "duty-1")


# --- registers ---


def test_without_consent_nobody_is_shown_and_who_was_erased_stays_erased(house: House) -> None:
    text = (
        "id,name,phone,skills,consent\n"
        "vol-1,赵 六,5550100,pump,2026-04-01\nvol-2,钱 七,5550101,pump,\n"
    )
    taken = house.people.take_register(text.encode(), "people.csv", "duty-1")
    assert taken.volunteers == 2
    assert [one.id for one in house.people.volunteers()] == ["vol-1"]

    house.people.erase_volunteer("vol-1")

    again = house.people.take_register(text.encode(), "people.csv", "duty-1")
    assert (again.volunteers, again.erased) == (1, 1)
    assert house.people.volunteers() == []
    assert "赵 六" not in house.scene.store.names().values()
    house.people.keep_volunteer(pump_hand(id="vol-2"), "duty-1")
    house.people.withdraw("vol-2")
    assert house.people.volunteers() == []
    with pytest.raises(RegisterError, match="there is none"):
        house.people.withdraw("vol-9")


def test_the_file_begins_the_register_of_supplies_and_counts_on_the_spot_win(house: House) -> None:
    house.people.count_supply("bags", 12, "duty-2")

    house.restart()

    assert {one.id: one.quantity for one in house.people.supplies()} == {"bags": 12, "pump-3": 1}
    assert any(one.rule == "short" for one in house.people.lint())
    with pytest.raises(RegisterError):
        house.people.count_supply("bags", float("nan"), "duty-2")


# --- reports ---


def test_a_report_opens_a_blue_incident_and_the_duty_is_told_at_once(house: House) -> None:
    house.say()

    [kept] = house.scene.store.open_incidents()
    assert (kept.incident.grade, kept.key) == (Grade.BLUE, FLOOD)
    assert kept.incident.judgement.certainty is Certainty.POSSIBLE
    assert "居民上报" in kept.incident.judgement.headline.zh
    assert house.scene.notes() == [("alert", "blue", "duty-2", "pending")]
    assert [report.incident for report in house.people.reports.waiting()] == [1]
    assert "reported" in house.scene.happened()
    # What somebody wrote stands in no journal: it must stay erasable.
    assert "车" not in str(house.scene.store.events(1)[-1])


def test_agreeing_reports_are_surer_but_never_above_blue(house: House) -> None:
    house.say()
    house.say("nonce-0002", client="a")
    [kept] = house.scene.store.open_incidents()
    assert kept.incident.judgement.certainty is Certainty.POSSIBLE  # the same place twice

    for number in range(3, 30):
        house.say(f"nonce-{number:04}", client=f"c{number}")

    house.pass_time(60)
    [kept] = house.scene.store.open_incidents()
    assert kept.incident.grade is kept.incident.peak is Grade.BLUE
    live = house.scene.watch.live(kept.incident)
    assert live.certainty is Certainty.LIKELY


def test_a_form_sent_twice_is_one_report(house: House) -> None:
    assert house.say(name="孙", phone="1") == house.say(name="孙", phone="1")

    assert len(house.people.reports.latest()) == 1
    assert len(house.scene.store.names()) == 1


def test_a_report_about_an_open_incident_is_told_to_the_duty_and_not_every_second(
    house: House,
) -> None:
    house.scene.say(level(Grade.RED))
    house.scene.store.person_id("x")
    house.scene.watch.acknowledge(1, "duty-2", "console")
    before = len(house.scene.notes())
    climb = house.scene.store.open_incidents()[0].incident.climb

    for number in range(20):
        house.say(f"nonce-{number:04}", client=f"c{number}")

    incident = house.scene.store.open_incidents()[0].incident
    assert len(house.scene.notes()) == before + 1
    assert house.scene.notes()[-1][:3] == ("alert", "red", "duty-2")
    assert "居民上报" in str(house.scene.store.notified([1])[1][0]["payload"])
    assert (incident.acknowledged, incident.climb) == (True, climb)
    house.scene.say(level(Grade.RED))
    house.pass_time(125)
    assert len(house.scene.notes()) == before + 2
    assert house.scene.happened().count("reported") == 20


def test_a_report_passes_quiet_hours_and_digests(tmp_path: Path) -> None:
    quiet = tuple(
        msgspec.structs.replace(contact, quiet="22:00-07:00") for contact in community().contact
    )
    house = House(tmp_path, response(), contacts=quiet)
    house.scene.say(level(Grade.BLUE))  # what a sensor says at blue waits for the morning

    house.say(zone="tower", hazard=Hazard.FIRE)
    house.say("nonce-0002")

    assert house.scene.notes(2) == [("alert", "blue", "duty-2", "pending")]
    assert house.scene.notes(1) == [
        ("alert", "blue", "duty-2", "suppressed"),
        ("alert", "blue", "duty-2", "pending"),
    ]
    house.scene.close()


def test_a_report_is_told_even_where_the_hazard_is_shelved(house: House) -> None:
    house.scene.withholding.withhold(
        WithholdingKind.SHELVED, Scope(zone="underpass", hazard=Hazard.FLOOD), "duty-1", "cleaning",
        until=house.scene.clock.now_ms() + 3_600_000, up_to=Grade.ORANGE,
    )  # fmt: skip
    house.scene.say(level(Grade.YELLOW))
    assert house.scene.notes() == []

    house.say()

    assert house.scene.notes() == [("alert", "blue", "duty-2", "pending")]
    assert house.scene.store.open_incidents()[0].incident.climb is None
    house.scene.withholding.withhold(
        WithholdingKind.SHELVED, Scope(zone="tower", hazard=Hazard.FIRE), "duty-1", "cleaning",
        until=house.scene.clock.now_ms() + 3_600_000, up_to=Grade.ORANGE,
    )  # fmt: skip
    house.say("nonce-0002", zone="tower", hazard=Hazard.FIRE)  # and where it opens one unseen
    assert house.scene.notes(2) == [("alert", "blue", "duty-2", "pending")]


def test_confirmed_it_is_an_observation_of_a_named_person_and_holds_until_they_say_it_is_over(
    house: House,
) -> None:
    number = house.say()
    with pytest.raises(ReportError, match="expected yellow, orange or red"):
        house.people.reports.confirm(number, "duty-2", Grade.BLUE)

    house.people.reports.confirm(number, "duty-2", Grade.ORANGE, "水到车轮")
    house.pass_time()

    incident = house.scene.store.open_incidents()[0].incident
    assert (incident.grade, incident.condition) == (Grade.ORANGE, Condition.ACTIVE)
    assert list(incident.judgement.holders) == ["zone.underpass observation"]
    assert incident.judgement.certainty is Certainty.OBSERVED
    noted = [event for event in house.scene.store.events(1) if event.actor == "duty-2"]
    assert noted[0].detail == "R1 属实，橙色 II 级 / confirmed, orange (II): 水到车轮"
    with pytest.raises(ReportError, match="confirmed already"):
        house.people.reports.dismiss(number, "duty-2", "no")

    house.restart()
    house.pass_time(200)
    assert house.scene.store.open_incidents()[0].incident.grade is Grade.ORANGE
    house.people.reports.end(number, "duty-1", "水退了")
    house.pass_time()
    assert house.scene.store.open_incidents()[0].incident.condition is Condition.CLEARED


def test_dismissed_with_a_reason_it_ends(house: House) -> None:
    number = house.say()
    with pytest.raises(ReportError, match="a reason is expected"):
        house.people.reports.dismiss(number, "duty-2", " ")

    house.people.reports.dismiss(number, "duty-2", "是洒水车")
    house.pass_time()

    [kept] = house.scene.store.open_incidents()
    assert kept.incident.condition is Condition.CLEARED
    assert house.people.reports.waiting() == []
    assert any(
        event.detail == "R1 不属实 / dismissed: 是洒水车" for event in house.scene.store.events(1)
    )


def test_an_unread_report_never_runs_out_and_survives_a_restart(house: House) -> None:
    house.say()

    house.restart()
    house.pass_time(130)
    house.pass_time(7_200)

    [kept] = house.scene.store.open_incidents()
    assert (kept.incident.grade, kept.incident.condition) == (Grade.BLUE, Condition.ACTIVE)
    assert house.scene.happened().count("reported") == 1


def test_what_a_resident_said_can_be_erased_and_the_chain_stays_whole(house: House) -> None:
    number = house.say(name="孙 八", phone="+86 10 5550 0199")
    [report] = house.people.reports.latest()
    assert (report.name, report.phone) == ("孙 八", "+86 10 5550 0199")
    # Staff of the same name are somebody else.
    assert house.people.person_id("孙 八") != report.person

    Privacy(house.scene.database, house.scene.community, house.scene.clock).erase(report.person)

    [report] = house.people.reports.latest()
    assert (report.number, report.text, report.name, report.phone) == (number, "", "", "")
    house.scene.store.verify_journal()
    house.people.reports.erase(number)


@pytest.mark.parametrize(
    "changes",
    [{"zone": "moon"}, {"hazard": Hazard.EQUIPMENT}, {"text": "水" * 501}, {"nonce": "short"}],
)
def test_a_report_that_can_t_be_taken_is_refused(house: House, changes: dict[str, object]) -> None:
    with pytest.raises(ReportError):
        house.say(**changes)  # type: ignore[arg-type]  # fields by name

    assert house.people.reports.latest() == []


def test_nobody_does_anything_without_a_name(house: House) -> None:
    house.scene.say(level(Grade.BLUE))

    for nameless in ("", "  ", "\x00"):
        with pytest.raises(IncidentError):
            house.people.hand_over(nameless, "text")
        with pytest.raises(IncidentError):
            house.people.tick_door(1, "tower", "1", "found", nameless)


def test_what_fails_in_plans_and_people_never_holds_up_the_watch(house: House) -> None:
    with house.scene.database.write() as connection:
        connection.execute(text("ALTER TABLE report RENAME TO lost"))

    house.scene.say(level(Grade.BLUE))
    house.pass_time()
    house.pass_time()

    [kept] = house.scene.store.open_incidents()
    assert kept.incident.plan == "flood-underpass v1"
    with house.scene.database.write() as connection:
        connection.execute(text("ALTER TABLE lost RENAME TO report"))
    house.say(zone="tower", hazard=Hazard.FIRE)
    assert len(house.scene.store.open_incidents()) == 2


def test_the_lint_knows_who_was_noted_to_be_away(house: House) -> None:
    def holes() -> list[str]:
        return [one.where for one in house.people.lint() if one.rule == "unowned"]

    assert holes() == []
    now = house.scene.clock.now_ms()
    house.people.note_absence("duty-2", now + 86_400_000, now + 172_800_000, "", "duty-1")

    assert holes() == ["role duty"]
