"""A new profile is held against the old one over real stored history before anybody trusts it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from core.community import Community
from core.community_file import parse_community
from core.finding import Hazard
from core.quantity import Quantity
from core.reading import Reading
from detectors import approval
from ingest.history import HistorySettings, open_reader, open_writer
from ingest.history.base import Series
from safety_eye.backtest import WARM_UP_MS, backtest, instant, run_backtest
from safety_eye.backtest_report import lines
from safety_eye.cli import app

START = 1_764_500_000_000
DAY = 86_400_000
PROFILE = """
[site]
id = "riverside"
name = {{ zh = "滨河社区", en = "Riverside" }}
timezone = "Asia/Shanghai"
[[zone]]
id = "underpass"
name = {{ zh = "下穿通道", en = "Underpass" }}
[[zone]]
id = "gate"
name = {{ zh = "大门", en = "Gate" }}
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
interval_s = 600
[[sensor]]
id = "gate-1"
station = "north-1"
zone = "gate"
driver = "counter"
quantity = "people-count"
hazard = "crowd"
interval_s = 3600
[[limit]]
zone = "underpass"
quantity = "water-level"
{limits}
dwell_down_s = 1800
"""


def profile(limits: str) -> Community:
    return parse_community(PROFILE.format(limits=limits))


OLD = profile("orange = 0.5")
EARLIER = profile("blue = 0.2\nyellow = 0.35\norange = 0.5")
NERVOUS = profile("yellow = 0.12\norange = 0.5")
DEAF = profile("red = 2.0")


def water(at: int) -> float:
    """Two floods of 8 h that rise slowly, and a tide of a hand every day."""
    tide = 0.1 + 0.03 * math.sin(2 * math.pi * at / DAY)
    for day in (3, 7):
        hours = (at - START - day * DAY) / 3_600_000
        if 0 <= hours <= 8:
            return tide + 0.6 * math.sin(math.pi * hours / 8)
    return round(tide, 3)


def people(at: int) -> float:
    hour = at // 3_600_000
    return round(60 + 50 * math.sin(2 * math.pi * (hour % 24) / 24) + (hour * 7919) % 11)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> HistorySettings:
    made = HistorySettings(path=str(tmp_path_factory.mktemp("history") / "history.db"))
    writer = open_writer(made)
    gauge = Series("riverside", "north-1", "underpass", "gauge-1", Quantity.WATER_LEVEL)
    gate = Series("riverside", "north-1", "gate", "gate-1", Quantity.PEOPLE_COUNT)
    points = [
        (gauge, Reading("gauge-1", Quantity.WATER_LEVEL, at, water(at)))
        for at in range(START - DAY, START + 10 * DAY, 600_000)
    ]
    points += [
        (gate, Reading("gate-1", Quantity.PEOPLE_COUNT, at, people(at)))
        for at in range(START - WARM_UP_MS, START + 35 * DAY, 3_600_000)
    ]
    writer.write(points)
    writer.close()
    return made


def test_limits_that_warn_earlier_are_better_and_say_by_how_much(settings: HistorySettings) -> None:
    report, _trial = backtest(EARLIER, OLD, open_reader(settings), START, START + 10 * DAY)

    (change,) = [one for one in report.changes if one.hazard is Hazard.FLOOD]
    assert (change.dangers, change.old_found, change.new_found) == (2, 2, 2)
    assert change.old_lead_s is not None
    assert change.new_lead_s is not None
    assert change.new_lead_s >= change.old_lead_s + 1800
    assert change.new_false == 0
    assert change.verdict == report.verdict == "better"


def test_limits_below_the_daily_tide_are_called_worse_for_their_false_alarms(
    settings: HistorySettings,
) -> None:
    report, _trial = backtest(NERVOUS, OLD, open_reader(settings), START, START + 10 * DAY)

    (change,) = [one for one in report.changes if one.hazard is Hazard.FLOOD]
    assert change.new_false >= 5
    assert change.old_false == 0
    assert len(change.gained) >= change.new_false
    assert change.verdict in ("worse", "mixed")


def test_limits_that_no_longer_see_the_floods_lose_alerts_and_are_worse(
    settings: HistorySettings,
) -> None:
    report, _trial = backtest(DEAF, OLD, open_reader(settings), START, START + 10 * DAY)

    (change,) = [one for one in report.changes if one.hazard is Hazard.FLOOD]
    assert len(change.lost) == 2
    assert report.verdict == "worse"
    told = "\n".join(lines(report, DEAF, "en"))
    assert "Underpass, flood: 2 dangers" in told
    assert "verdict: worse" in told
    assert "结论：更差" in lines(report, DEAF, "zh")[-1]


def test_the_same_profile_changes_nothing(settings: HistorySettings) -> None:
    report, _trial = backtest(OLD, OLD, open_reader(settings), START, START + 10 * DAY)

    assert report.verdict == "same"
    assert all(not change.gained and not change.lost for change in report.changes)


def test_without_history_nothing_is_said_and_nobody_is_approved(tmp_path: Path) -> None:
    empty = HistorySettings(path=str(tmp_path / "none.db"))

    report = run_backtest(EARLIER, OLD, empty, tmp_path, (START, START + DAY), START)

    assert report.verdict == "nothing"
    assert (
        approval.approved(approval.read(tmp_path / approval.FILE), "riverside", ()) == frozenset()
    )


def test_a_learned_detector_may_speak_only_after_enough_quiet_history(
    settings: HistorySettings, tmp_path: Path
) -> None:
    from detectors.trial import Trial  # noqa: PLC0415  # only here

    rules = Trial(OLD).rules
    run_backtest(OLD, OLD, settings, tmp_path, (START, START + 10 * DAY), START)
    records = approval.read(tmp_path / approval.FILE)
    (record,) = [one for one in records if one.rule == "unusual-count"]
    assert (record.passed, record.why) == (False, "too-short")
    assert approval.approved(records, "riverside", rules) == frozenset()

    run_backtest(OLD, OLD, settings, tmp_path, (START, START + 35 * DAY), START)
    records = approval.read(tmp_path / approval.FILE)
    (record,) = [one for one in records if one.rule == "unusual-count"]
    assert (record.passed, record.why) == (True, "passed")
    assert record.start == START
    assert record.tested.startswith("2025-11-30")
    assert approval.approved(records, "riverside", rules) >= {"unusual-count"}
    assert approval.approved(records, "another-site", rules) == frozenset()


def test_a_record_of_another_setting_or_a_broken_file_approves_nobody(tmp_path: Path) -> None:
    from detectors.trial import Trial  # noqa: PLC0415  # only here

    rules = Trial(OLD).rules
    path = tmp_path / approval.FILE
    record = approval.Approval(
        rule="unusual-count",
        fingerprint="of another version",
        site="riverside",
        start=0,
        end=1,
        tested="",
        readings=1,
        passed=True,
        why="passed",
        false_per_month=0.0,
    )
    approval.write(path, [record])
    assert approval.approved(approval.read(path), "riverside", rules) == frozenset()

    good = msgspec.structs.replace(
        record, fingerprint=approval.fingerprints(rules)["unusual-count"]
    )
    approval.write(path, [good])
    assert approval.approved(approval.read(path), "riverside", rules) == {"unusual-count"}
    assert len(approval.read(path)) == 1

    path.write_bytes(b"{")
    assert approval.read(path) == []


def test_the_command_prints_json_and_refuses_a_span_that_ends_before_it_begins(
    settings: HistorySettings, tmp_path: Path
) -> None:
    new, old, hub = tmp_path / "new.toml", tmp_path / "old.toml", tmp_path / "hub.toml"
    new.write_text(PROFILE.format(limits="blue = 0.2\nyellow = 0.35\norange = 0.5"))
    old.write_text(PROFILE.format(limits="orange = 0.5"))
    hub.write_text(f'[history]\nkind = "sqlite"\npath = "{settings.path}"\n')
    words = ["--community", str(new), "--against", str(old), "--hub", str(hub)]
    words += ["--state", str(tmp_path), "--json"]
    run = CliRunner()

    made = run.invoke(app, ["backtest", *words, "--from", "2025-11-30", "--to", "2025-12-10"])
    assert made.exit_code == 0, made.output
    report = json.loads(made.stdout)
    assert report["verdict"] == "better"
    assert report["changes"][0]["hazard"] == "flood"

    refused = run.invoke(app, ["backtest", *words, "--from", "2025-12-10", "--to", "2025-12-01"])
    assert refused.exit_code == 2


def test_local_times_are_those_of_the_site() -> None:
    assert instant("2025-12-01", "Asia/Shanghai") == instant("2025-11-30T16:00:00+00:00", "UTC")
