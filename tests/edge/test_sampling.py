from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.grade import Grade
from core.limits import Level, LimitRule
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from edge.chronometer import Chronometer
from edge.quality import Verdict
from edge.sampling import Sampler
from edge.tray import Tray
from edge.urgency import Urgency


def reading(at: int, value: float | None = 1.0, quality: Quality = Quality.GOOD) -> Reading:
    reasons = () if quality is Quality.GOOD else (Reason.RANGE,)
    return Reading("s", Quantity.TEMPERATURE, at, value, quality, reasons)


def test_ten_frames_a_second_become_one_reading_with_their_extremes() -> None:
    sampler = Sampler(1.0, event=False)
    values = [20.0 + (index % 7) for index in range(31)]
    left = [
        out
        for index, value in enumerate(values)
        if (out := sampler.offer(reading(index * 100, value), index * 100)) is not None
    ]
    assert len(left) == 4
    assert left[0].count == 1
    assert all(one.count >= 9 for one in left[1:])
    assert all((one.minimum, one.maximum) == (20.0, 26.0) for one in left[1:])


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=200), st.sampled_from([0.5, 1.0, 10.0]))
def test_never_more_than_one_reading_an_interval_in_the_long_run(
    gaps: list[int], interval_s: float
) -> None:
    sampler = Sampler(interval_s, event=False)
    at, left = 0, []
    for gap in gaps:
        at += gap
        if sampler.offer(reading(at), at) is not None:
            left.append(at)
    assert len(left) <= (left[-1] - left[0]) / (interval_s * 1000) + 1.11
    assert all(late - early >= 0.69 * interval_s * 1000 for early, late in pairwise(left))


def test_a_sender_with_jitter_loses_no_interval() -> None:
    sampler = Sampler(1.0, event=False)
    times = [index * 1000 + (index % 3 - 1) * 60 for index in range(1, 60)]
    assert all(sampler.offer(reading(at), at) is not None for at in times)


def test_bad_readings_are_not_hidden_behind_one_good_one() -> None:
    sampler = Sampler(1.0, event=False)
    sampler.offer(reading(0), 0)
    for at in range(100, 900, 100):
        quality = Quality.GOOD if at == 500 else Quality.BAD
        sampler.offer(reading(at, 1.0, quality), at)
    left = sampler.offer(reading(1000, None, Quality.BAD), 1000)
    assert left is not None
    assert left.quality is Quality.BAD


def test_a_single_bad_frame_among_good_ones_is_counted_and_the_last_good_value_leaves() -> None:
    sampler = Sampler(1.0, event=False)
    sampler.offer(reading(0), 0)
    for at in range(100, 900, 100):
        sampler.offer(reading(at, float(at)), at)
    left = sampler.offer(reading(1000, None, Quality.BAD), 1000)
    assert left is not None
    assert (left.value, left.quality, left.at) == (800.0, Quality.GOOD, 800)
    assert sampler.masked_bad == 1


def test_a_door_reports_each_change_at_once_and_its_state_every_interval() -> None:
    sampler = Sampler(5.0, event=True)
    states = {0: 0.0, 1200: 1.0, 1300: 0.0}
    state, left = 0.0, []
    for at in range(0, 12_000, 100):
        state = states.get(at, state)
        out = sampler.offer(reading(at, state), at)
        if out is not None:
            left.append((out.at, out.value))
    assert left[:3] == [(0, 0.0), (1200, 1.0), (1300, 0.0)]
    assert len(left) <= 5
    assert left[-1][0] - left[2][0] >= 4000


def test_times_before_and_after_synchronisation_are_not_mixed() -> None:
    sampler = Sampler(1.0, event=False)
    sampler.offer(reading(0, 50.0), 0, sync=False)
    sampler.offer(reading(500, 99.0), 500, sync=False)
    left = sampler.offer(reading(1_764_500_000_000, 1.0), 1000, sync=True)
    assert left is not None
    assert (left.value, left.count) == (1.0, 1)


LEVEL = LimitRule((Level(Grade.BLUE, 0.05), Level(Grade.RED, 0.27, dwell_up_ms=3000)), True, 0.02)


def test_a_crossing_is_urgent_once_a_rise() -> None:
    urgency = Urgency(Quantity.WATER_LEVEL, [LEVEL], weak=False)
    values = [0.0, 0.06, 0.07, 0.06, 0.30, 0.31, 0.30]
    seen = [urgency.crosses(Verdict(value), 1000 * index) for index, value in enumerate(values)]
    assert seen == [False, True, False, False, True, False, False]


def test_the_reading_that_ends_the_dwell_is_urgent() -> None:
    urgency = Urgency(Quantity.WATER_LEVEL, [LEVEL], weak=False)
    seen = [urgency.raises(Verdict(0.3), 1000 * index) for index in range(6)]
    assert seen == [True, False, False, True, False, False]


def test_a_weakly_protected_device_needs_two_frames_that_agree() -> None:
    urgency = Urgency(Quantity.WATER_LEVEL, [LEVEL], weak=True)
    values = [0.0, 0.3, 0.0, 0.3, 0.3]
    seen = [urgency.crosses(Verdict(value), 1000 * index) for index, value in enumerate(values)]
    assert seen == [False, False, False, False, True]
    assert not urgency.raises(Verdict(0.3), 5000)
    assert urgency.raises(Verdict(0.3), 6000)


def test_every_change_of_a_certified_alarm_is_urgent() -> None:
    urgency = Urgency(Quantity.ALARM_INPUT, [], weak=False)
    bits = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    seen = [urgency.crosses(Verdict(bit), 1000 * index) for index, bit in enumerate(bits)]
    assert seen == [False, False, True, False, True, False]


def test_an_alarm_that_stands_at_the_start_is_urgent() -> None:
    assert Urgency(Quantity.ALARM_INPUT, [], weak=False).crosses(Verdict(1.0), 0)


def test_totals_of_a_people_counter_are_never_judged_as_if_they_were_counts() -> None:
    rule = LimitRule((Level(Grade.YELLOW, 60.0),))
    urgency = Urgency(Quantity.PEOPLE_IN, [rule], weak=False)
    assert not urgency.crosses(Verdict(104_100.0), 0)


def test_a_full_tray_drops_the_oldest_and_says_how_many() -> None:
    tray = Tray(most=3)
    for at in range(5):
        tray.add(reading(at), sync=at > 0, urgent=False)
    batches, dropped = tray.take()
    assert [one.at for batch in batches for one in batch.readings] == [2, 3, 4]
    assert dropped == 2
    assert tray.take() == ([], 0)


def test_the_tray_asks_for_a_commit_before_more_is_at_risk_than_was_declared() -> None:
    tray = Tray(flush_at=3)
    for at in range(2):
        tray.add(reading(at), sync=True, urgent=False)
    assert not tray.wake.is_set()
    tray.add(reading(2), sync=True, urgent=False)
    assert tray.wake.is_set()
    assert tray.urgent


class SteppedClock(ManualClock):
    """Wall clock and monotonic clock move apart, as when somebody sets the time."""

    mono_s: float = 1000.0

    def monotonic_s(self) -> float:
        return self.mono_s

    def pass_time(self, seconds: float) -> None:
        self.mono_s += seconds
        self.advance(seconds)


def test_an_untrusted_clock_counts_from_boot_until_it_is_trusted() -> None:
    clock = SteppedClock()
    synchronised: list[bool] = []
    chronometer = Chronometer(clock, trusted=False, synchronised=lambda: bool(synchronised))
    clock.pass_time(2.5)
    assert chronometer.now() == (2500, False, 2500)
    clock.advance(86_400)
    synchronised.append(True)
    clock.pass_time(2.5)
    instant = chronometer.now()
    assert (instant.at, instant.sync, instant.elapsed_ms) == (clock.now_ms(), True, 5000)
    assert chronometer.health().jumps == 0


def test_a_clock_that_is_set_back_never_turns_the_order_of_readings_round() -> None:
    clock = SteppedClock()
    chronometer = Chronometer(clock, trusted=True)
    before = chronometer.now().at
    clock.advance(-60)
    times = []
    for _ in range(1200):
        clock.pass_time(1.0)
        times.append(chronometer.now().at)
    assert times[0] > before
    assert {late - early for early, late in pairwise(times[:500])} == {900}
    assert times[-1] == clock.now_ms()
    assert chronometer.health().jumps == 1
    assert chronometer.health().ahead_s == pytest.approx(0.0)


def test_a_clock_that_is_set_forward_is_followed_and_counted() -> None:
    clock = SteppedClock()
    chronometer = Chronometer(clock, trusted=True)
    clock.pass_time(1.0)
    chronometer.now()
    clock.advance(3600)
    assert chronometer.now().at == clock.now_ms()
    assert chronometer.health().jumps == 1


def test_a_fast_run_is_no_jump() -> None:
    clock = SteppedClock(speed=60.0)
    chronometer = Chronometer(clock, trusted=True)
    for _ in range(100):
        clock.mono_s += 0.1
        clock.advance(6.0)
        chronometer.now()
    assert chronometer.health().jumps == 0
    assert chronometer.now().elapsed_ms == 600_000


def test_of_a_slow_quantity_the_mean_leaves_with_extremes_and_number() -> None:
    sampler = Sampler(10.0, event=False, mean=True)
    sampler.offer(reading(0, 99.0), 0)
    for at in range(1000, 9000, 1000):
        assert sampler.offer(reading(at, 20.0 + at / 1000), at) is None
    left = sampler.offer(reading(10_000, None, Quality.BAD), 10_000)
    assert left is not None
    assert (left.value, left.minimum, left.maximum, left.count) == (24.5, 21.0, 28.0, 8)
    assert (left.at, left.quality) == (8000, Quality.GOOD)


def calm_and_steady(sampler: Sampler, until_ms: int, step_ms: int = 1000) -> list[int]:
    return [
        at
        for at in range(0, until_ms, step_ms)
        if sampler.offer(reading(at), at, calm=True) is not None
    ]


def test_within_its_deadband_a_calm_value_leaves_only_at_its_heartbeat() -> None:
    assert calm_and_steady(Sampler(1.0, event=False, deadband=0.5), 61_000) == [
        0,
        20_000,
        40_000,
        60_000,
    ]
    slow = Sampler(30.0, event=False, deadband=0.5)
    assert calm_and_steady(slow, 150_000, 30_000) == [0, 60_000, 120_000]
    own = Sampler(1.0, event=False, deadband=0.5, heartbeat_s=5)
    assert calm_and_steady(own, 11_000) == [0, 5000, 10_000]


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=80))
def test_nobody_is_ever_farther_from_the_truth_than_the_deadband(values: list[float]) -> None:
    sampler = Sampler(1.0, event=False, deadband=0.5)
    known = None
    for at, value in enumerate(values):
        left = sampler.offer(reading(at * 1000, value), at * 1000, calm=True)
        known = left.value if left is not None else known
        assert known is not None
        assert abs(known - value) <= 0.5


def test_a_peak_between_two_calm_values_is_not_held_back() -> None:
    sampler = Sampler(1.0, event=False, deadband=0.5)
    sampler.offer(reading(0, 1.0), 0, calm=True)
    sampler.offer(reading(300, 4.0), 300, calm=True)
    left = sampler.offer(reading(1000, 1.0), 1000, calm=True)
    assert left is not None
    assert left.maximum == 4.0


def test_doubts_and_reached_limits_end_the_calm_of_a_deadband() -> None:
    sampler = Sampler(1.0, event=False, deadband=0.5)
    sampler.offer(reading(0), 0, calm=True)
    assert sampler.offer(reading(1000, 1.0, Quality.UNCERTAIN), 1000, calm=True) is not None
    assert sampler.offer(reading(2000), 2000, calm=True) is not None
    assert sampler.offer(reading(3000), 3000, calm=True) is None
    assert sampler.offer(reading(4000), 4000, calm=False) is not None


def test_calm_ends_with_the_first_limit_and_comes_back_below_it() -> None:
    urgency = Urgency(Quantity.WATER_LEVEL, [LEVEL], weak=False)
    seen = []
    for at, value in enumerate([0.0, 0.06, 0.06, 0.0]):
        urgency.crosses(Verdict(value), at * 1000)
        seen.append(urgency.calm)
    assert seen[:3] == [True, False, False]
