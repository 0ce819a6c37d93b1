"""What one detector achieved, as counts that add up, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import msgspec

from safety_eye.score.intervals import Share, f1, wilson
from safety_eye.score.profile import Counted, Profiles, profiles

MONTH_S = 30.44 * 86_400


class Figures(msgspec.Struct, frozen=True):
    """The figures of one detector on one recording or section.

    Attributes:
        events, found: Events that should be warned of, and those with an alarm.
        before: Of these, events whose alarm came before their onset.
        lead_s: Seconds from the alarm to the onset, one an event found; negative is a delay.
        median_lead_s: Its median.
        false_alarms: Episodes without an event.
        sensor_months: Observed time (30.44 days), gaps excluded.
        false_per_sensor_month: Quotient of the two.
        precision: found / (found + false), `recall`: found / events, `f1`, each with 95 % interval.
        profile: NAB profiles; hazards are scored by the first row of each episode.
    """

    events: int
    found: int
    before: int
    lead_s: tuple[float, ...]
    median_lead_s: float | None
    false_alarms: int
    sensor_months: float
    false_per_sensor_month: float | None
    precision: Share
    recall: Share
    f1: Share
    profile: Profiles


class Tally(msgspec.Struct, frozen=True):
    """Counts of one detector; `sum_of` adds them up.

    Attributes:
        leads_s: One an event, None where it was missed.
        false: Episodes without an event.
        observed_s: Observed seconds of all sensors.
        counted: For the NAB profiles.
    """

    leads_s: tuple[float | None, ...] = ()
    false: int = 0
    observed_s: float = 0.0
    counted: Counted = Counted()

    def figures(self) -> Figures:
        """Return what the counts mean."""
        leads = tuple(lead for lead in self.leads_s if lead is not None)
        months = self.observed_s / MONTH_S
        events, found = len(self.leads_s), len(leads)
        return Figures(
            events=events,
            found=found,
            before=sum(lead > 0 for lead in leads),
            lead_s=leads,
            median_lead_s=median(leads) if leads else None,
            false_alarms=self.false,
            sensor_months=round(months, 4),
            false_per_sensor_month=round(self.false / months, 4) if months else None,
            precision=wilson(found, found + self.false),
            recall=wilson(found, events),
            f1=f1(found, events - found, self.false),
            profile=profiles(self.counted),
        )


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Return the counts of all *tallies* together."""
    total = Tally()
    for one in tallies:
        total = Tally(
            total.leads_s + one.leads_s,
            total.false + one.false,
            total.observed_s + one.observed_s,
            total.counted + one.counted,
        )
    return total
