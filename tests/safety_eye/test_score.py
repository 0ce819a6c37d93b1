"""How recordings are scored: pure functions with cases worked by hand, and one small directory."""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from core.finding import Hazard
from core.grade import Grade
from core.quantity import Quantity
from detectors.limit_lane import Floats
from safety_eye import score_nab
from safety_eye.cli import app
from safety_eye.score.baselines import fixed_threshold, rolling_z
from safety_eye.score.cases import cases_of
from safety_eye.score.command import ScoreError, score_directory
from safety_eye.score.episodes import Episode, episodes_of, match
from safety_eye.score.floods import constant_share
from safety_eye.score.intervals import f1, wilson
from safety_eye.score.marks import Mark, Marks, read_marks
from safety_eye.score.measure import FRACTIONS, OURS, Case, observed_s, storms_of
from safety_eye.score.nuisance import score_nuisance
from safety_eye.score.profile import count, profiles, sigmoid
from safety_eye.score.sections import AIR, CROWD, FIRE, FLOOD, GENERAL, QUIET, STREET, section_of
from safety_eye.score.tally import MONTH_S, Tally, sum_of
from safety_eye.score.track import Played, Track

HOUR = 3_600_000


def played_of(
    values: list[float],
    *,
    kind: str = "water",
    quantity: Quantity = Quantity.WATER_LEVEL,
    interval_s: float = 900.0,
    limits: tuple[float, ...] = (3.0,),
    grades: list[int] | None = None,
    events: tuple[Mark, ...] = (),
    mean: bool = False,
    name: str = "any",
) -> Played:
    rows = len(values)
    at = np.arange(rows, dtype=np.int64) * round(1000 * interval_s)
    track = Track(
        "level",
        quantity,
        Hazard.FLOOD,
        np.array(values),
        limits,
        mean,
        np.array(grades or [0] * rows, np.int8),
        np.zeros(rows),
        np.zeros(rows, np.bool_),
    )
    return Played(name, kind, interval_s, None, at, (track,), Marks(events, (), {}))


# Shares.


def test_a_share_has_the_wilson_interval_of_the_textbook() -> None:
    half = wilson(5, 10)
    assert (half.value, half.low, half.high) == (0.5, 0.2366, 0.7634)
    assert wilson(0, 0).value is None


def test_f1_is_two_found_over_two_found_and_errors_and_keeps_its_order() -> None:
    share = f1(6, 2, 1)
    assert share.value == pytest.approx(12 / 15)
    assert share.low is not None
    assert share.high is not None
    assert share.low < 0.8 < share.high
    assert f1(0, 0, 0).value is None


# Episodes.


def test_a_pause_longer_than_the_merge_time_begins_another_episode() -> None:
    at = np.arange(10, dtype=np.int64) * HOUR
    alarm = np.isin(np.arange(10), [1, 2, 5, 9])
    assert episodes_of(at, alarm, 3 * HOUR) == [
        Episode(1 * HOUR, 5 * HOUR),
        Episode(9 * HOUR, 9 * HOUR),
    ]


def test_a_lead_reaches_from_the_first_alarm_to_the_onset_and_is_credited_up_to_a_bound() -> None:
    flood = Mark(100 * HOUR, 110 * HOUR)
    early, late = Episode(70 * HOUR, 101 * HOUR), Episode(102 * HOUR, 104 * HOUR)
    verdict = match([early, late], [flood], [100 * HOUR], reach_ms=0, credit_ms=24 * HOUR)
    assert verdict.leads_ms == (24 * HOUR,)
    verdict = match([late], [flood], [100 * HOUR], reach_ms=0, credit_ms=24 * HOUR)
    assert verdict.leads_ms == (-2 * HOUR,)
    assert verdict.false == ()


def test_an_alarm_that_ended_too_long_before_an_event_is_false_and_warned_of_nothing() -> None:
    flood = Mark(100 * HOUR, 110 * HOUR)
    before = Episode(80 * HOUR, 93 * HOUR)
    near = match([before], [flood], [flood.start_ms], reach_ms=7 * HOUR, credit_ms=24 * HOUR)
    assert (near.leads_ms, near.false) == ((20 * HOUR,), ())
    far = match([before], [flood], [flood.start_ms], reach_ms=6 * HOUR, credit_ms=24 * HOUR)
    assert (far.leads_ms, far.false) == ((None,), (before,))
    assert far.found == 0


def test_an_excused_stretch_is_neither_asked_for_nor_false() -> None:
    puddle = Mark(10 * HOUR, 12 * HOUR)
    alarm = Episode(11 * HOUR, 11 * HOUR)
    assert match([alarm], [], [], reach_ms=0, credit_ms=0, excused=[puddle]).false == ()
    assert match([alarm], [], [], reach_ms=0, credit_ms=0).false == (alarm,)


# NAB profiles.


def test_the_profile_of_one_window_is_worked_by_hand() -> None:
    # Window rows 10..19, hit at row 15, one false row 3 rows behind it (3 / 9 of a width).
    fires = np.zeros(40, np.bool_)
    fires[[15, 22]] = True
    counted = count(fires, [(10, 19)])
    hit = (2 / (1 + np.exp(5 * -0.5)) - 1) / (2 / (1 + np.exp(-5)) - 1)
    cost = 2 / (1 + np.exp(5 / 3)) - 1
    assert counted.reward == pytest.approx(hit)
    assert counted.penalty == pytest.approx(cost)
    told = profiles(counted)
    assert told.standard == pytest.approx(100 * (hit + 0.11 * cost + 1) / 2, abs=0.01)
    assert told.low_fn == pytest.approx(100 * (hit + 0.11 * cost + 2) / 3, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_counting_agrees_with_the_benchmarks_own_score(seed: int) -> None:
    chance = np.random.default_rng(seed)
    fires = chance.random(600) < 0.03
    windows = ((120, 160), (300, 340), (500, 520))
    labels = score_nab.Labels(600, windows)
    counted = count(fires, windows, labels.probation)
    for profile, ours in zip(
        score_nab.PROFILES, msgspec.structs.astuple(profiles(counted)), strict=True
    ):
        raw = score_nab.steps(fires.astype(np.float64), labels, profile).raw(0.5)
        assert ours == pytest.approx(score_nab.normalise(raw, [labels], profile), abs=0.006)


def test_the_sigmoid_is_the_published_one() -> None:
    places = np.array([-1.0, -0.3, 0.0, 0.7, 3.0, 3.1])
    assert sigmoid(places).tolist() == pytest.approx([score_nab.sigmoid(p) for p in places])


# Baselines.


@pytest.mark.parametrize("seed", range(3))
def test_the_rolling_baseline_never_looks_ahead(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(400)
    values[[150, 290]] = 9.0
    values[200:210] = np.nan
    whole = rolling_z(values, Quantity.OTHER)
    assert whole[150]
    assert whole[290]
    assert not whole[200:210].any()
    for end in (151, 200, 333):
        assert (rolling_z(values[:end], Quantity.OTHER) == whole[:end]).all()


@pytest.mark.parametrize("values", [[], [np.nan] * 200], ids=["no rows", "no values"])
def test_the_rolling_baseline_has_nothing_to_say_of_nothing(values: list[float]) -> None:
    assert not rolling_z(np.array(values), Quantity.OTHER).any()


def test_the_fixed_baseline_takes_the_lowest_published_limit() -> None:
    values = np.array([0.0, 1.9, 2.0, np.nan, 5.0])
    told = fixed_threshold(values, [4.0, 2.0], Quantity.WATER_LEVEL)
    assert told.tolist() == [False, False, True, False, True]


# Cases.


def test_a_gauge_is_scored_from_its_crossing_of_the_limit() -> None:
    values = [1.0] * 40 + [2.5] * 8 + [3.1] * 12 + [1.0] * 140
    grades = [0] * 40 + [2] * 20 + [0] * 90 + [2] + [0] * 49
    event = Mark(48 * 900_000, 59 * 900_000, (), "flood", "published-threshold")
    case = cases_of(played_of(values, grades=grades, events=(event,)))[0]
    assert case.section == FLOOD.name
    ours = case.tallies[OURS].figures()
    assert ours.lead_s == (8 * 900.0,)
    assert (ours.found, ours.before, ours.false_alarms) == (1, 1, 1)
    assert case.tallies["fixed-threshold"].figures().lead_s == (0.0,)
    # A constant share of 0.8 of the limit is 2.4 m: crossed eight readings before.
    assert case.fractions[FRACTIONS.index(0.8)].leads_s == (8 * 900.0,)


def test_a_street_event_below_the_lowest_limit_is_reported_apart() -> None:
    values = [0.0] * 30 + [0.07] * 10 + [0.0] * 300 + [0.12] * 10 + [0.0] * 50
    grades = [0] * 30 + [1] * 10 + [0] * 300 + [2] * 10 + [0] * 50
    minor = Mark(30 * 60_000, 39 * 60_000)
    major = Mark(340 * 60_000, 349 * 60_000)
    case = cases_of(
        played_of(values, interval_s=60.0, limits=(0.1016,), grades=grades, events=(minor, major))
    )[0]
    assert case.section == STREET.name
    assert case.tallies[OURS].leads_s == (0.0,)
    assert case.extra == {"minor_events": 1, "minor_found_by_blue": 1}


@pytest.mark.parametrize(
    ("kind", "quantity", "interval_s", "limits", "mean", "section"),
    [
        ("water", Quantity.WATER_LEVEL, 900.0, (3.0,), False, FLOOD),
        ("water", Quantity.WATER_LEVEL, 60.0, (0.1,), False, STREET),
        ("smoke", Quantity.TEMPERATURE, 2.0, (), False, FIRE),
        ("air", Quantity.PM2_5, 3600.0, (150.0,), True, AIR),
        ("people", Quantity.PEOPLE_COUNT, 3600.0, (), False, CROWD),
        ("people", Quantity.CARBON_DIOXIDE, 60.0, (), False, QUIET),
        ("general", Quantity.OTHER, 300.0, (), False, GENERAL),
    ],
)
def test_a_section_follows_from_what_a_recording_is_and_never_from_its_name(
    kind: str,
    quantity: Quantity,
    interval_s: float,
    limits: tuple[float, ...],
    mean: bool,
    section: object,
) -> None:
    for name in ("ea-don", "floodnet-x", "q7"):
        played = played_of(
            [0.0] * 4,
            kind=kind,
            quantity=quantity,
            interval_s=interval_s,
            limits=limits,
            mean=mean,
            name=name,
        )
        assert section_of(played, played.tracks[0]) is section


def test_gaps_are_no_observed_time() -> None:
    at = np.array([0, 900_000, 10**9, 10**9 + 900_000], np.int64)
    assert observed_s(at, 900.0) == 4 * 900.0


def test_sums_of_tallies_give_the_figures_of_all() -> None:
    one = Tally((3600.0, None), 2, MONTH_S)
    both = sum_of([one, Tally((7200.0,), 1, 2 * MONTH_S)]).figures()
    assert (both.events, both.found, both.false_alarms) == (3, 2, 3)
    assert both.median_lead_s == 5400.0
    assert both.false_per_sensor_month == 1.0
    assert both.precision.value == 0.4
    assert both.recall.value == pytest.approx(2 / 3, abs=1e-4)


# The constant share of the limit.


def test_a_storm_is_left_out_when_its_share_is_chosen() -> None:
    """Low shares are early but cry wolf; 0.50 is the lowest that stays within the budget."""
    months = 100 * MONTH_S

    def tally(leads: tuple[float, float], fraction: float) -> Tally:
        false = 0 if fraction >= 0.5 else 40
        return Tally(tuple(lead * (1.0 - fraction) for lead in leads), false, months)

    day = 24 * HOUR
    case = Case(
        "r",
        ("level",),
        FLOOD.name,
        {OURS: Tally()},
        {},
        (0, 30 * day),
        tuple(tally((3600.0, 7200.0), fraction) for fraction in FRACTIONS),
    )
    told = constant_share([case])
    assert told.storms == 2
    assert told.chosen == ((0.5,), (0.5,))
    assert told.median_lead_s == pytest.approx((1800.0 + 3600.0) / 2)
    assert told.false_per_sensor_month == 0.0


def test_floods_of_the_same_days_are_one_storm() -> None:
    day = 24 * HOUR
    assert storms_of([0, 40 * day, 2 * day, 41 * day], 5 * day) == [[0, 2], [1, 3]]


# Nuisance.


def test_nuisance_hours_are_the_same_for_the_same_seed_and_raise_no_red() -> None:
    first, again = score_nuisance(4, seed=5), score_nuisance(4, seed=5)
    assert first == again
    assert first.hours == 4
    assert first.total(Grade.RED) == 0
    assert all(0.0 < level < 1.0 for level in first.highest_db_m.values())


# A directory.


def write_gauge(directory: Path, name: str, values: Floats) -> None:
    at = np.datetime64("2020-01-01T00:00:00", "s") + np.arange(values.size) * np.timedelta64(900)
    with gzip.open(directory / f"{name}.csv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["at", "stage"])
        writer.writerows([f"{t}Z", round(float(v), 3)] for t, v in zip(at, values, strict=True))
    flood = np.flatnonzero(values >= 3.0)
    event = {
        "channels": ["stage"],
        "start": f"{at[flood[0]]}Z",
        "end": f"{at[flood[-1]]}Z",
        "label": "flood",
        "source": "published-threshold",
    }
    facts = {
        "format": 1,
        "name": name,
        "kind": "water",
        "interval_s": 900,
        "timezone": None,
        "channels": {"stage": {"quantity": "water-level", "unit": "m"}},
        "limits": {"stage": {"flood": 3.0}},
        "events": [event],
        "faults": [],
        "reference": {},
    }
    (directory / f"{name}.json").write_bytes(msgspec.json.encode(facts))


def rising_gauge() -> Floats:
    hours = np.arange(400) / 4.0
    return 0.5 + 3.2 * np.exp(-(((hours - 60.0) / 8.0) ** 2))


def test_a_directory_is_scored_and_a_broken_file_is_named_without_spoiling_the_rest(
    tmp_path: Path,
) -> None:
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    write_gauge(inner, "river-1", rising_gauge())
    write_gauge(tmp_path, "river-2", rising_gauge())
    write_gauge(tmp_path, "river-3", rising_gauge())
    whole = (tmp_path / "river-2.csv.gz").read_bytes()
    for name in ("broken", "damaged"):
        (tmp_path / f"{name}.json").write_bytes((tmp_path / "river-2.json").read_bytes())
    (tmp_path / "broken.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "damaged.csv.gz").write_bytes(whole[:60] + b"\xff\xff" + whole[62:])
    (tmp_path / "lonely.csv.gz").write_bytes(whole)
    report = score_directory(tmp_path)
    assert [one.recording for one in report.recordings] == ["river-1", "river-2", "river-3"]
    refused = [str(tmp_path / f"{name}.csv.gz") for name in ("broken", "damaged", "lonely")]
    assert sorted(report.refused) == refused
    assert "lonely.json: No such file" in report.refused[refused[2]]
    flood = report.sections["flood"]
    ours = flood.detectors[OURS]
    assert (ours.events, ours.before, ours.false_alarms) == (3, 3, 0)
    assert flood.constant_share is not None
    assert flood.constant_share.storms == 1
    again = msgspec.json.decode(msgspec.json.encode(report))
    assert again["sections"]["flood"]["detectors"]["safety-eye"]["recall"]["value"] == 1.0


def write_smoke(directory: Path, name: str, rows: Sequence[str], **changed: object) -> None:
    text = "".join(f"2000-01-01T00:30:{n:02d}Z,{cell}\n" for n, cell in enumerate(rows))
    (directory / f"{name}.csv.gz").write_bytes(gzip.compress(f"at,smoke\n{text}".encode()))
    mark = {"start": "2000-01-01T00:30:00Z", "end": "2000-01-01T00:40:00Z", "label": "fire"}
    facts = {
        "name": name,
        "kind": "smoke",
        "interval_s": 1,
        "channels": {"smoke": {"quantity": "smoke-obscuration", "unit": "dB/m"}},
        "events": [mark],
        "reference": {"first_alarm_s": 30},
        **changed,
    }
    (directory / f"{name}.json").write_bytes(msgspec.json.encode(facts))


def test_odd_recordings_are_scored_or_refused_and_never_end_the_run(tmp_path: Path) -> None:
    write_smoke(tmp_path, "no-rows", [])
    write_smoke(tmp_path, "no-values", [""] * 40)
    write_smoke(tmp_path, "fire", ["0.0"] * 20 + ["0.4"] * 40)
    write_smoke(tmp_path, "marks", ["0.0"], events=[{"start": "soon", "end": "later"}])
    write_gauge(tmp_path, "river", rising_gauge())
    lines = gzip.decompress((tmp_path / "river.csv.gz").read_bytes()).decode().splitlines()
    lines[100], lines[300] = lines[300], lines[100]
    (tmp_path / "back.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (tmp_path / "back.json").write_bytes((tmp_path / "river.json").read_bytes())

    report = score_directory(tmp_path)

    assert {one.recording for one in report.recordings} == {"fire", "no-rows", "no-values", "river"}
    assert [fire.recording for fire in report.fires] == ["fire"]
    assert report.refused == {
        str(tmp_path / "back.csv.gz"): f"{tmp_path}/back.csv.gz: "
        "reading 101 is older than the one before it",
        str(tmp_path / "marks.csv.gz"): f"{tmp_path}/marks.json: Invalid isoformat string: 'soon'",
    }


def test_marks_come_in_the_order_of_time(tmp_path: Path) -> None:
    write_gauge(tmp_path, "river", rising_gauge())
    marks = read_marks(tmp_path / "river.json")
    assert [mark.label for mark in marks.events] == ["flood"]
    assert marks.events[0].concerns("stage")
    assert not marks.events[0].concerns("other")


def test_a_directory_without_recordings_is_one_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(tmp_path)])
    assert result.exit_code == 2
    assert "no recording" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_the_library_for_charts_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gauge(tmp_path, "river", rising_gauge())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ScoreError, match=r"pip install safety-eye\[score\]"):
        score_directory(tmp_path, tmp_path / "plots")


def test_a_chart_is_drawn_for_a_recording(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts need the extra `score`")
    from safety_eye.score.plot import draw  # noqa: PLC0415  # an extra of its own

    event = Mark(48 * 900_000, 59 * 900_000)
    played = played_of([1.0] * 50 + [3.5] * 10, grades=[0] * 50 + [4] * 10, events=(event,))
    draw(played, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_the_figures_of_a_fire_test_are_plain_numbers_that_json_can_hold() -> None:
    fire = Mark(0, 90_000, (), "fire", "recorded")
    played = played_of(
        [0.0] * 10,
        kind="smoke",
        quantity=Quantity.SMOKE_OBSCURATION,
        interval_s=10.0,
        limits=(),
        grades=[0, 0, 0, 2, 2, 3, 3, 3, 3, 3],
        events=(fire,),
    )
    case = cases_of(played)[0]
    told = msgspec.json.decode(msgspec.json.encode(case.extra))
    assert (told["yellow_s"], told["orange_s"], told["red_s"]) == (30.0, 50.0, None)
