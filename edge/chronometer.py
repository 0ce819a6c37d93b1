"""The station's own time: trusted or not, never backwards.

A Raspberry Pi has no battery clock. Until the operating system says that the clock is synchronised,
instants count milliseconds since this boot of the station (`sync` false); afterwards they are run
time. A clock that jumps forward is followed at once. A clock that jumps back is not: the station's
time goes on at nine tenths of its rate until the clock has caught up, so that readings keep their
order and their spacing, and nothing that counts time to an alarm stands still. Only after a long
way back (`MOST_AHEAD_S`) the station begins a new boot with the new time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core.clock import Clock

# A step of the wall clock against the monotonic one that counts as a jump: NTP slews by at most
# 500 ppm, so half a second between two looks is never a slew.
JUMP_MS = 500
# Rate of the station's time while it waits for a clock that was set back.
WAIT_RATE = 0.9
# A station that is further ahead of its clock than this begins anew: ingest and detectors refuse
# readings from more than five minutes ahead, and at nine tenths of the rate an hour would take ten.
MOST_AHEAD_S = 240.0
# Wall seconds between two looks at the operating system while the clock is not trusted.
LOOK_S = 1.0

# Written by systemd-timesyncd after its first synchronisation (systemd-timesyncd(8)).
_TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")
# adjtimex(2) returns TIME_ERROR while the kernel's clock is not synchronised.
_TIME_ERROR = 5
# struct timex is 208 bytes on 64-bit Linux and smaller on 32-bit; zero `modes` only reads.
_TIMEX_BYTES = 512


class Instant(NamedTuple):
    """A moment on the station.

    Attributes:
        at: Run time in ms since the epoch if `sync`, else ms since this boot.
        sync: True if the clock was trusted.
        elapsed_ms: Run milliseconds since this boot, from a clock that never jumps.
    """

    at: int
    sync: bool
    elapsed_ms: int


def clock_is_synchronised() -> bool:
    """Ask the operating system whether its clock is synchronised (timesyncd, chrony, ntpd)."""
    if _TIMESYNC_MARK.exists():
        return True
    try:
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(buffer))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _TIME_ERROR


@dataclass(frozen=True, slots=True)
class ClockHealth:
    """What the chronometer has seen of the clock it reads.

    Attributes:
        jumps: Steps of more than half a second since boot.
        ahead_s: Run seconds that the station's time is ahead of a clock that was set back.
    """

    jumps: int
    ahead_s: float


class Chronometer:
    """Gives instants to every thread of the station.

    Args:
        clock: The run's clock.
        trusted: True if no proof is needed (`clock = "trusted"`).
        synchronised: Asks the operating system; replaced in tests.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        trusted: bool,
        synchronised: Callable[[], bool] = clock_is_synchronised,
    ) -> None:
        self._clock = clock
        self._synchronised = synchronised
        self._lock = threading.Lock()
        self._boot_s = clock.monotonic_s()
        self._looked_s = self._boot_s
        self._trusted = trusted or synchronised()
        self._run_ms = float(clock.now_ms())
        self._station_ms = self._run_ms
        self._read_s = self._boot_s
        self._jumps = 0

    def now(self) -> Instant:
        """Return this moment."""
        with self._lock:
            mono_s = self._clock.monotonic_s()
            elapsed_ms = round((mono_s - self._boot_s) * 1000 * self._clock.speed)
            if not self._trusted and mono_s - self._looked_s >= LOOK_S:
                self._looked_s = mono_s
                self._trusted = self._synchronised()
                if self._trusted:
                    self._start_trusting(mono_s)
            if not self._trusted:
                return Instant(elapsed_ms, False, elapsed_ms)
            return Instant(self._trusted_ms(mono_s), True, elapsed_ms)

    def health(self) -> ClockHealth:
        """Return what was seen of the clock."""
        with self._lock:
            return ClockHealth(self._jumps, max(self._station_ms - self._run_ms, 0.0) / 1000)

    def _start_trusting(self, mono_s: float) -> None:
        # The step that the first synchronisation makes is no fault.
        self._run_ms = self._station_ms = float(self._clock.now_ms())
        self._read_s = mono_s

    def _trusted_ms(self, mono_s: float) -> int:
        passed_ms = (mono_s - self._read_s) * 1000 * self._clock.speed
        run_ms = float(self._clock.now_ms())
        if abs(run_ms - self._run_ms - passed_ms) > JUMP_MS * max(self._clock.speed, 1.0):
            self._jumps += 1
        self._run_ms, self._read_s = run_ms, mono_s
        self._station_ms = max(run_ms, self._station_ms + passed_ms * WAIT_RATE)
        return round(self._station_ms)
