"""Recordings through the production bank, in event time, as fast as it goes, never looking ahead.

All recordings of a call advance side by side, row by row, so that one update of the bank judges a
row of each; the lines come out recording by recording, or by time with `together`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

from core.community import Community, SensorEntry
from core.identity import SeriesId
from core.quality import Reason
from core.quantity import FACTS, Quantity
from detectors import balance_panel, corroboration_panel, neighbours_panel
from detectors.bank import Bank
from detectors.batch import REASON_CODES, Batch
from detectors.limit_lane import BAD, GOOD, UNCERTAIN, Bytes, Flags, Floats, Ints
from detectors.outcome import Outcomes
from detectors.panels import Panels
from detectors.plan import SeriesPlan, plan_series, with_detectors
from detectors.profiles import (
    MEAN_SUFFIX,
    default_plan,
    hazard_of,
    mean_plan,
    published_plan,
)
from detectors.recorded_value import believable, gate
from detectors.recording import Channel, Recording, read_recording

_DAY_MS = 86_400_000
# Share of a day's readings that a 24 h mean needs (interfaces, Commands).
_PRESENT = 0.75


@dataclass(frozen=True, slots=True)
class Stream:
    """One series of a replay: a channel as it is read, or its trailing 24 h mean.

    Attributes:
        recording, channel: Position of the recording, and of the channel in it.
        plan: How it is judged.
        values: One a row, canonical unit, NaN where there is none.
        doubted: True where neighbours contradict the value; None: nobody does.
    """

    recording: int
    channel: int
    plan: SeriesPlan
    values: Floats
    doubted: Flags | None = None


def replay(
    paths: Sequence[Path],
    *,
    community: Community | None = None,
    together: bool = False,
    every: bool = False,
) -> Iterator[dict[str, Any]]:
    """Judge recordings with the production detectors.

    Args:
        paths: `NAME.csv.gz` files, each with its `NAME.json` beside it.
        community: Binds columns to sensors (`recording`, `channel`); its limits replace theirs.
        together: The recordings are sensors of one site: lines come in the order of time.
        every: Give a line for every cell, not only where something is wrong.

    Returns:
        Lines, one after the other, once all files are read:
        `{"recording", "at", "channel", "score", "grade", "fault", "detector", "because"}`.

    Raises:
        RecordingError: A file can't be read.
    """
    recordings = [read_recording(Path(path)) for path in paths]
    return _told(recordings, community, together=together, every=every)


def _told(
    recordings: list[Recording], community: Community | None, *, together: bool, every: bool
) -> Iterator[dict[str, Any]]:
    if together:
        recordings = believed(recordings, community)
    streams = [
        stream
        for number, recording in enumerate(recordings)
        for stream in _streams(number, recording, community, together=together)
    ]
    outcomes = judge(recordings, streams, community, together=together)
    lines = [
        _lines(number, recording, streams, outcomes, every=every)
        for number, recording in enumerate(recordings)
    ]
    if together:
        for _at, _number, _channel, line in merge(*lines, key=lambda entry: entry[:3]):
            yield line
        return
    for part in lines:
        for entry in part:
            yield entry[3]


def believed(
    recordings: Sequence[Recording], community: Community | None = None
) -> list[Recording]:
    """Return *recordings* of one site with what neighbours contradict marked as doubted.

    Which sensors are neighbours is said by the community; without one, those of particles are.
    The readings are taken in the order of time, and each is held against earlier ones and those of
    its own instant only.
    """
    plans, owners = [], []
    for number, recording in enumerate(recordings):
        for index, channel in enumerate(recording.channels):
            bound = _bound(community, recording.facts.name, channel)
            plan = _plan(recording, channel, bound, "")
            if bound is not None:
                plan = replace(plan, series=SeriesId(bound.id, channel.quantity))
            plans.append(plan)
            owners.append((number, index))
    named = neighbours_panel.make(community, plans)
    panel = named if community is not None else neighbours_panel.together(plans)
    if panel is None:
        return list(recordings)
    streams = [
        Stream(number, index, plan, recordings[number].channels[index].values)
        for plan, (number, index) in zip(plans, owners, strict=True)
    ]
    _, row, slot, at, value, quality, reason = _cells(recordings, streams, by_time=True)
    marks = [np.zeros(stream.values.size, np.bool_) for stream in streams]
    gated = panel.gate(Batch(slot, at, value, quality, reason, np.zeros(row.size, np.bool_)))
    for cell in np.flatnonzero(gated.quality != quality):
        marks[int(slot[cell])][int(row[cell])] = True
    made = list(recordings)
    for (number, index), mark in zip(owners, marks, strict=True):
        channels = list(made[number].channels)
        channels[index] = replace(channels[index], doubted=mark)
        made[number] = replace(made[number], channels=tuple(channels))
    return made


def _streams(
    number: int, recording: Recording, community: Community | None, *, together: bool
) -> Iterator[Stream]:
    """Yield what is judged of one recording; a channel without any rule is not judged."""
    for index, channel in enumerate(recording.channels):
        bound = _bound(community, recording.facts.name, channel)
        plan = _plan(recording, channel, bound, "" if together else recording.facts.name)
        own = _own_plan(bound, community, channel)
        if own is not None:
            yield Stream(number, index, own, channel.values, channel.doubted)
            continue
        means = [limit for name, limit in channel.limits.items() if name.endswith(MEAN_SUFFIX)]
        direct = [limit for name, limit in channel.limits.items() if not name.endswith(MEAN_SUFFIX)]
        judged = plan
        if direct:
            judged = published_plan(plan, direct)
        elif not means:
            judged = default_plan(plan)
        yield Stream(number, index, with_detectors(judged), channel.values, channel.doubted)
        if means:
            # What is no reading (-999) has no part in a mean; 9999 counts as the end of the range.
            none = gate(plan, channel.values, channel.factor)[0] == BAD
            if channel.doubted is not None:
                none |= channel.doubted
            values = np.where(none, np.nan, np.minimum(channel.values, believable(plan)[1]))
            day = day_means(recording.at, values, recording.facts.interval_s)
            yield Stream(number, index, mean_plan(plan, means), day)


def _bound(community: Community | None, name: str, channel: Channel) -> SensorEntry | None:
    if community is None:
        return None
    return next(
        (
            entry
            for entry in community.sensor
            if entry.recording == name and entry.channel in ("", channel.name)
        ),
        None,
    )


def _plan(
    recording: Recording, channel: Channel, bound: SensorEntry | None, zone: str
) -> SeriesPlan:
    facts = recording.facts
    hazard = bound.hazard if bound else hazard_of(channel.quantity, facts.kind)
    known = channel.quantity is not Quantity.OTHER
    return SeriesPlan(
        SeriesId(f"{facts.name}/{channel.name}", channel.quantity),
        bound.station if bound else "",
        bound.zone if bound else zone,
        hazard,
        facts.interval_s,
        FACTS[channel.quantity].unit if known else channel.unit,
        counter=FACTS[channel.quantity].cumulative,
        timezone=facts.timezone or "",
    )


def _own_plan(
    bound: SensorEntry | None, community: Community | None, channel: Channel
) -> SeriesPlan | None:
    """Return the plan that the community's own limits make, if it has any for this sensor."""
    if bound is None or community is None:
        return None
    own = any(
        limit.zone == bound.zone and limit.quantity is channel.quantity for limit in community.limit
    )
    if not own:
        return None
    limits = community.rules_of(bound, channel.quantity)
    return plan_series(bound, channel.quantity, limits, community)


def day_means(at: Ints, values: Floats, interval_s: float) -> Floats:
    """Return the mean of the 24 h that end with each row, NaN where less than 75 % is present."""
    present = np.isfinite(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(present, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(present)))
    # A row that is older than one before it must not let the search see rows behind it.
    at = np.maximum.accumulate(at) if at.size else at
    first = np.searchsorted(at, at - _DAY_MS, side="right")
    last = np.arange(1, at.size + 1)
    count = counts[last] - counts[first]
    enough = (count >= _PRESENT * _DAY_MS / (1000 * interval_s)) & present
    # Nine digits: the running sum must not decide whether a limit is reached exactly.
    means = np.round((sums[last] - sums[first]) / np.maximum(count, 1), 9)
    return np.where(enough, means, np.nan)


def judge(
    recordings: Sequence[Recording],
    streams: Sequence[Stream],
    community: Community | None = None,
    *,
    together: bool = False,
) -> Outcomes:
    """Run every stream through one bank and keep what it stated after each reading.

    Args:
        recordings: Where the streams come from.
        streams: What is judged.
        community: For the balance of doors.
        together: Take the readings by time, not row by row.
    """
    judged = [number for number, stream in enumerate(streams) if stream.plan.rules]
    bank = Bank([streams[number].plan for number in judged])
    panels = Panels(community, bank.plans, among=(corroboration_panel.make, balance_panel.make))
    outcomes = Outcomes(bank, [streams[number].values.size for number in judged], panels)
    ranks, row, slot, at, value, quality, reason = _cells(
        recordings, [streams[n] for n in judged], by_time=together
    )
    edges = np.concatenate(([0], np.cumsum(np.bincount(ranks))))
    never = np.zeros(len(judged), np.bool_)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        here = slice(start, end)
        batch = Batch(
            slot[here], at[here], value[here], quality[here], reason[here], never[: end - start]
        )
        # An absurd reading (1e308) may overflow a share; infinitely far is what it then is.
        with np.errstate(over="ignore", invalid="ignore"):
            bank.advance(batch)
            panels.advance(bank, batch)
            outcomes.note(slot[here], row[here])
    outcomes.slot_of = {number: slot for slot, number in enumerate(judged)}
    return outcomes


def _cells(
    recordings: Sequence[Recording], streams: Sequence[Stream], *, by_time: bool = False
) -> tuple[Ints, Ints, Ints, Ints, Floats, Bytes, Bytes]:
    """Return every present cell as columns, in the order of rows, or of time.

    The first column numbers what is judged at once: no stream has two readings in it. A reading
    that is not newer than one before it changes no grade and is a fault of the clock; it comes in
    the place of its row, or readings before it would depend on it.
    """
    none = np.zeros(0, np.int64)
    rows, slots, times, values = [none], [none], [none], [none.astype(np.float64)]
    turns, qualities, reasons = [none], [none.astype(np.int8)], [none.astype(np.int8)]
    for slot, stream in enumerate(streams):
        present = np.flatnonzero(np.isfinite(stream.values))
        time = np.maximum.accumulate(recordings[stream.recording].at[present])
        turn = np.arange(present.size) - np.searchsorted(time, time)
        factor = recordings[stream.recording].channels[stream.channel].factor
        quality, reason = gate(stream.plan, stream.values[present], factor)
        old = (turn > 0) & (quality == GOOD)
        quality = np.where(old, UNCERTAIN, quality).astype(np.int8)
        reason = np.where(old, REASON_CODES[Reason.CLOCK], reason).astype(np.int8)
        if stream.doubted is not None:
            wrong = stream.doubted[present]
            quality = np.where(wrong, BAD, quality).astype(np.int8)
            reason = np.where(wrong, REASON_CODES[Reason.NEIGHBOURS], reason).astype(np.int8)
        rows.append(present)
        slots.append(np.full(present.size, slot, np.int64))
        times.append(time)
        turns.append(turn)
        values.append(stream.values[present])
        qualities.append(quality)
        reasons.append(reason)
    row, at, turn = np.concatenate(rows), np.concatenate(times), np.concatenate(turns)
    first, second = (at, turn) if by_time else (row, np.zeros_like(row))
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    starts = np.diff(first, prepend=first[:1]) | np.diff(second, prepend=second[:1])
    return (
        np.cumsum(starts != 0),
        row[order],
        np.concatenate(slots)[order],
        at[order],
        np.concatenate(values)[order],
        np.concatenate(qualities)[order],
        np.concatenate(reasons)[order],
    )


Entry = tuple[int, int, int, dict[str, Any]]


def _lines(
    number: int,
    recording: Recording,
    streams: Sequence[Stream],
    outcomes: Outcomes,
    *,
    every: bool,
) -> Iterator[Entry]:
    """Yield (time, recording, channel, line) of one recording, row by row."""
    of_channel: dict[int, list[tuple[int, Stream]]] = {}
    for index, stream in enumerate(streams):
        if stream.recording == number and index in outcomes.slot_of:
            of_channel.setdefault(stream.channel, []).append((outcomes.slot_of[index], stream))
    told = {
        index: outcomes.worth_telling([slot for slot, _ in of_channel.get(index, [])])
        for index in range(len(recording.channels))
    }
    rows: Iterable[int] = range(recording.at.size)
    if not every:
        worth = [where for where in told.values() if where.size]
        rows = np.unique(np.concatenate(worth)).tolist() if worth else ()
    marked = {index: set(where.tolist()) for index, where in told.items()}
    for row in rows:
        for index, channel in enumerate(recording.channels):
            missing = bool(np.isnan(channel.values[row]))
            if not every and (missing or row not in marked[index]):
                continue
            slots = [slot for slot, _ in of_channel.get(index, [])]
            line = {
                "recording": recording.facts.name,
                "at": recording.texts[row],
                "channel": channel.name,
                **outcomes.line(slots, row, missing=missing),
            }
            yield int(recording.at[row]), number, index, line
