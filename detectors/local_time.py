"""Which hour of which weekday it is where the sensors stand, for many times at once."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import lru_cache

import numpy as np

from detectors.limit_lane import Ints

DAYS = 7
CELLS = 24 * DAYS
_HOUR_MS = 3_600_000
# Every offset from UTC in use changes on a quarter of an hour only.
_QUARTER_MS = 900_000
_SUNDAY = 6
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
# 1970-01-01 was a Thursday, the fourth day of the week.
_EPOCH_WEEKDAY = 3


class LocalCalendar:
    """A time zone and the days on which people live as on a Sunday.

    Args:
        timezone: IANA name; "" is UTC.
        holidays: Local days whose habits are those of a Sunday.
    """

    def __init__(self, timezone: str, holidays: tuple[dt.date, ...] = ()) -> None:
        self._zone = zoneinfo.ZoneInfo(timezone or "UTC")
        self._holidays = np.array([day.toordinal() - _EPOCH_DAY for day in holidays], np.int64)
        self._offset_ms = lru_cache(maxsize=4096)(self._offset)

    def _offset(self, quarter: int) -> int:
        moment = dt.datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, self._zone)
        offset = moment.utcoffset()
        return round(offset.total_seconds() * 1000) if offset is not None else 0

    def cells(self, at: Ints) -> Ints:
        """Return the hour of the week (0 = Monday 0 h) of each time in milliseconds.

        >>> monday_9h_utc = np.array([1_764_579_600_000 - 86_400_000 + 0])
        >>> int(LocalCalendar("Asia/Shanghai").cells(monday_9h_utc)[0])  # Sunday to Monday, 17 h
        161
        """
        quarters, where = np.unique(at // _QUARTER_MS, return_inverse=True)
        offsets = np.array([self._offset_ms(quarter) for quarter in quarters.tolist()], np.int64)
        hours = (at + offsets[where]) // _HOUR_MS
        days = hours // 24
        weekday = (days + _EPOCH_WEEKDAY) % 7
        if self._holidays.size:
            weekday = np.where(np.isin(days, self._holidays), _SUNDAY, weekday)
        cells: Ints = weekday * 24 + hours % 24
        return cells
