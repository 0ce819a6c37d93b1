"""What a run puts before the sensors: the world, or a recording where the scenario plays one."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from core.community import Community, SensorEntry
from core.configuration import ConfigurationError
from core.quantity import FACTS, Quantity
from edge.simulator.instrument import Sample
from edge.simulator.recording import Column, Counted, is_count, load_window, span_ms
from edge.simulator.scenario import Play, Scenario
from edge.simulator.world import World


@dataclass(frozen=True, slots=True)
class Track:
    """One played column, re-based to the run: its first row comes after the pre-roll.

    Attributes:
        column: The rows, canonical unit.
        base_ms: Instant of the recording that is second `preroll_s` of the run.
        preroll_s: Quiet seconds before.
        quiet: Value of the quiet seconds, canonical unit.
        counted: The rows as a counter, where the sensor is one.
    """

    column: Column
    base_ms: int
    preroll_s: float
    quiet: float
    counted: Counted | None = None

    def sample(self, t_s: float) -> Sample:
        """Return the value at *t_s*; the last one is held after the end."""
        if t_s < self.preroll_s:
            return Sample(self.quiet, exact=self.counted is not None)
        at_ms = self.base_ms + (t_s - self.preroll_s) * 1000.0
        if self.counted is not None:
            return Sample(self.counted.count_at(at_ms), exact=True)
        return Sample(self.column.level_at(at_ms), exact=True)


class Program:
    """True values by sensor: a track where there is one, else the world.

    Args:
        scenario: What happens; already narrowed by `with_window` if the window is another.
        community: The derived community.
        seed: Replaces the scenario's own seed.

    Raises:
        ConfigurationError: A recording can't be found or read.
    """

    def __init__(self, scenario: Scenario, community: Community, seed: int | None = None) -> None:
        self.world = World(scenario, community, seed)
        self.seed = self.world.seed
        self._tracks = tracks_of(scenario, community)

    def sample(self, entry: SensorEntry, quantity: Quantity, t_s: float) -> Sample:
        """Return the true value for a sensor's quantity at *t_s* seconds of the run."""
        track = self._tracks.get((entry.id, quantity))
        if track is not None:
            return track.sample(t_s)
        return Sample(self.world.value(quantity, entry.zone, t_s))


def with_window(scenario: Scenario, from_at: str = "", to_at: str = "") -> Scenario:
    """Return the scenario with its plays cut to another window, and its duration to match.

    Raises:
        ConfigurationError: The scenario plays no recording, or none covers the window.
    """
    if not (from_at or to_at):
        return scenario
    if not scenario.play:
        raise ConfigurationError(
            f"scenario {scenario.id}", "--from and --to need a scenario that plays a recording"
        )
    plays = tuple(
        msgspec.structs.replace(play, from_at=from_at or play.from_at, to_at=to_at or play.to_at)
        for play in scenario.play
    )
    begin, end = span_ms([_column(play, None) for play in plays])
    preroll = max(play.preroll_s for play in plays)
    # Marks of another window would be wrong: the truth of the file goes with its window.
    return msgspec.structs.replace(
        scenario, play=plays, truth=(), duration_s=preroll + (end - begin) / 1000.0
    )


def tracks_of(scenario: Scenario, community: Community) -> dict[tuple[str, Quantity], Track]:
    """Return the tracks of a scenario by sensor and quantity; all start at the same instant."""
    loaded = []
    for play in scenario.play:
        entry = community.sensor_of(play.sensor)
        if entry is None:
            raise ConfigurationError(
                f"scenario {scenario.id}", f"play: no sensor {play.sensor!r} takes part"
            )
        quantity = Quantity(play.quantity) if play.quantity else entry.quantity
        loaded.append((play, entry, quantity, _column(play, quantity)))
    if not loaded:
        return {}
    begin, _ = span_ms([column for *_, column in loaded])
    return {
        (entry.id, quantity): _track(scenario, play, quantity, column, begin)
        for play, entry, quantity, column in loaded
    }


def _track(
    scenario: Scenario, play: Play, quantity: Quantity, column: Column, begin_ms: int
) -> Track:
    counter = FACTS[quantity].cumulative
    fits = is_count(column.quantity) if counter else column.quantity is quantity
    if not fits:
        raise ConfigurationError(
            f"scenario {scenario.id}",
            f"play: {play.recording}/{play.channel} holds {column.quantity}, "
            f"which can't drive {play.sensor}/{quantity}",
        )
    first = 0.0 if counter else column.values[0]
    quiet = first if play.quiet is None else play.quiet
    counted = column.counted() if counter else None
    return Track(column, begin_ms, play.preroll_s, quiet, counted)


def _column(play: Play, quantity: Quantity | None) -> Column:
    return load_window(play.recording, play.channel, play.from_at, play.to_at, quantity)
