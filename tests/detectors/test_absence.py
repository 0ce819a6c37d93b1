"""What is not there: silence, roll call, lost and stopped stations."""

from __future__ import annotations

import msgspec
import pytest

from core.community import Community
from core.community_file import parse_community
from core.finding import Condition, Finding
from core.grade import Grade
from core.identity import SeriesId
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.plan import plan_of
from detectors.snapshot import collect, restore

NOW = 1_764_500_000_000
PROFILE = """
[site]
id = "riverside"
name = { en = "Riverside" }
[[zone]]
id = "north"
name = { en = "North" }
[[zone]]
id = "underpass"
parent = "north"
name = { en = "Underpass" }
[[zone]]
id = "garden"
parent = "north"
name = { en = "Garden" }
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
interval_s = 1
[[sensor]]
id = "air-1"
station = "north-1"
zone = "garden"
driver = "plantower_pmsx003"
quantity = "pm2-5"
hazard = "air"
interval_s = 60
"""


class Night:
    """A bank and its watch, moved by hand."""

    def __init__(self, community: Community, speed: float = 1.0) -> None:
        plans = plan_of(community)
        self.bank = Bank(plans)
        self.watch = Absence(community, plans, speed, NOW)
        self.now = NOW

    def hear(
        self, *sensors: str, quality: Quality = Quality.GOOD, reasons: tuple[Reason, ...] = ()
    ) -> list[Finding]:
        made = [
            Reading(
                series.sensor,
                series.quantity,
                self.now,
                None if quality is Quality.BAD else 0.0,
                quality,
                reasons,
            )
            for series in self.bank.slots
            if series.sensor in sensors
        ]
        batch = batch_of(made, self.bank.slots)
        self.watch.hear(batch, self.now)
        self.watch.hear_station("north-1", self.now)
        return self.bank.update(batch, self.now)

    def wait(self, seconds: float) -> list[Finding]:
        self.now += round(seconds * 1000)
        found = self.watch.tick(self.now)
        return found + self.bank.set_absent(self.watch.absent, self.now)

    def play(self, seconds: int, *sensors: str) -> list[Finding]:
        found: list[Finding] = []
        for _ in range(seconds):
            found += self.hear(*sensors)
            found += self.wait(1)
        return found


@pytest.fixture
def night() -> Night:
    return Night(parse_community(PROFILE))


def alarms(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.subject, f.rule, f.grade.word) for f in found if f.grade > Grade.GREEN]


def test_a_silent_flood_sensor_is_yellow_after_a_minute_and_clears_when_heard(
    night: Night,
) -> None:
    night.play(5, "gauge-1", "air-1")
    assert alarms(night.play(60, "air-1")) == []

    found = night.play(1, "air-1")

    assert alarms(found) == [("gauge-1.water-level", "silence", "yellow")]
    silence = found[0]
    assert silence.because.silent_s == pytest.approx(61, abs=1)
    assert silence.because.expected_s == 1
    assert [f.condition for f in found if f.rule == "limit-high"] == [Condition.UNKNOWN]
    back = night.play(1, "gauge-1", "air-1")
    assert [(f.rule, f.condition) for f in back if f.rule in ("silence", "limit-high")] == [
        ("limit-high", Condition.CLEARED),
        ("silence", Condition.CLEARED),
    ]


def test_a_slow_sensor_has_three_intervals_of_time(night: Night) -> None:
    night.play(2, "gauge-1", "air-1")

    assert alarms(night.play(178, "gauge-1")) == []
    assert alarms(night.play(4, "gauge-1")) == [("air-1.pm2-5", "silence", "blue")]


def test_a_fast_run_allows_ten_seconds_for_each_unit_of_speed() -> None:
    night = Night(parse_community(PROFILE), speed=60.0)
    night.hear("gauge-1", "air-1")
    night.wait(1)

    assert alarms(night.wait(640)) == []
    assert [rule for _, rule, _ in alarms(night.wait(15))] == ["link"]


def test_a_registered_sensor_that_never_reports_is_missed_at_roll_call(night: Night) -> None:
    found = night.play(62, "air-1")

    assert alarms(found) == [("gauge-1.water-level", "silence", "yellow")]
    assert next(f for f in found if f.grade).because.note == "never-reported"


def test_a_station_that_never_reports_is_one_finding_with_its_members(night: Night) -> None:
    found = night.wait(61)

    assert alarms(found) == [("station.north-1", "link", "yellow")]
    link = found[0]
    assert link.because.note == "never-reported"
    assert link.because.members == ("gauge-1.water-level", "air-1.pm2-5")
    assert link.zone == "north"


def test_a_will_makes_one_link_finding_and_no_sensor_alarm(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.watch.status("north-1", Link.OFFLINE, night.now, retained=False)

    found = night.wait(1)
    later = night.wait(4000)

    assert alarms(found) == [("station.north-1", "link", "yellow")]
    assert alarms(later) == []
    assert {f.condition for f in found if f.rule != "link"} == {Condition.UNKNOWN}
    assert next(f for f in found if f.rule == "link").because.note == "link"


def test_a_lost_station_freezes_the_grade_of_its_sensors(night: Night) -> None:
    high = Reading("gauge-1", Quantity.WATER_LEVEL, night.now, 0.3)
    for second in range(5):
        reading = msgspec.structs.replace(high, at=night.now + 1000 * second)
        night.bank.update(batch_of([reading], night.bank.slots), reading.at)
    night.now += 5000
    night.watch.status("north-1", Link.OFFLINE, night.now, retained=False)

    found = night.wait(1)

    limit = next(f for f in found if f.rule == "limit-high" and f.subject.startswith("gauge"))
    assert (limit.grade, limit.condition) == (Grade.RED, Condition.UNKNOWN)


def test_a_station_of_which_nothing_is_heard_is_lost_without_its_will(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")

    assert alarms(night.wait(62)) == [("station.north-1", "link", "yellow")]


def test_a_station_that_comes_back_gets_time_before_its_sensors_are_silent(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.watch.status("north-1", Link.OFFLINE, night.now, retained=False)
    night.wait(600)
    night.watch.status("north-1", Link.ONLINE, night.now, retained=False)

    found = night.wait(1)

    assert alarms(found) == []
    assert [(f.rule, f.condition) for f in found if f.rule == "link"] == [
        ("link", Condition.CLEARED)
    ]
    assert alarms(night.play(63, "gauge-1")) == []


def test_a_planned_stop_is_no_alarm_and_no_all_clear(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.watch.status("north-1", Link.STOPPED, night.now, retained=False)

    found = night.wait(1)

    assert alarms(found) == []
    assert found[0].because.note == "stopped"
    assert {f.condition for f in found} == {Condition.UNKNOWN}


def test_a_station_that_stays_stopped_is_blue_after_an_hour(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.watch.status("north-1", Link.STOPPED, night.now, retained=False)
    assert alarms(night.wait(3600)) == []

    found = night.wait(120)

    assert alarms(found) == [("station.north-1", "link", "blue")]


def test_a_sensor_is_not_called_silent_because_its_station_is(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.watch.hear_station("north-1", night.now + 30_000)

    found = night.wait(200)

    assert alarms(found) == [("station.north-1", "link", "yellow")]


def test_a_sensor_that_only_says_it_is_broken_is_reported_with_its_reason(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    found: list[Finding] = []
    for _ in range(63):
        night.hear("gauge-1", quality=Quality.BAD, reasons=(Reason.DEVICE_FAULT,))
        night.hear("air-1")
        found += night.wait(1)

    assert alarms(found) == [("gauge-1.water-level", "silence", "yellow")]
    assert found[-1].fault == "device-fault"
    assert found[-1].because.note == "faulty"


def test_whoever_was_not_listening_calls_nobody_silent(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.now += 3_600_000
    night.watch.listen_from(night.now)

    assert alarms(night.wait(1)) == []


def test_a_silent_sensor_stays_silent_over_a_new_connection_until_it_is_heard(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    assert alarms(night.play(61, "air-1")) == [("gauge-1.water-level", "silence", "yellow")]
    night.watch.listen_from(night.now)

    found = night.play(5, "air-1")

    assert [f for f in found if f.subject == "gauge-1.water-level"] == []
    slot = list(night.bank.slots).index(SeriesId("gauge-1", Quantity.WATER_LEVEL))
    assert night.watch.silence_finding(slot, night.now).condition is Condition.ACTIVE
    back = night.play(1, "gauge-1", "air-1")
    assert ("silence", Condition.CLEARED) in [(f.rule, f.condition) for f in back]


def test_a_silent_sensor_stays_silent_over_a_restart_until_it_is_heard(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    night.play(62, "air-1")
    after = Night(parse_community(PROFILE))
    after.now = night.now + 5000
    restore(collect(night.bank, night.watch), after.bank, after.watch)
    after.watch.listen_from(after.now)

    found = after.play(5, "air-1")

    assert [f for f in found if f.rule == "silence" and f.condition is Condition.CLEARED] == []
    slot = list(after.bank.slots).index(SeriesId("gauge-1", Quantity.WATER_LEVEL))
    silence = after.watch.silence_finding(slot, after.now)
    assert (silence.grade, silence.condition) == (Grade.YELLOW, Condition.ACTIVE)


def test_a_lost_station_stays_lost_over_a_new_connection_until_it_is_heard(night: Night) -> None:
    night.play(5, "gauge-1", "air-1")
    assert alarms(night.wait(62)) == [("station.north-1", "link", "yellow")]
    night.watch.listen_from(night.now)

    assert night.wait(30) == []
    assert night.watch.link_finding(0, night.now).because.silent_s == pytest.approx(92, abs=2)
    back = night.play(1, "gauge-1", "air-1")
    assert ("link", Condition.CLEARED) in [(f.rule, f.condition) for f in back]


def test_a_station_that_comes_back_says_nothing_of_a_sensor_before_it_is_heard(
    night: Night,
) -> None:
    night.play(5, "gauge-1", "air-1")
    night.play(62, "air-1")
    night.watch.status("north-1", Link.OFFLINE, night.now, retained=False)
    night.wait(600)
    night.watch.status("north-1", Link.ONLINE, night.now, retained=False)

    found = night.play(5, "air-1")

    silences = [f for f in found if f.rule == "silence" and f.subject.startswith("gauge-1")]
    assert {f.condition for f in silences} <= {Condition.UNKNOWN}
