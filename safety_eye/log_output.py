"""Where a program's log goes: a log that can't be written ends no program.

On a full disk, or behind a pipe that nobody reads any more, each line of the log is an error of its
own. Raised in a thread that tells people, it would end that thread just when something is wrong.
"""

from __future__ import annotations

import contextlib
import io
from typing import TextIO, cast

import structlog


def log_to(stream: TextIO) -> None:
    """Let this program's log go to *stream*."""
    output = cast("TextIO", LogOutput(stream))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(output))


class LogOutput(io.TextIOBase):
    """A text stream that loses what can't be written, and says how much once it can again.

    Args:
        stream: The real one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def writable(self) -> bool:
        """True: it takes everything."""
        return True

    def write(self, text: str) -> int:
        """Write, or lose it."""
        try:
            if self._lost and text.strip():
                self._stream.write(f"{self._lost} lines of this log were lost\n")
                self._stream.flush()
                self._lost = 0
            self._stream.write(text)
        except (OSError, ValueError):  # full, gone; or closed
            self._lost += text.count("\n")
        return len(text)

    def flush(self) -> None:
        """Flush, or leave it: what can't go out stays in the buffer, or was counted before."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
