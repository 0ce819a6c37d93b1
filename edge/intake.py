"""From a frame to the tray: select, stamp, judge, sample. Runs on the threads of the ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.community import SensorEntry, rules_for
from core.quality import Quality
from core.quantity import Quantity
from core.reading import Reading
from edge.air import Air
from edge.chronometer import Chronometer, Instant
from edge.configuration import StationConfig
from edge.drivers.base import Frame, Measurement
from edge.drivers.selection import select
from edge.instruments import Instrument, instruments_on
from edge.quality import Inspector, Verdict
from edge.sampling import EVENTS, SLOW, Sampler
from edge.tray import Tray
from edge.urgency import Urgency

# Sensor, quantity, value, quality, run ms since boot.
Observer = Callable[[str, Quantity, float | None, Quality, int], None]


@dataclass(slots=True)
class Series:
    """Everything that is remembered of one series; touched by its port's thread only."""

    inspector: Inspector
    sampler: Sampler
    urgency: Urgency
    last: Instant | None = None


@dataclass(slots=True)
class IntakeCounters:
    """What went through, for health; each number is written by many threads and only roughly exact.

    Attributes:
        frames: Accepted frames.
        not_good: Values that were uncertain or bad.
        produced: Readings that left sampling.
    """

    frames: int = 0
    not_good: int = 0
    produced: int = 0


class Intake:
    """Takes the frames of all ports (a `FrameSink`).

    Args:
        config: Sensors and local limits.
        chronometer: Gives the instants.
        tray: Where readings go.
        observe: Hears of each reading that leaves (what the station acts on).
    """

    def __init__(
        self,
        config: StationConfig,
        chronometer: Chronometer,
        tray: Tray,
        observe: Observer | None = None,
    ) -> None:
        self._observe = observe
        self._chronometer = chronometer
        self._tray = tray
        self.counters = IntakeCounters()
        self._air = Air()
        self._series: dict[tuple[str, Quantity], Series] = {}
        for port in config.port:
            for instrument in instruments_on(port.id, config.sensor):
                for entry in instrument.entries:
                    for quantity in entry.quantities:
                        key = (entry.id, quantity)
                        self._series[key] = _series(config, instrument, entry, quantity, port.warm)

    @property
    def masked_bad(self) -> int:
        """Bad and uncertain values that stood beside good ones within one interval."""
        return sum(series.sampler.masked_bad for series in self._series.values())

    def powered(self, instrument: Instrument) -> None:
        """See `FrameSink.powered`."""
        for entry in instrument.entries:
            for quantity in entry.quantities:
                self._series[entry.id, quantity].inspector.powered()

    def frame(self, instrument: Instrument, frame: Frame) -> None:
        """See `FrameSink.frame`."""
        instant = self._chronometer.now()
        self.counters.frames += 1
        for entry in instrument.entries:
            if frame.restarted:
                for quantity in entry.quantities:
                    self._series[entry.id, quantity].inspector.restarted()
            gap = self._air.gap(entry, instant.elapsed_ms)
            for quantity, measurement in select(frame, entry, gap.factor):
                self._value(entry, quantity, measurement, instant, air_known=gap.known)

    def _value(
        self,
        entry: SensorEntry,
        quantity: Quantity,
        measurement: Measurement,
        instant: Instant,
        *,
        air_known: bool,
    ) -> None:
        series = self._series[entry.id, quantity]
        verdict = series.inspector.inspect(measurement, instant.elapsed_ms, air_known=air_known)
        if quantity is Quantity.TEMPERATURE and verdict.quality is Quality.GOOD:
            assert verdict.value is not None
            self._air.note(entry.id, verdict.value, instant.elapsed_ms)
        if verdict.quality is not Quality.GOOD:
            self.counters.not_good += 1
        at = instant.at
        last = series.last
        if last is not None and last.sync == instant.sync:
            at = max(at, last.at + 1)
        series.last = Instant(at, instant.sync, instant.elapsed_ms)
        reading = Reading(entry.id, quantity, at, verdict.value, verdict.quality, verdict.reasons)
        crosses = series.urgency.crosses(verdict, instant.elapsed_ms)
        leaving = series.sampler.offer(
            reading,
            instant.elapsed_ms,
            sync=instant.sync,
            at_once=crosses,
            calm=series.urgency.calm,
        )
        if leaving is None:
            return
        final = Verdict(leaving.value, leaving.quality, leaving.reasons)
        raises = series.urgency.raises(final, instant.elapsed_ms)
        self.counters.produced += 1
        self._tray.add(leaving, sync=instant.sync, urgent=crosses or raises)
        if self._observe is not None:
            self._observe(entry.id, quantity, final.value, final.quality, instant.elapsed_ms)


def _series(
    config: StationConfig,
    instrument: Instrument,
    entry: SensorEntry,
    quantity: Quantity,
    warm: bool,
) -> Series:
    rules = rules_for(config.limit, entry, quantity)
    return Series(
        Inspector(entry, quantity, warm_up_s=instrument.driver.facts.warm_up_s, warm=warm),
        Sampler(
            entry.interval_s,
            event=quantity in EVENTS,
            mean=quantity in SLOW,
            deadband=entry.deadband if quantity is entry.quantity else 0.0,
            heartbeat_s=entry.heartbeat_s,
        ),
        Urgency(quantity, rules, weak=instrument.weak),
    )
