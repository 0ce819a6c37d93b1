"""`safety-eye listen PORT --driver D`: what one device says, live, for whoever stands beside it.

On a terminal one line is rewritten twice a second, and only what is new in kind stays: the first
frame, errors as they begin, silence. Elsewhere (a pipe, `--json`) there is one line a frame.
"""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import asdict, dataclass, field
from typing import TextIO

from core.clock import Clock
from edge.bus import reply_timeout_s, silence_s
from edge.configuration import PortEntry
from edge.decode import LineValue, shown_lines
from edge.drivers import make_driver
from edge.drivers.base import Driver, Frame, FrameCounters, Mode, Options
from edge.port_worker import IDLE_GAP_S, OpenPort
from edge.ports import Backoff, BytePort, PortLostError, open_serial

# How often the line on a terminal changes, and how long nothing may come before it is said.
_REFRESH_S = 0.5
_SILENT_S = 5.0
# Counters are told at least this often in JSON, so that silence is visible, too.
_TALLY_S = 5.0
_SHOWN_VALUES = 4
_LINE_CHARACTERS = 110
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class ListenPlan:
    """What to listen to.

    Attributes:
        entry: The port.
        driver: Device id.
        options: Driver options, `address` among them.
        baud: Instead of the device's usual rate; 0 for that.
        every_s: Seconds between two requests to a polled device; 0 for its usual interval.
        seconds: End after so long; 0 for never.
    """

    entry: PortEntry
    driver: str
    options: Options = field(default_factory=dict)
    baud: int = 0
    every_s: float = 0.0
    seconds: float = 0.0


class Conversation:
    """One driver on one open port: listens, or asks and waits for the answer.

    Args:
        port: Open.
        driver: Decodes, and knows what to ask.
        plan: Rate of asking, patience.
        clock: For waiting.
    """

    def __init__(self, port: BytePort, driver: Driver, plan: ListenPlan, clock: Clock) -> None:
        self._port = port
        self._driver = driver
        self._clock = clock
        self._entry = plan.entry
        self._baud = plan.baud or driver.facts.baud
        interval_s = plan.every_s or driver.facts.interval_s
        self._every_s = interval_s / driver.requests_per_reading
        self._due_s = clock.monotonic_s()
        self.heard = 0  # bytes
        self.unanswered = 0  # requests

    def step(self, wait_s: float) -> list[Frame]:
        """Wait at most about *wait_s* seconds; return the frames that came.

        Raises:
            PortLostError: The port is gone.
        """
        if self._driver.facts.mode is Mode.STREAM:
            data = self._read(min(wait_s, IDLE_GAP_S))
            return self._driver.feed(data) if data else self._driver.flush()
        left_s = self._due_s - self._clock.monotonic_s()
        if left_s > 0:
            self._read(min(left_s, wait_s))  # nobody was asked: late, or somebody else's
            return []
        return self._ask()

    def moved(self, port: BytePort) -> None:
        """Go on with the same device on a port that was opened again."""
        self._port = port
        self._driver.reset()

    def _ask(self) -> list[Frame]:
        now_s = self._clock.monotonic_s()
        self._due_s = max(self._due_s + self._every_s, now_s + silence_s(self._baud))
        self._port.discard_input()
        counters = self._driver.counters
        refused = counters.exceptions
        request = self._driver.request()
        self._port.write(request)
        latency_s = max(self._entry.latency_ms / 1000, self._driver.facts.answer_s)
        end_s = now_s + reply_timeout_s(request, self._baud, latency_s)
        while (left_s := end_s - self._clock.monotonic_s()) > 0:
            frames = self._driver.feed(self._read(left_s))
            if frames or counters.exceptions > refused:
                return frames
        frames = self._driver.flush()
        self.unanswered += not frames
        return frames

    def _read(self, wait_s: float) -> bytes:
        data = self._port.read(wait_s)
        self.heard += len(data)
        return data


class Screen:
    """Shows a conversation to a person or a program.

    Args:
        out: Where to.
        driver: Device id.
        as_json: For programs.
    """

    def __init__(self, out: TextIO, driver: str, *, as_json: bool) -> None:
        self._out = out
        self._driver = driver
        self._json = as_json
        self._live = not as_json and out.isatty()
        self._drawn_s = self._told_s = self._heard_s = 0.0
        self._newest = "nothing yet"
        self._error = ""
        self._was_silent = False

    def frame(self, frame: Frame, at_s: float) -> None:
        """Show one frame."""
        self._heard_s = at_s
        self._was_silent = False
        lines = shown_lines(self._driver, frame)
        if self._json:
            raw = frame.raw.hex(" ").upper()
            self._tell({"at_s": round(at_s, 3), "frame": raw, "values": list(lines)})
            return
        self._newest = said(lines)
        if not self._live:
            self._line(f"{at_s:8.1f} s  {self._newest}")

    def look(self, talk: Conversation, counters: FrameCounters, at_s: float) -> None:
        """Show the counters as they are, if it is time."""
        if self._json:
            if at_s - self._told_s >= _TALLY_S:
                self.tally(talk, counters, at_s)
            return
        if counters.last_error and counters.last_error != self._error:
            self._error = counters.last_error
            self._line(f"{at_s:8.1f} s  {self._error}")
        if at_s - self._heard_s >= _SILENT_S and not self._was_silent:
            self._was_silent = True
            self._line(f"{at_s:8.1f} s  {_on_silence(talk.heard)}")
        if self._live and at_s - self._drawn_s >= _REFRESH_S:
            self._drawn_s = at_s
            text = f"{at_s:6.0f} s  {_summary(talk, counters)}  {self._newest}"
            self._out.write(_CLEAR + text[:_LINE_CHARACTERS])
            self._out.flush()

    def tally(self, talk: Conversation, counters: FrameCounters, at_s: float) -> None:
        """Show all counters: now and then to a program, at the end to everybody."""
        self._told_s = at_s
        if self._json:
            numbers = {"bytes": talk.heard, "unanswered": talk.unanswered, **asdict(counters)}
            self._tell({"at_s": round(at_s, 3), "counters": numbers})
        else:
            self._line(f"{at_s:8.1f} s  {_summary(talk, counters)}  {self._newest}")

    def lost(self, error: PortLostError, at_s: float) -> None:
        """Show that the port went away."""
        if self._json:
            self._tell({"at_s": round(at_s, 3), "lost": str(error)})
        else:
            self._line(f"{at_s:8.1f} s  {error}; trying again")

    def _tell(self, what: dict[str, object]) -> None:
        head = {"driver": self._driver}
        self._out.write(json.dumps(head | what, ensure_ascii=False, allow_nan=False) + "\n")
        self._out.flush()

    def _line(self, text: str) -> None:
        self._out.write((_CLEAR if self._live else "") + text + "\n")
        self._out.flush()


def said(lines: tuple[dict[str, LineValue], ...]) -> str:
    """Return the values of a frame in one line.

    >>> said(({"name": "co", "value": 3.7, "unit": "ppm", "quality": "good", "reasons": []},))
    'co 3.7 ppm'
    """
    if not lines:
        return "a frame without values"
    ordered = sorted(lines, key=lambda line: line.get("quantity") is None)
    words = []
    for line in ordered[:_SHOWN_VALUES]:
        value = "-" if line["value"] is None else line["value"]
        unit = "" if line["unit"] in ("1", "bool", "enum") else f" {line['unit']}"
        reasons = line["reasons"] if isinstance(line["reasons"], list) else []
        doubt = "" if line["quality"] == "good" else f" ({line['quality']}: {_joined(reasons)})"
        words.append(f"{line['name']} {value}{unit}{doubt}")
    return ", ".join(words)


def _joined(reasons: list[str] | list[int]) -> str:
    return ", ".join(map(str, reasons))


def _summary(talk: Conversation, counters: FrameCounters) -> str:
    text = (
        f"frames {counters.good}  errors {counters.checksum_errors} check, "
        f"{counters.framing_errors} form  discarded {counters.discarded_bytes} B"
    )
    if counters.exceptions:
        text += f"  refused {counters.exceptions}"
    return text + (f"  unanswered {talk.unanswered}" if talk.unanswered else "")


def _on_silence(heard: int) -> str:
    if heard:
        return (
            "bytes come, but no frame: another baud rate, parity or device? "
            "`safety-eye probe` looks for it"
        )
    return (
        "nothing comes: power, then A and B (or RX and TX) swapped, then ground, then the address"
    )


def listen(
    plan: ListenPlan,
    clock: Clock,
    stop: threading.Event,
    out: TextIO,
    *,
    as_json: bool = False,
    open_port: OpenPort = open_serial,
) -> int:
    """Show what a device says until *stop*, or until the plan's time is over.

    Returns:
        0 if at least one frame was good, else 1.

    Raises:
        DriverError: There is no such driver or option.
        PortLostError: The port can't be opened at the start. Lost later, it is opened again.
    """
    driver = make_driver(plan.driver, plan.options)
    baud = plan.baud or driver.facts.baud

    def reopened(backoff: Backoff) -> BytePort | None:
        """Open the port again, patiently; None if the end came first."""
        while not stop.is_set() and (left_s := end_s - clock.monotonic_s()) > 0:
            stop.wait(min(backoff.pause_s(), left_s))
            with contextlib.suppress(PortLostError):
                return open_port(plan.entry, baud)
        return None

    screen = Screen(out, plan.driver, as_json=as_json)
    begin_s = clock.monotonic_s()
    end_s = begin_s + plan.seconds if plan.seconds else float("inf")
    backoff = Backoff(first_s=0.5, cap_s=5.0)
    port = open_port(plan.entry, baud)
    talk = Conversation(port, driver, plan, clock)
    try:
        while not stop.is_set() and (now_s := clock.monotonic_s()) < end_s:
            try:
                for frame in talk.step(min(_REFRESH_S, end_s - now_s)):
                    screen.frame(frame, clock.monotonic_s() - begin_s)
                screen.look(talk, driver.counters, clock.monotonic_s() - begin_s)
            except PortLostError as error:
                port.close()
                screen.lost(error, clock.monotonic_s() - begin_s)
                again = reopened(backoff)
                if again is None:
                    break
                port = again
                talk.moved(port)
    finally:
        port.close()
        screen.tally(talk, driver.counters, clock.monotonic_s() - begin_s)
    return 0 if driver.counters.good else 1
