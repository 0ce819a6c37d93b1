"""The seam of what a station can switch.

An output raises `OutputError` when it could not do what it was told; the crew tries again. Its safe
state is off, written before anything else when the station starts.
"""

from __future__ import annotations

from typing import Protocol


class OutputError(RuntimeError):
    """The device refuses or does not answer; trying again may help."""


class Output(Protocol):
    """Something that can be switched."""

    def switch(self, *, on: bool) -> None:
        """Switch it, and make sure of it where the device can be asked.

        Raises:
            OutputError: It did not work.
        """

    def renew(self) -> None:
        """Tell the hardware that holds it on that the program still lives (dead-man).

        Raises:
            OutputError: It did not work.
        """

    def close(self) -> None:
        """Let go of it; its state is not changed. Never fails."""
