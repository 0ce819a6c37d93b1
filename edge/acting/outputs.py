"""The ways to switch something, and their registry, `open_output`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.clock import Clock
from edge.acting.coil import CoilOutput
from edge.acting.line_jobs import LineJobs
from edge.acting.output import Output, OutputError
from edge.acting.settings import OutputEntry


class SimulatedOutput:
    """Writes what it would do to a file, one JSON line each, durable.

    Args:
        entry: Its part of station.toml.
        clock: For the times in the file.
    """

    def __init__(self, entry: OutputEntry, clock: Clock) -> None:
        self._path = Path(entry.file)
        self._id = entry.id
        self._clock = clock

    def switch(self, *, on: bool) -> None:
        """See `Output.switch`."""
        self._write("on" if on else "off")

    def renew(self) -> None:
        """See `Output.renew`."""
        self._write("renew")

    def close(self) -> None:
        """See `Output.close`."""

    def _write(self, state: str) -> None:
        said = {"at": self._clock.now_ms(), "output": self._id, "state": state}
        try:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(said) + b"\n")
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from error


class CommandOutput:
    """Runs a program, without a shell; exit code 0 means done.

    Args:
        entry: Its part of station.toml.
    """

    def __init__(self, entry: OutputEntry) -> None:
        self._entry = entry

    def switch(self, *, on: bool) -> None:
        """See `Output.switch`."""
        import subprocess  # noqa: PLC0415  # only where a program is run: most stations run none

        arguments = list(self._entry.on if on else self._entry.off)
        try:
            done = subprocess.run(  # noqa: S603  # a list from the station's own file, no shell
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self._entry.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OutputError(
                f"{arguments[0]}: took longer than {self._entry.timeout_s:g} s"
            ) from error
        except OSError as error:
            raise OutputError(f"{arguments[0]}: {error.strerror}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[:200]
            raise OutputError(f"{arguments[0]}: exit code {done.returncode} {said}".rstrip())

    def renew(self) -> None:
        """See `Output.renew`."""
        self.switch(on=True)

    def close(self) -> None:
        """See `Output.close`."""


# A watchdog relay wants an edge: off for this long (wall s), then on again. Far shorter than the
# hold time of any relay, far longer than the 10 us that an opto-coupler needs.
_EDGE_S = 0.02


class PinOutput:
    """A pin of the Pi through gpiozero, which is imported only here.

    Args:
        entry: Its part of station.toml.

    Raises:
        OutputError: The pin can't be had.
    """

    def __init__(self, entry: OutputEntry) -> None:
        self._entry = entry
        self._device: Any = None
        self._open()

    def switch(self, *, on: bool) -> None:
        """See `Output.switch`."""
        self._write(on)
        if bool(self._device.value) is not on:
            raise OutputError(f"pin {self._entry.pin}: reads back {self._device.value}")

    def renew(self) -> None:
        """See `Output.renew`."""
        self._write(False)
        threading.Event().wait(_EDGE_S)
        self._write(True)

    def close(self) -> None:
        """See `Output.close`."""
        if self._device is not None:
            with contextlib.suppress(Exception):
                self._device.close()

    def _write(self, on: bool) -> None:
        if self._device is None:
            self._open()
        try:
            (self._device.on if on else self._device.off)()
        except Exception as error:
            raise OutputError(f"pin {self._entry.pin}: {error}") from error

    def _open(self) -> None:
        try:
            from gpiozero import DigitalOutputDevice  # noqa: PLC0415  # only on a Pi

            self._device = DigitalOutputDevice(
                self._entry.pin, active_high=not self._entry.active_low, initial_value=False
            )
        except Exception as error:
            raise OutputError(f"pin {self._entry.pin}: {error}") from error


def open_output(entry: OutputEntry, clock: Clock, jobs: Callable[[str], LineJobs | None]) -> Output:
    """Return the output of an entry.

    Args:
        entry: Its part of station.toml.
        clock: The run's clock.
        jobs: Gives the queue of the line with this port id.

    Raises:
        OutputError: It can't be had now.
    """
    match entry.kind:
        case "simulated":
            return SimulatedOutput(entry, clock)
        case "command":
            return CommandOutput(entry)
        case "gpio":
            return PinOutput(entry)
        case "modbus-coil":
            line = jobs(entry.port)
            if line is None:
                raise OutputError(f"port {entry.port}: is not served")
            return CoilOutput(entry, line, clock)
