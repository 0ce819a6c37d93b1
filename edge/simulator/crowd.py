"""Crowds: the rhythm of a week at a residential gate, surges, and people who share a room's air.

Arrivals are a Poisson process whose rate follows the hour of the week (the usual model of counts,
Ihler, Hutchins and Smyth 2006), summed once into cumulative counters as real devices keep them.
A room's carbon dioxide follows its mass balance:

    V dC/dt = G * people - Q * (C - outdoors)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.simulator.noise import poisson
from edge.simulator.phenomena import CrowdSurge, Event, Gate, Gathering, Room, swell

SLOT_S = 15.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
# Share of a day's trips in each hour, at a residential gate: out in the morning, in in the evening.
# This project's choice after the two-peak shape that the published pedestrian counts show.
WORKDAY_OUT = (
    4,
    2,
    1,
    1,
    2,
    10,
    40,
    120,
    140,
    70,
    50,
    50,
    55,
    50,
    45,
    45,
    50,
    60,
    70,
    55,
    40,
    20,
    12,
    8,
)
WORKDAY_IN = (
    10,
    4,
    2,
    1,
    1,
    3,
    12,
    30,
    35,
    35,
    40,
    60,
    65,
    45,
    40,
    50,
    70,
    110,
    140,
    100,
    70,
    40,
    22,
    15,
)
RESTDAY_OUT = (
    6,
    3,
    2,
    1,
    1,
    4,
    15,
    35,
    70,
    100,
    95,
    75,
    60,
    65,
    75,
    75,
    70,
    65,
    60,
    50,
    35,
    20,
    12,
    6,
)
RESTDAY_IN = (
    14,
    6,
    3,
    2,
    1,
    2,
    8,
    18,
    35,
    60,
    80,
    100,
    80,
    60,
    60,
    75,
    85,
    95,
    80,
    60,
    40,
    20,
    10,
    6,
)
RESTDAY_SHARE = 0.8  # fewer trips on Saturday and Sunday

# A calm adult breathes out about 0.0052 L/s of CO2 (ASHRAE 62.1, office work) = 18.7 L/h.
CO2_M3_H_PER_PERSON = 0.0187
# Outdoor air in 2025, rounded (NOAA global mean 425 ppm), a little more in a city.
OUTDOOR_CO2_PPM = 440.0
ROOM_STEP_S = 30.0


def habit_per_min(gate: Gate, week_s: float, *, inward: bool) -> float:
    """Return the habitual people a minute through *gate* at a second of the week (Monday 0:00)."""
    day, second = divmod(week_s % (7 * DAY_S), DAY_S)
    rest = day >= 5
    table = (
        (RESTDAY_IN if rest else WORKDAY_IN) if inward else (RESTDAY_OUT if rest else WORKDAY_OUT)
    )
    hour, share = divmod(second / HOUR_S, 1.0)
    now, following = table[int(hour)], table[(int(hour) + 1) % 24]
    per_day = gate.trips_per_day * (RESTDAY_SHARE if rest else 1.0)
    return per_day * ((1 - share) * now + share * following) / sum(table) / 60.0


@dataclass(frozen=True, slots=True)
class CountTable:
    """A cumulative counter at every slot; held after the end."""

    counts: tuple[int, ...]

    def count(self, t_s: float) -> int:
        """Return the counter at *t_s*; people of one slot are spread evenly over it."""
        place = max(0.0, t_s / SLOT_S)
        index = int(place)
        if index >= len(self.counts) - 1:
            return self.counts[-1]
        before, after = self.counts[index], self.counts[index + 1]
        return before + int((place - index) * (after - before))


def count_table(
    gate: Gate,
    events: Iterable[Event],
    duration_s: float,
    begins_s: float,
    seed: int,
    *,
    inward: bool,
) -> CountTable:
    """Draw the arrivals of the whole run and sum them."""
    surges = [
        event for event in events if isinstance(event, CrowdSurge) and event.zone == gate.zone
    ]
    name = f"{gate.zone}/{'in' if inward else 'out'}"
    counts = [0]
    for slot in range(int(duration_s / SLOT_S) + 1):
        t_s = slot * SLOT_S
        rate = habit_per_min(gate, begins_s + t_s, inward=inward)
        for surge in surges:
            extra = surge.in_per_min if inward else surge.out_per_min
            rate += extra * swell(surge, t_s, surge.ramp_s)
        counts.append(counts[-1] + poisson(rate * SLOT_S / 60.0, seed, name, slot))
    return CountTable(tuple(counts))


@dataclass(frozen=True, slots=True)
class RoomTable:
    """A room's carbon dioxide at every step, in ppm; held after the end."""

    co2_ppm: tuple[float, ...]

    def ppm(self, t_s: float) -> float:
        """Return the concentration at *t_s*."""
        return self.co2_ppm[min(max(0, int(t_s / ROOM_STEP_S)), len(self.co2_ppm) - 1)]


def room_table(
    room: Room, events: Iterable[Event], duration_s: float, begins_s: float
) -> RoomTable:
    """Integrate the carbon dioxide of *room* from outdoor air over the whole run."""
    meetings = [
        event for event in events if isinstance(event, Gathering) and event.zone == room.zone
    ]
    ppm = OUTDOOR_CO2_PPM
    values = []
    for step in range(int(duration_s / ROOM_STEP_S) + 2):
        values.append(ppm)
        t_s = step * ROOM_STEP_S
        people = habitual_guests(room, begins_s + t_s)
        people += sum(meeting.people for meeting in meetings if meeting.active(t_s))
        hours = ROOM_STEP_S / HOUR_S
        breathed = CO2_M3_H_PER_PERSON * people / room.volume_m3 * 1e6
        aired = room.fresh_air_m3_h / room.volume_m3 * (ppm - OUTDOOR_CO2_PPM)
        ppm += (breathed - aired) * hours
    return RoomTable(tuple(values))


def habitual_guests(room: Room, week_s: float) -> float:
    """Return how many people use a community room: every evening from 18:30 to 20:30, some by day.

    >>> habitual_guests(Room(zone="hall"), 19 * 3600)
    12.0
    """
    hour = week_s % DAY_S / HOUR_S
    if 18.5 <= hour < 20.5:
        return room.people
    return room.people / 3 if 9.0 <= hour < 11.0 else 0.0
