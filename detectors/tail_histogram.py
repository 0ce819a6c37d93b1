"""How rare is a number among all that a series has shown: a calibrated tail, in fixed memory.

A histogram of logarithmic bins counts the past. The share of the past at least as large as the
number, with the number itself counted in, is a conformal p-value: of exchangeable numbers it falls
below p with a chance of p, whatever their distribution. Its negative decimal logarithm is the
surprise. The bins are anchored to the numbers themselves and move up when larger ones come, so no
scale has to be known.
"""

from __future__ import annotations

import numpy as np

from detectors.limit_lane import Floats, Ints

# Four bins an octave tell numbers that differ by 19 %; 18 octaves span five decades below the
# largest, smaller ones share the lowest bin (detection.md, section 3.2, measured with 24 octaves).
BINS = 72
OCTAVE = 4
# Octaves that are kept free above the first number.
ROOM = 3
# Decimal orders that a number earns for each order beyond the record (detection.md, 3.2).
BEYOND = 3.0
# At this many numbers all counts are halved: months at one reading in five minutes.
AGE = 2**15
_INSIDE = BINS - 1e-9
_PLACES = np.arange(BINS)


class TailHistograms:
    """Many histograms as a structure of arrays.

    >>> tails = TailHistograms(1)
    >>> one = np.zeros(1, np.int64)
    >>> for number in range(1, 1000):
    ...     tails.learn(one, np.array([number % 10.0]))
    >>> [round(tails.surprise(one, np.array([x])).item(), 1) for x in (0.0, 1.0, 9.5, 90.0)]
    [0.0, 0.0, 2.6, 6.0]

    Attributes:
        counts: One row a histogram.
        top: Binary logarithm of the upper edge of the last bin, NaN before any positive number.
        total: Numbers counted.
        record: The largest of them.
    """

    def __init__(self, size: int) -> None:
        self.counts = np.zeros((size, BINS), np.uint16)
        self.top = np.full(size, np.nan)
        self.total = np.zeros(size, np.int32)
        self.record = np.zeros(size)

    def _place(self, rows: Ints, number: Floats) -> Floats:
        """Return the fractional bin of each positive number, at least 0, unbounded above."""
        height = np.log2(np.where(number > 0.0, number, 1.0))
        top = self.top[rows]
        top = np.where(np.isnan(top), height + ROOM, top)
        return np.where(number > 0.0, np.maximum(BINS + OCTAVE * (height - top), 0.0), 0.0)

    def surprise(self, rows: Ints, number: Floats) -> Floats:
        """Return -log10 of the share of the past that is at least as large; 0 for zero.

        Args:
            rows: Which histograms.
            number: One each, not negative.
        """
        place = self._place(rows, number)
        index = np.minimum(place, BINS - 1).astype(np.int64)
        counts = self.counts[rows]
        above = (counts * (index[:, None] < _PLACES)).sum(axis=1, dtype=np.int64)
        own = counts[np.arange(rows.size), index]
        share = above + own * (1.0 - np.minimum(place - index, 1.0))
        told = (number > 0.0) & (self.total[rows] > 0)
        found = np.log10(self.total[rows] + 1.0) - np.log10(1.0 + share)
        record = self.record[rows]
        beyond = (record > 0.0) & (number > record)
        ratio = np.where(beyond, number, 1.0) / np.where(beyond, record, 1.0)
        return np.where(told, found + BEYOND * np.log10(ratio), 0.0)

    def learn(self, rows: Ints, number: Floats) -> None:
        """Count one *number* in each of *rows*, which must be distinct."""
        place = self._place(rows, number)
        positive = number > 0.0
        unset = positive & np.isnan(self.top[rows])
        self.top[rows[unset]] = np.log2(number[unset]) + ROOM
        for which in np.flatnonzero(place >= BINS):
            place[which] = self._raise(int(rows[which]), float(place[which]))
        index = np.minimum(place, _INSIDE).astype(np.int64)
        self.counts[rows, index] += 1
        self.total[rows] += 1
        self.record[rows] = np.maximum(self.record[rows], number)
        for row in rows[self.total[rows] >= AGE]:
            self._age(int(row))

    def _raise(self, row: int, place: float) -> float:
        """Move the bins up by whole octaves until *place* is inside; return where it then is."""
        octaves = int((place - BINS) // OCTAVE) + 1
        bins = octaves * OCTAVE
        counts = self.counts[row]
        if bins >= BINS:
            kept, low = np.zeros(0, np.uint16), counts.sum()
        else:
            kept, low = counts[bins:].copy(), counts[:bins].sum()
        counts[:] = 0
        counts[: kept.size] = kept
        counts[0] += low
        self.top[row] += octaves
        return place - bins

    def _age(self, row: int) -> None:
        """Halve the counts, so that the past fades; lone large numbers stay, rounded up."""
        counts = self.counts[row]
        counts[:] = (counts + 1) // 2
        self.total[row] = int(counts.sum())
        highest = int(np.flatnonzero(counts)[-1])
        edge = 2.0 ** float(self.top[row] + (highest + 1 - BINS) / OCTAVE)
        if self.top[row] == self.top[row]:
            self.record[row] = min(float(self.record[row]), edge)
