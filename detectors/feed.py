"""How the bank feeds the lanes of registered detectors: which line belongs to which series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.kinds import Places
from detectors.lane import Detector, Lane
from detectors.plan import RulePlan, Source
from detectors.registry import REGISTRY


@dataclass(frozen=True, slots=True)
class Feed:
    """One detector in a bank.

    Attributes:
        detector: Which.
        lane: Its state, one line for each series that asked for it.
        row_of: Row of the bank's rules, one a line.
        line_of, row_at: Line and row of each series, -1 where it did not ask.
    """

    detector: Detector
    lane: Lane
    row_of: Places
    line_of: Places
    row_at: Places


def feeds_of(rules: Sequence[RulePlan], row_slot: Places, slots: int) -> tuple[Feed, ...]:
    """Return the lanes that *rules* ask for, in the order of the registry.

    Args:
        rules: Every rule of the bank.
        row_slot: Series of each rule.
        slots: How many series there are.
    """
    rows_of: dict[str, list[int]] = {}
    for row, rule in enumerate(rules):
        if rule.source is Source.LANE:
            rows_of.setdefault(rule.name, []).append(row)
    feeds = []
    for detector in REGISTRY:
        rows = rows_of.get(detector.name)
        if rows is None:
            continue
        row_of = np.array(rows, np.int32)
        line_of, row_at = np.full(slots, -1, np.int32), np.full(slots, -1, np.int32)
        line_of[row_slot[row_of]] = np.arange(row_of.size)
        row_at[row_slot[row_of]] = row_of
        lane = detector.lane([rules[row].lane for row in rows])
        feeds.append(Feed(detector, lane, row_of, line_of, row_at))
    return tuple(feeds)
