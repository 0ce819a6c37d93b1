"""Findings of one zone and hazard become one judgement."""

from __future__ import annotations

import msgspec

from alerts.board import MAX_FINDINGS, Board
from alerts.grading import all_known, judge
from core.community import Name
from core.finding import Because, Condition, Hazard
from core.grade import Grade
from tests.alerts.scenery import EQUIPMENT, FLOOD, judged, level, link, place, silence

HELD = {"gauge-1.water-level limit-high": Grade.ORANGE}


def test_the_worst_current_finding_wins_and_is_named_first() -> None:
    judgement = judged(level(Grade.YELLOW), level(Grade.RED, sensor="gauge-2"))

    assert judgement.grade is Grade.RED
    assert judgement.condition is Condition.ACTIVE
    assert judgement.subjects == ("gauge-2.water-level", "gauge-1.water-level")
    assert judgement.headline.zh == "下穿通道水位 0.28 m，已达到红线 0.27 m"
    assert "Gauge 1" in judgement.why.en


def test_what_a_whole_zone_says_beside_a_sensor_is_told_in_words_not_by_its_id() -> None:
    said = msgspec.structs.replace(
        level(Grade.BLUE), subject="zone.underpass", rule="resident-report",
        because=Because(source="R1"),
    )  # fmt: skip
    why = judged(level(Grade.RED), said).why

    assert "zone.underpass" not in why.zh + why.en
    assert "居民上报" in why.zh


def test_no_finding_at_all_holds_nothing_but_is_not_all_clear_either() -> None:
    assert judged().condition is Condition.CLEARED
    assert not all_known({})


def test_an_unknown_finding_holds_the_last_grade_and_never_clears() -> None:
    unknown = level(Grade.ORANGE, condition=Condition.UNKNOWN)

    judgement = judged(unknown, holders=HELD)

    assert (judgement.grade, judgement.condition) == (Grade.ORANGE, Condition.UNKNOWN)
    assert "不等于安全" in judgement.why.zh


def test_what_is_unknown_or_late_never_tells_back_to_normal_above_a_grade_that_is_held() -> None:
    began_anew = level(Grade.GREEN, condition=Condition.UNKNOWN)
    backlog = level(Grade.GREEN, late=True)

    for finding in (began_anew, backlog):
        judgement = judged(finding, holders=HELD)

        assert judgement.grade is Grade.ORANGE
        assert judgement.headline == Name()  # the incident keeps the words that described it
        assert judgement.since == 0
        assert "不等于安全" in judgement.why.zh
        assert "恢复正常" not in judgement.why.zh
        assert "back to normal" not in judgement.why.en


def test_an_unknown_finding_raises_nothing() -> None:
    unknown = level(Grade.RED, condition=Condition.UNKNOWN)

    assert judged(unknown).grade is Grade.GREEN
    assert judged(unknown, holders=HELD).grade is Grade.ORANGE


def test_a_holder_that_has_not_come_again_after_a_restart_goes_on_holding() -> None:
    judgement = judged(holders=HELD)

    assert (judgement.grade, judgement.condition) == (Grade.ORANGE, Condition.UNKNOWN)


def test_another_sensor_that_is_dry_does_not_clear_what_an_unknown_one_holds() -> None:
    judgement = judged(level(Grade.GREEN, sensor="gauge-2"), holders=HELD)

    assert (judgement.grade, judgement.condition) == (Grade.ORANGE, Condition.UNKNOWN)


def test_a_known_holder_that_is_dry_again_clears() -> None:
    judgement = judged(level(Grade.GREEN), holders=HELD)

    assert (judgement.grade, judgement.condition) == (Grade.GREEN, Condition.CLEARED)


def test_a_late_finding_neither_raises_nor_clears() -> None:
    assert judged(level(Grade.RED, late=True)).grade is Grade.GREEN
    assert judged(level(Grade.RED, late=True), holders=HELD).grade is Grade.ORANGE
    assert judged(level(Grade.GREEN, late=True), holders=HELD).condition is Condition.UNKNOWN


def test_a_finding_runs_out_when_its_message_expires_and_becomes_unknown() -> None:
    board = Board()
    board.put(level(Grade.ORANGE), 1000.0, 30)

    assert board.expire(1029.9) == set()
    assert board.expire(1030.0) == {FLOOD}
    judgement = judge(board.of(FLOOD), HELD, frozenset(), place(), FLOOD)
    assert judgement.condition is Condition.UNKNOWN


def test_a_refresh_keeps_a_finding_alive_and_no_expiry_means_two_minutes() -> None:
    board = Board()
    board.put(level(Grade.ORANGE), 1000.0, 30)
    board.put(level(Grade.ORANGE), 1020.0, None)

    assert board.expire(1139.0) == set()
    assert board.expire(1140.0) == {FLOOD}


def test_the_loss_of_a_station_explains_the_silence_of_its_sensors() -> None:
    board = Board()
    for finding in (link(lost=True), silence("gauge-1"), silence("gauge-2")):
        board.put(finding, 0.0, 120)

    judgement = judge(board.of(EQUIPMENT), {}, board.explained(), place(), EQUIPMENT)

    assert judgement.subjects == ("station.north-1",)
    assert "north-1" in judgement.headline.zh


def test_the_silence_of_a_sensor_counts_again_once_its_station_is_back() -> None:
    board = Board()
    for finding in (link(lost=True), silence("gauge-1"), link(lost=False)):
        board.put(finding, 0.0, 120)

    judgement = judge(board.of(EQUIPMENT), {}, board.explained(), place(), EQUIPMENT)

    assert judgement.subjects == ("gauge-1.water-level",)


def test_a_flood_that_was_judged_from_a_reading_is_not_explained_away_by_a_lost_link() -> None:
    assert judged(link(lost=True), level(Grade.RED)).grade is Grade.RED


def test_a_sensor_that_is_no_longer_in_the_profile_holds_nothing() -> None:
    assert judged(holders={"gone-9.water-level limit-high": Grade.RED}).grade is Grade.GREEN


def test_a_flood_of_invented_subjects_is_bounded_and_counted() -> None:
    board = Board()
    board._where.update({f"x{index} y": FLOOD for index in range(MAX_FINDINGS)})

    assert board.put(level(Grade.RED), 0.0, 120) is None
    assert board.refused == 1


def test_a_sensor_that_moves_to_another_zone_is_judged_there_alone() -> None:
    board = Board()
    board.put(level(Grade.RED), 0.0, 120)
    board.put(msgspec.structs.replace(level(Grade.RED), zone="north"), 0.0, 120)

    assert not board.of(FLOOD)
    assert {key.zone for key in board.keys if board.of(key)} == {"north"}
    assert all(key.hazard is Hazard.FLOOD for key in board.keys)
