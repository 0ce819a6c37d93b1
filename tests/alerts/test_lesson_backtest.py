"""The back-test of a lesson: made by the program, of the very file that is approved and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from alerts.applying import Applied
from alerts.audit import audit
from alerts.backtest import (
    KEY_NAME,
    BackTest,
    Drilled,
    Linted,
    Outcome,
    Replayed,
    Side,
    genuine,
    sealed,
)
from alerts.evidence import Lesson
from alerts.incident import Event
from alerts.journal import _digest as digest
from alerts.shared_key import shared_key
from alerts.views import IncidentError
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.scenery import Scene, level

OLD, NEW, OTHER = ("0a1b2c3d4e5f" + "0" * 52, "1b2c3d4e5f60" + "0" * 52, "2c3d4e5f6071" + "0" * 52)
NOW_MS = 1_764_500_000_000


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A red flood that is over; duty-1 has proposed a change of the profile."""
    made = Scene(tmp_path)
    made.versions |= {"community.toml": OLD[:12], "response.toml": OTHER[:12]}
    made.say(level(Grade.RED))
    made.later(3000, level(Grade.GREEN))
    propose(made)
    yield made
    made.store.verify_journal()
    with made.database.read() as connection:
        assert audit(connection).problems == ()
    made.close()


def propose(scene: Scene, **values: str) -> None:
    made = Lesson(id="", version=0, target="community.toml", change="+ yellow = 0.12", at=0, by="")
    scene.cycle.write_lesson(1, "duty-1", msgspec.structs.replace(made, **values))


def profile_test(scene: Scene, **values: Any) -> BackTest:
    opened = scene.store.latest(1, None)[0].opened_at
    replay = Replayed(
        start=opened - 7 * 86_400_000, end=opened + 3_600_000, readings=1440, rolled=12,
        danger_at=opened, before={"yellow": opened - 720_000},
        proposed={"yellow": opened - 2_460_000},
        outcomes=(
            Outcome(
                zone="underpass", hazard=Hazard.FLOOD, dangers=1, verdict="better",
                before=Side(alerts={"red": 1}, found=1, lead_s=720.0),
                proposed=Side(
                    alerts={"yellow": 1, "red": 1}, found=1, false_alerts=1, lead_s=2460.0
                ),
            ),
        ),
    )  # fmt: skip
    test = BackTest(
        incident=1, file="community.toml", before=OLD, proposed=NEW, tested_at=NOW_MS,
        tool="safety-eye 0.1.0", verdict="better", replay=replay,
    )  # fmt: skip
    return signed(scene, msgspec.structs.replace(test, **values))


def signed(scene: Scene, test: BackTest) -> BackTest:
    return sealed(test, shared_key(scene.database, KEY_NAME))


def plan_test(scene: Scene) -> BackTest:
    return signed(
        scene,
        BackTest(
            incident=1, file="response.toml", before=OTHER, proposed=NEW, tested_at=NOW_MS,
            tool="safety-eye 0.1.0", verdict="mixed",
            lint=Linted(before=2, proposed=2, mended=("no-owner: plan flood: step pump",),
                        fresh=("no-calls: plan flood",)),
            drill=Drilled(id="drill-1", zone="underpass", ended_at=NOW_MS, passed=False,
                          detected_s=4.0, notified_s=2.5),
        ),
    )  # fmt: skip


def kept(scene: Scene, which: str = "lesson-1") -> Lesson:
    return scene.store.latest(1, None)[0].lessons[which]


def applied(scene: Scene) -> Applied:
    found = scene.cycle.lessons()[0].applied
    assert found is not None
    return found


def approve(scene: Scene, **read: Any) -> None:
    scene.cycle.judge_lesson(1, "lesson-1", "leader-1", approve=True, **read)


def loads(scene: Scene, version: str) -> None:
    scene.versions["community.toml"] = version[:12]
    scene.restart()
    scene.cycle.note_applied()


def test_a_back_test_is_kept_in_the_journal_and_names_the_file_that_is_approved(
    scene: Scene,
) -> None:
    test = profile_test(scene)
    scene.cycle.attach_backtest(1, "lesson-1", "deputy-1", test)
    approve(scene)
    scene.restart()

    lesson = kept(scene)
    assert (lesson.tested, lesson.version, lesson.by) == (test, 2, "duty-1")
    assert (lesson.before, lesson.after, lesson.approver) == (OLD[:12], NEW[:12], "leader-1")
    last = scene.store.events(1)[-1]
    assert (last.actor, last.lesson) == ("leader-1", lesson)


def test_plans_are_tested_by_their_lint_and_the_latest_drill(scene: Scene) -> None:
    propose(scene, id="lesson-1", target="response.toml, plan flood")

    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", plan_test(scene))

    assert kept(scene).tested == plan_test(scene)


def test_what_somebody_wrote_or_mended_is_no_back_test(scene: Scene) -> None:
    genuine_one = profile_test(scene)
    for forged in (
        msgspec.structs.replace(genuine_one, verdict="worse"),
        msgspec.structs.replace(genuine_one, seal=""),
        sealed(genuine_one, b"the key of another hub"),
    ):
        with pytest.raises(IncidentError, match="seal") as refused:
            scene.cycle.attach_backtest(1, "lesson-1", "duty-1", forged)
        assert "封签" in refused.value.in_language("zh")
    assert kept(scene).version == 1


def test_a_seal_holds_over_the_file_that_it_was_written_to(scene: Scene) -> None:
    test, key = profile_test(scene), shared_key(scene.database, KEY_NAME)

    for written in (msgspec.json.encode(test), msgspec.json.format(msgspec.json.encode(test))):
        assert genuine(msgspec.json.decode(written, type=BackTest), key)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"incident": 2}, "incident 2, not of 1"),
        ({"file": "response.toml"}, "lesson-1 changes 'community.toml'"),
        ({"proposed": OLD}, "very one"),
        ({"before": OTHER}, f"has now, is {OLD[:12]}: compare"),
        ({"replay": Replayed(start=0, end=1000, readings=5)}, "does not contain incident 1"),
        ({"replay": Replayed(start=0, end=1 << 52, readings=0)}, "nothing was replayed"),
    ],
)
def test_a_back_test_of_something_else_is_refused_in_words(
    scene: Scene, values: dict[str, Any], why: str
) -> None:
    with pytest.raises(IncidentError, match=why) as refused:
        scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene, **values))

    assert refused.value.in_language("zh") != str(refused.value)
    assert kept(scene).tested is None


def test_the_file_before_is_that_of_the_review_or_the_one_that_holds_now(scene: Scene) -> None:
    scene.versions["community.toml"] = OTHER[:12]  # another lesson came first

    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene, before=OTHER))
    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))

    tested = kept(scene).tested
    assert tested is not None
    assert tested.before == OLD


def test_what_was_changed_in_the_night_and_reviewed_in_the_morning_is_applied(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    scene.versions["community.toml"] = NEW[:12]
    scene.say(level(Grade.RED))
    scene.later(3000, level(Grade.GREEN))
    propose(scene)
    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))
    approve(scene)

    assert (applied(scene).applied, applied(scene).reviewed) == (True, NEW[:12])
    loads(scene, OLD)
    assert applied(scene).applied is False
    scene.close()


def test_a_lesson_that_names_another_version_or_no_file_of_the_hub_takes_none(scene: Scene) -> None:
    propose(scene, id="lesson-1", after=OTHER)
    with pytest.raises(IncidentError, match=f"lesson of lesson-1 is for version {OTHER[:12]}"):
        scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))

    propose(scene, id="lesson-1", target="the hose of the pump")
    with pytest.raises(IncidentError, match="the hose of the pump"):
        scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))


def test_what_is_approved_is_what_was_read_and_tested(scene: Scene) -> None:
    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))

    with pytest.raises(IncidentError, match="you have read version 1"):
        approve(scene, version=1)
    for file in (OTHER, "the new one"):
        with pytest.raises(IncidentError, match=f"back-tested .* is {NEW[:12]}"):
            approve(scene, file=file)
    approve(scene, version=2, file=NEW)
    for other, why in ((OTHER, f"approval .* for version {NEW[:12]}"), (NEW, "was approved")):
        with pytest.raises(IncidentError, match=why):
            scene.cycle.attach_backtest(
                1, "lesson-1", "duty-1", profile_test(scene, proposed=other)
            )
    assert kept(scene).approver == "leader-1"


def test_a_new_version_of_a_lesson_has_to_be_tested_and_approved_again(scene: Scene) -> None:
    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))
    approve(scene)

    propose(scene, id="lesson-1", change="+ yellow = 0.10")

    assert (kept(scene).tested, kept(scene).approver) == (None, "")
    with pytest.raises(IncidentError, match="no back-test"):
        approve(scene)


def test_only_the_tested_file_applies_a_lesson_and_later_changes_do_not_undo_it(
    scene: Scene,
) -> None:
    scene.cycle.attach_backtest(1, "lesson-1", "duty-1", profile_test(scene))
    approve(scene)
    loads(scene, OTHER)
    assert (applied(scene).applied, applied(scene).tested) == (False, NEW[:12])
    assert kept(scene).applied_at == 0

    loads(scene, NEW)
    since = applied(scene).since
    assert (applied(scene).applied, since) == (True, scene.clock.now_ms())
    scene.clock.advance(60)
    loads(scene, NEW)
    assert applied(scene).since == since  # it is written down once
    assert [one.actor for one in scene.store.events(1) if one.lesson][-1] == "system"

    loads(scene, OTHER)  # the next lesson
    assert (applied(scene).applied, applied(scene).loaded) == (True, OTHER[:12])
    loads(scene, OLD)  # somebody went back
    assert applied(scene).applied is False


def test_the_journal_says_which_file_was_tested_in_both_languages(scene: Scene) -> None:
    from alerts.cycle_wording import cycle_words  # noqa: PLC0415  # only here

    scene.cycle.attach_backtest(1, "lesson-1", "deputy-1", profile_test(scene))
    approve(scene)
    loads(scene, NEW)

    def told(event: Event) -> list[str]:
        return [cycle_words(event, language)["lesson"] for language in ("zh", "en")]

    attached, approved, noted = [told(one) for one in scene.store.events(1) if one.lesson][1:]
    assert attached[1].startswith("deputy-1 attached a back-test to lesson-1 version 2")
    assert f"{OLD[:12]} → {NEW[:12]}" in approved[1]
    assert (
        f"批准 lesson-1 第 2 版（community.toml），回测过 community.toml {OLD[:12]}" in approved[0]
    )
    assert noted == [
        f"lesson-1 第 2 版 已落实，载入的文件版本 {NEW[:12]}",
        f"lesson-1 version 2 is applied: the file is version {NEW[:12]}",
    ]


# As the program wrote it that knew of no back-test but words.
OLD_LESSON = (
    '{"event":{"actor":"leader-1","at":1764500400000,"lesson":{"approver":"leader-1",'
    '"at":1764500400000,"backtest":"better","by":"duty-1","change":"+ yellow = 0.12",'
    '"id":"lesson-1","loaded":"0a1b2c3d4e5f","state":"approved","target":"community.toml",'
    '"version":1},"what":"lesson"},"incident":1,"seq":%d}'
)


def test_a_lesson_of_an_older_journal_stays_what_it_was_and_verifies(scene: Scene) -> None:
    with scene.database.write() as connection:
        seq, end = connection.execute(
            text("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
        ).one()
        body = OLD_LESSON % (seq + 1)
        connection.execute(
            text("INSERT INTO journal VALUES (:s, 1, :b, :p, :h)"),
            {"s": seq + 1, "b": body, "p": end, "h": digest(end, body)},
        )
        written = msgspec.json.decode(body)["event"]["lesson"]
        connection.execute(
            text(
                "UPDATE incident SET state = json_set(state, '$.lessons.\"lesson-1\"',"
                " json(:lesson), '$.changed_at', 1764500400000, '$.attended_at', 1764500400000)"
            ),
            {"lesson": msgspec.json.encode(written).decode()},
        )
    scene.restart()

    lesson = kept(scene)
    assert (lesson.tested, lesson.backtest, lesson.state) == (None, "better", "approved")
    loads(scene, NEW)  # as before: any other version of the file
    assert (applied(scene).applied, applied(scene).tested) == (True, "")
