"""The dialogue with a modem: one command, its lines, its final word; what it says unasked is kept.

3GPP TS 27.007 and 27.005. Every wait is bounded: a modem that hangs is noticed, not waited for.
"""

from __future__ import annotations

import re
from collections import deque

from core.clock import Clock
from edge.ports import BytePort

# Said without being asked: a message was stored, a report was stored, a report follows.
_UNASKED = ("+CMTI:", "+CDSI:", "+CDS:")
_REFUSED = re.compile(r"\+CM[ES] ERROR: ?(.*)")
_ESCAPE, _SUBSTITUTE = b"\x1b", b"\x1a"
# A modem that says more than this without a line's end is not one, or at another speed.
_MOST_BYTES = 8192
_PROMPT_S = 5.0


class ModemSilentError(RuntimeError):
    """The modem does not answer in time: it hangs, or it is none."""


class ModemRefusedError(RuntimeError):
    """The modem's final word was an error.

    Attributes:
        code: Number or words behind `+CME ERROR:` or `+CMS ERROR:`; empty for a bare ERROR.
    """

    def __init__(self, command: str, code: str) -> None:
        super().__init__(f"{command.partition('=')[0]}: error {code or 'without a reason'}")
        self.code = code


class AtLine:
    """Owns the port for one thread.

    Args:
        port: Open.
        clock: For the limits of waiting (wall seconds).
    """

    def __init__(self, port: BytePort, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._buffer = b""
        self._report = False
        self.unasked: deque[str] = deque(maxlen=200)

    def ask(self, command: str, timeout_s: float, body: str = "") -> list[str]:
        """Give a command; return its lines without the final OK.

        Args:
            command: `AT…`, without the line's end.
            timeout_s: Until the final word, wall seconds.
            body: Sent when the modem prompts for it, ended with Ctrl-Z.

        Raises:
            ModemRefusedError: It says ERROR.
            ModemSilentError: It says nothing in time.
            PortLostError: The port is gone.
        """
        end_s = self._clock.monotonic_s() + timeout_s
        self._port.write(command.encode("ascii") + b"\r")
        if body:
            refused = self._await_prompt(command, min(end_s, self._clock.monotonic_s() + _PROMPT_S))
            if refused is not None:
                raise ModemRefusedError(command, refused)
            self._port.write(body.encode("ascii") + _SUBSTITUTE)
        lines: list[str] = []
        while (line := self._line(end_s)) is not None:
            if line == "OK":
                return lines
            code = _error(line)
            if code is not None:
                raise ModemRefusedError(command, code)
            if line not in (command, body):  # an echo, before it is switched off
                lines.append(line)
        raise ModemSilentError(f"{command.partition('=')[0]}: no answer within {timeout_s:g} s")

    def interrupt(self) -> None:
        """Leave whatever prompt an earlier life has left open, and forget what was said."""
        self._port.write(_ESCAPE + b"\r")
        while self._port.read(0.2):
            pass
        self._buffer = b""
        self._report = False

    def listen(self, wait_s: float) -> None:
        """Take what is said unasked within *wait_s*; return as soon as something was."""
        end_s = self._clock.monotonic_s() + wait_s
        while not self.unasked and self._line(end_s) is not None:
            pass

    def _await_prompt(self, command: str, end_s: float) -> str | None:
        """Wait for `> `; return the error's code if there is one instead."""
        while True:
            if self._buffer.lstrip(b"\r\n").startswith(b">"):
                self._buffer = b""
                return None
            line = self._take_line()
            if line is None:
                if not self._fill(end_s):
                    raise ModemSilentError(f"{command.partition('=')[0]}: no prompt")
                continue
            code = _error(line)
            if code is not None:
                return code

    def _line(self, end_s: float) -> str | None:
        """Return the next line that answers something; None when the time is up."""
        while True:
            line = self._take_line()
            if line is not None:
                return line
            if not self._fill(end_s):
                return None

    def _take_line(self) -> str | None:
        """Return a whole line out of the buffer; what is said unasked goes where it belongs."""
        while b"\n" in self._buffer:
            raw, _, self._buffer = self._buffer.partition(b"\n")
            line = raw.decode("ascii", errors="replace").strip()
            if not line:
                continue
            if self._report:  # the PDU behind +CDS:
                self._report = False
                self.unasked.append(f"+CDS:{line}")
            elif line.startswith("+CDS:"):
                self._report = True
            elif line.startswith(_UNASKED):
                self.unasked.append(line)
            else:
                return line
        return None

    def _fill(self, end_s: float) -> bool:
        """Read what has come; False when the time is up."""
        left_s = end_s - self._clock.monotonic_s()
        if left_s <= 0:
            return False
        self._buffer = (self._buffer + self._port.read(min(left_s, 0.5)))[-_MOST_BYTES:]
        return True


def _error(line: str) -> str | None:
    if line == "ERROR":
        return ""
    found = _REFUSED.fullmatch(line)
    return found.group(1).strip() if found else None
