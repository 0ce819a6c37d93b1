"""The full cycle: what each stage needs to be left, and what nobody can skip."""

from __future__ import annotations

import msgspec
import pytest

from alerts.cycle_desk import CycleDesk
from alerts.evidence import Lesson, PlanStep
from alerts.incident import Incident
from alerts.journal_words import journal_text
from alerts.views import IncidentError
from alerts.watch import Watch
from alerts.withholding_store import WithholdingStore
from core.community import Name
from core.finding import Condition
from core.grade import Grade
from tests.alerts.scenery import Scene, level

PUMP = PlanStep(id="pump", text=Name("开泵", "start the pump"), role="duty", within_s=300)
DOORS = PlanStep(id="doors", text=Name("敲门", "knock at every door"), role="volunteer")


def incident(scene: Scene, number: int = 1) -> Incident:
    kept = scene.store.kept(number)
    assert kept is not None
    return kept.incident


def stage(scene: Scene, number: int = 1) -> str:
    view = scene.cycle.cycle(number)
    assert view is not None
    return view.stage


def missing(scene: Scene, number: int = 1) -> list[str]:
    view = scene.cycle.cycle(number)
    assert view is not None
    return [need.need for need in view.missing]


def lesson(**values: str) -> Lesson:
    made = Lesson(
        id="", version=0, target="community.toml", change="- yellow = 0.15\n+ yellow = 0.12",
        no_backtest="the readings are gone", at=0, by="",
    )  # fmt: skip
    return msgspec.structs.replace(made, **values)


def test_an_orange_incident_goes_through_every_stage_on_evidence(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    assert (stage(scene), missing(scene)) == ("warned", ["takeover"])

    scene.watch.acknowledge(1, "duty-1", "console")
    assert (stage(scene), missing(scene)) == ("deciding", ["decision"])

    scene.cycle.decide(1, "duty-1", "act", "plan", note="water at the kerb")
    scene.cycle.adopt_plan(1, "flood-orange@3", (PUMP, DOORS), "duty-1")
    assert (stage(scene), missing(scene)) == ("acting", ["steps", "clear"])

    scene.cycle.do_step(1, "pump", "duty-1")
    scene.later(600, level(Grade.GREEN))
    assert (stage(scene), missing(scene)) == ("acting", ["steps"])

    scene.cycle.do_step(1, "doors", "duty-1", skipped=True, note="nobody lives there")
    assert (stage(scene), missing(scene)) == ("recovering", ["settled", "on-site"])

    scene.later(600, level(Grade.GREEN))
    assert incident(scene).open
    scene.cycle.look(1, "deputy-1", safe=True, note="dry down to the gully")
    scene.later(60, level(Grade.GREEN))
    assert (stage(scene), missing(scene)) == ("reviewing", ["review", "lesson"])

    scene.cycle.sign_review(1, "leader-1", "All in all it went well.")
    scene.cycle.write_lesson(1, "duty-1", lesson())
    assert missing(scene) == ["lesson"]  # nobody has judged it yet
    scene.cycle.judge_lesson(1, "lesson-1", "leader-1", approve=True)
    scene.cycle.close(1, "leader-1")
    assert (stage(scene), missing(scene)) == ("closed", [])
    assert scene.happened()[-1] == "closed"


def test_nothing_but_the_whole_evidence_closes_a_red_incident(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))  # it has passed, and nobody was there

    assert stage(scene) == "reviewing"
    assert missing(scene) == ["decision", "on-site", "review", "lesson"]
    view = scene.cycle.cycle(1)
    assert view is not None
    assert [need.need for need in view.unmet] == ["takeover", "decision", "on-site"]
    with pytest.raises(IncidentError, match="Missing: a decision; a person on site"):
        scene.cycle.close(1, "leader-1")

    scene.cycle.decide(1, "duty-1", "stand-down", "duty", note="over before anybody saw it")
    scene.cycle.look(1, "duty-1", safe=True, note="dry")
    scene.cycle.sign_review(
        1, "leader-1", "Nobody saw it.", nothing_to_learn="the roster was wrong"
    )
    scene.cycle.close(1, "leader-1")
    assert stage(scene) == "closed"


def test_a_new_danger_during_the_review_is_a_new_incident(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    assert stage(scene) == "reviewing"

    scene.say(level(Grade.YELLOW))
    scene.cycle.remark(1, "duty-1", "it is back")

    assert [kept.incident.number for kept in scene.store.open_incidents()] == [2]
    scene.watch.acknowledge(2, "duty-1", "console")
    assert incident(scene, 2).acknowledged


def test_at_blue_taking_over_is_all_that_is_asked_for(scene: Scene) -> None:
    scene.say(level(Grade.BLUE))
    scene.watch.acknowledge(1, "duty-1", "console")

    assert stage(scene) == "acting"
    decision = incident(scene).decision
    assert decision is not None
    assert (decision.option, decision.mandate, decision.by) == ("watch", "default-blue", "system")
    scene.later(600, level(Grade.GREEN))
    assert stage(scene) == "closed"


def test_a_yellow_incident_closes_by_itself_and_says_what_was_missing(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.later(600, level(Grade.GREEN))

    view = scene.cycle.cycle(1)
    assert view is not None
    assert (view.stage, view.ended) == ("closed", "settled")
    assert [need.need for need in view.unmet] == ["decision", "on-site"]
    last = journal_text(scene.store.events(1)[-1])
    assert last.en == "closed (settled). Lacking: a decision; a person on site who says it is safe"


def test_a_decision_holds_up_to_the_grade_that_it_was_made_for(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.cycle.decide(1, "duty-1", "watch", "duty")
    assert stage(scene) == "acting"

    scene.say(level(Grade.ORANGE))
    assert stage(scene) == "warned"  # the rise voids who had it, too
    scene.watch.acknowledge(1, "duty-1", "console")
    assert stage(scene) == "deciding"


def test_who_decides_has_taken_it_over(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.cycle.decide(1, "duty-1", "check", "duty", evidence=("gauge-1 0.16 m at 03:12",))

    assert incident(scene).acknowledged_by == "duty-1"
    decision = incident(scene).decision
    assert decision is not None
    assert decision.evidence == ("gauge-1 0.16 m at 03:12",)


def test_without_other_evidence_a_decision_rests_on_what_holds_the_incident(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    scene.cycle.decide(1, "duty-1", "check", "duty")

    decision = incident(scene).decision
    assert decision is not None
    assert decision.evidence == ("gauge-1.water-level limit-high",)


def test_a_danger_that_returns_voids_what_was_seen_on_site(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.decide(1, "duty-1", "act", "plan")
    scene.later(600, level(Grade.GREEN))
    scene.cycle.look(1, "duty-1", safe=True, note="dry")
    scene.say(level(Grade.ORANGE))
    scene.later(600, level(Grade.GREEN))

    assert stage(scene) == "recovering"
    assert "on-site" in missing(scene)


def test_safe_said_while_readings_show_the_danger_does_not_verify_the_recovery(
    scene: Scene,
) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.decide(1, "duty-1", "act", "plan")
    scene.cycle.look(1, "duty-1", safe=True, note="dry, I believe")
    scene.later(600, level(Grade.GREEN))
    scene.later(600, level(Grade.GREEN))
    assert (stage(scene), missing(scene)) == ("recovering", ["settled", "on-site"])

    scene.cycle.look(1, "duty-1", safe=True, note="dry now")
    scene.later(60, level(Grade.GREEN))

    assert stage(scene) == "reviewing"


def test_a_word_from_before_the_link_broke_tells_nobody_all_clear(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.look(1, "duty-1", safe=True, note="dry, I believe")
    scene.say(level(Grade.ORANGE, condition=Condition.UNKNOWN))
    scene.cycle.end(1, "duty-1", "the gauge is gone")

    assert not any(kind == "clear" for kind, *_ in scene.notes())


@pytest.mark.parametrize(
    ("option", "mandate"), [("fly", "duty"), ("act", "nobody"), ("act", "default-blue")]
)
def test_what_is_decided_and_what_allows_it_are_words_that_everybody_can_read(
    scene: Scene, option: str, mandate: str
) -> None:
    scene.say(level(Grade.ORANGE))
    with pytest.raises(IncidentError, match="expected one of"):
        scene.cycle.decide(1, "duty-1", option, mandate)

    assert stage(scene) == "warned"


def test_deciding_again_gives_the_steps_no_more_time(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.adopt_plan(1, "flood@1", (PUMP, DOORS), "duty-1")
    scene.cycle.decide(1, "duty-1", "check", "duty")
    scene.later(PUMP.within_s + 60, level(Grade.ORANGE))
    scene.cycle.decide(1, "duty-1", "act", "plan")

    view = scene.cycle.cycle(1)
    assert view is not None
    assert view.steps[0].late


def test_still_dangerous_on_site_keeps_it_from_recovering(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.decide(1, "duty-1", "act", "plan")
    scene.later(600, level(Grade.GREEN))
    scene.cycle.look(1, "duty-1", safe=False, note="the gauge hangs dry, the road is flooded")
    scene.later(6000, level(Grade.GREEN))

    assert (stage(scene), missing(scene)) == ("recovering", ["settled", "on-site"])


def test_an_incident_that_stays_unknown_is_ended_by_hand_with_a_reason(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW))
    with pytest.raises(IncidentError, match="still show the danger"):
        scene.cycle.end(1, "duty-1", "I do not believe it")
    scene.say(level(Grade.YELLOW, condition=Condition.UNKNOWN))
    with pytest.raises(IncidentError, match="reason"):
        scene.cycle.end(1, "duty-1", "  ")
    told = len(scene.notes())

    scene.cycle.end(1, "duty-1", "the gauge was stolen")

    assert stage(scene) == "closed"
    assert len(scene.notes()) == told  # nobody is told an all-clear that nobody has seen
    scene.say(level(Grade.YELLOW, condition=Condition.UNKNOWN))
    assert scene.store.open_incidents() == []


def test_ending_by_hand_tells_the_all_clear_once_a_person_on_site_has_seen_it(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.say(level(Grade.ORANGE, condition=Condition.UNKNOWN))
    scene.cycle.look(1, "duty-1", safe=True, note="dry, the gauge is broken")
    scene.cycle.end(1, "duty-1", "the gauge is broken")

    assert stage(scene) == "reviewing"
    assert ("clear", "green", "duty-1", "pending") in scene.notes()


def test_steps_are_refused_in_words_where_they_make_no_sense(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    with pytest.raises(IncidentError, match="no plan was put on it"):
        scene.cycle.do_step(1, "pump", "duty-1")
    scene.cycle.adopt_plan(1, "flood@1", (PUMP, DOORS), "duty-1")
    with pytest.raises(IncidentError, match="expected one of pump, doors"):
        scene.cycle.do_step(1, "dance", "duty-1")
    with pytest.raises(IncidentError, match="why is it skipped"):
        scene.cycle.do_step(1, "doors", "duty-1", skipped=True)


def test_standing_down_after_the_danger_skips_the_open_steps_in_one_go(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.adopt_plan(1, "flood@1", (PUMP, DOORS), "duty-1")
    scene.cycle.decide(1, "duty-1", "stand-down", "duty")
    assert "steps" in missing(scene)  # not while the water stands there

    scene.later(600, level(Grade.GREEN))
    scene.cycle.decide(1, "duty-1", "stand-down", "duty")

    view = scene.cycle.cycle(1)
    assert view is not None
    assert {step.state for step in view.steps} == {"skipped"}
    assert view.stage == "recovering"
    assert view.decision is not None
    assert view.decision.evidence == ("gauge-1.water-level limit-high",)


def test_a_step_names_who_did_it_in_which_role_and_when(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.cycle.decide(1, "duty-1", "act", "plan")
    scene.cycle.adopt_plan(1, "flood@1", (PUMP,), "duty-1")
    scene.clock.advance(400)
    scene.cycle.do_step(1, "pump", "duty-1", by="赵 六")

    view = scene.cycle.cycle(1)
    assert view is not None
    step = view.steps[0]
    assert (step.state, step.by, step.role, step.late) == ("done", "赵 六", "duty", True)
    assert "赵" not in "".join(str(event) for event in scene.store.events(1))


def test_a_lesson_needs_a_back_test_and_somebody_else_to_approve_it(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    typed = lesson(no_backtest="", backtest='{"verdict": "better"}')  # the program made none
    scene.cycle.write_lesson(1, "duty-1", typed)
    with pytest.raises(IncidentError, match="somebody else"):
        scene.cycle.judge_lesson(1, "lesson-1", "duty-1", approve=True)
    with pytest.raises(IncidentError, match="back-test"):
        scene.cycle.judge_lesson(1, "lesson-1", "leader-1", approve=True)

    scene.cycle.write_lesson(1, "duty-1", lesson(id="lesson-1", before="v7", after="v8"))
    scene.cycle.judge_lesson(1, "lesson-1", "leader-1", approve=True)

    kept = scene.cycle.lessons()[0].lesson
    assert (kept.version, kept.state, kept.approver) == (2, "approved", "leader-1")
    assert (kept.before, kept.after) == ("v7", "v8")
    assert scene.happened().count("lesson") == 3  # every version is in the journal


OLD, NEW, OTHER = "0a1b2c3d4e5f", "1b2c3d4e5f60", "2c3d4e5f6071"


@pytest.mark.parametrize(
    ("after", "loaded", "is_applied"),
    [
        ("", OLD, False),  # the file is still that of the review
        ("v8", OLD, False),  # whatever somebody wrote down
        ("v8", NEW, True),
        (NEW, NEW, True),
        (NEW + "f" * 52, NEW, True),  # the whole SHA-256
        (NEW, OTHER, False),  # changed, but not into what was approved
        (OLD, OLD, True),  # changed in the night, reviewed in the morning
    ],
)
def test_a_lesson_is_applied_once_the_hub_has_loaded_the_file_not_once_somebody_says_so(
    scene: Scene, after: str, loaded: str, is_applied: bool
) -> None:
    scene.versions["community.toml"] = OLD
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    scene.cycle.write_lesson(1, "duty-1", lesson(after=after, loaded="what somebody claims"))
    assert scene.cycle.lessons()[0].applied is None  # nobody has approved it
    scene.cycle.judge_lesson(1, "lesson-1", "leader-1", approve=True)

    scene.versions["community.toml"] = loaded
    scene.restart()

    [taught] = scene.cycle.lessons()
    assert taught.applied is not None
    assert (taught.applied.reviewed, taught.applied.loaded) == (OLD, loaded)
    assert taught.applied.applied is is_applied
    view = scene.cycle.cycle(1)
    assert view is not None
    assert view.applied == {"lesson-1": taught.applied}


def test_a_new_version_of_a_lesson_keeps_the_file_of_the_review_and_other_targets_have_none(
    scene: Scene,
) -> None:
    scene.versions |= {"community.toml": OLD, "response.toml": OTHER}
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    scene.cycle.write_lesson(1, "duty-1", lesson())
    scene.versions["community.toml"] = NEW
    scene.cycle.write_lesson(1, "duty-1", lesson(id="lesson-1", change="less"))
    assert scene.cycle.lessons()[0].lesson.loaded == OLD

    scene.cycle.write_lesson(1, "duty-1", lesson(id="lesson-1", target="response.toml: pump"))
    assert scene.cycle.lessons()[0].lesson.loaded == OTHER

    scene.cycle.write_lesson(1, "duty-1", lesson(target="the pump's hose"))
    scene.cycle.judge_lesson(1, "lesson-2", "leader-1", approve=True)
    assert [one.applied for one in scene.cycle.lessons()] == [None, None]


def test_the_draft_of_the_review_tells_latencies_and_what_was_missed(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.clock.advance(90)
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.clock.advance(30)
    scene.cycle.decide(1, "duty-1", "act", "plan")
    scene.later(600, level(Grade.GREEN))
    scene.cycle.end(1, "duty-1", "the rain has stopped")

    view = scene.cycle.cycle(1)
    assert view is not None
    assert view.draft is not None
    took = {leg.key: leg.seconds for leg in view.draft.latencies}
    assert (took["take-over"], took["decide"], took["verify"]) == (90, 30, None)
    missed = [entry.en for entry in view.draft.missed]
    assert "lacking: a person on site who says it is safe" in missed
    assert "从接手到决定" in view.draft.text.zh
    happened = view.draft.text.en.partition("What happened:\n")[2].splitlines()
    assert happened[0].startswith("- +0 s opened at orange")
    assert any("decided" in line for line in happened)


def test_the_first_finding_is_kept_when_others_follow(scene: Scene) -> None:
    scene.say(level(Grade.YELLOW, sensor="gauge-2"))
    scene.say(level(Grade.RED, sensor="gauge-1"))

    first = incident(scene).first
    assert first is not None
    assert first.name == "gauge-2.water-level limit-high"
    assert "0.16" in first.headline.en


def test_what_people_do_in_a_drill_goes_to_the_watch_of_the_drill(scene: Scene) -> None:
    drill = Watch(scene.store, scene.community, scene.clock, scene.patience, "drill-1")
    rows = WithholdingStore(scene.database, scene.community.site.id)
    watches = {"": scene.watch, "drill-1": drill}
    desk = CycleDesk(scene.store, watches.__getitem__, rows, scene.clock, lambda: None)
    drill.take(level(Grade.ORANGE), 120)

    desk.decide(1, "duty-1", "act", "plan")

    assert incident(scene).acknowledged_by == "duty-1"
    assert scene.watch.open_keys() == set()
    assert desk.reviews_owed() == []
