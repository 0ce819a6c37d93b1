"""Starts the programs, starts a dead one again, and shuts all of them down in order.

Each program is a process of its own: one that crashes takes nobody with it. A program that dies is
started again after a growing pause; one that keeps dying is reported, and tried again every 30 s,
because at night nobody is there to type the command again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from core.clock import Clock

# Pause before a restart, wall seconds: first, and at most.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A program that ran this long is healthy again: its next death starts at the first pause.
_HEALTHY_AFTER_S = 60.0
_PR_SET_PDEATHSIG = 1
# A log larger than this begins anew at the next start.
_LARGEST_LOG_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes:
        name: Short name for people, for the log file and for the pid file.
        argv: Command line.
        env: Additions to the environment.
        stop_s: Wall seconds it gets to end after SIGTERM, before SIGKILL.
        on_line: Called with each line of its standard output; without it output goes to the log.
        critical: False for programs that may end by themselves (a played scenario).
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_s: float = 15.0
    on_line: Callable[[str], None] | None = None
    critical: bool = True


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at_s: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    next_start_s: float = 0.0
    restarts: int = 0
    log: BinaryIO | None = None
    reader: threading.Thread | None = None


class Supervisor:
    """Runs programs in the order they were added, stops them in the opposite order.

    All calls come from one thread: Linux ties the "end when my parent ends" signal to it.

    Args:
        state: Directory for logs (`logs/`) and pid files (`run/`).
        clock: For pauses, wall time.
        report: Told what happens, in words.
    """

    def __init__(self, state: Path, clock: Clock, report: Callable[[str], None]) -> None:
        self._state = state
        self._clock = clock
        self._report = report
        self._children: dict[str, _Child] = {}
        (state / "logs").mkdir(parents=True, exist_ok=True)
        (state / "run").mkdir(parents=True, exist_ok=True)

    @property
    def restarts(self) -> dict[str, int]:
        """How often each program was started again."""
        return {name: child.restarts for name, child in self._children.items()}

    def start(self, program: Program) -> None:
        """Add and start a program."""
        child = _Child(program)
        self._children[program.name] = child
        self._launch(child)

    def running(self, name: str) -> bool:
        """Tell whether a program runs at this moment."""
        child = self._children.get(name)
        return child is not None and child.process is not None and child.process.poll() is None

    def watch(self) -> None:
        """Look after everybody once; call it a few times a second."""
        now = self._clock.monotonic_s()
        for child in self._children.values():
            process = child.process
            if process is not None and process.poll() is not None:
                self._died(child, process.returncode, now)
            if child.process is None and child.program.critical and now >= child.next_start_s:
                child.restarts += 1
                self._launch_again(child, now)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop these programs (all by default), last started first, and wait for each."""
        chosen = list(self._children) if names is None else list(names)
        for name in reversed(chosen):
            child = self._children.pop(name, None)
            if child is not None:
                self._end(child)

    def _launch_again(self, child: _Child, now: float) -> None:
        try:
            self._launch(child)
        except (OSError, subprocess.SubprocessError) as error:
            # A full disk or process table must not end the programs that still run.
            child.next_start_s = now + child.pause_s
            self._report(
                f"{child.program.name} can't be started ({error}); trying again in "
                f"{child.pause_s:g} s"
            )
            child.pause_s = min(child.pause_s * 2, _LONGEST_PAUSE_S)

    def _note_pid(self, name: str, pid: int | None) -> None:
        """Write or remove a pid file; it only helps people, so a full disk is no reason to stop."""
        file = self._state / "run" / f"{name}.pid"
        with contextlib.suppress(OSError):
            if pid is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(f"{pid}\n")

    def _launch(self, child: _Child) -> None:
        program = child.program
        if child.log is None:
            child.log = _open_log(self._state / "logs" / f"{program.name}.log")
        piped = program.on_line is not None
        # The programs' own output is for the log; people read what the roof prints.
        process = subprocess.Popen(  # noqa: S603  # argv is ours, never a shell line
            program.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else child.log,
            stderr=child.log,
            env={**os.environ, **program.env},
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # one call into libc, no locks taken
        )
        child.process = process
        child.started_at_s = self._clock.monotonic_s()
        self._note_pid(program.name, process.pid)
        if piped:
            assert program.on_line is not None
            child.reader = threading.Thread(
                target=_read_lines,
                args=(process, program.on_line),
                name=f"{program.name}-output",
                daemon=True,
            )
            child.reader.start()

    def _died(self, child: _Child, code: int, now: float) -> None:
        child.process = None
        self._note_pid(child.program.name, None)
        if not child.program.critical:
            return
        if now - child.started_at_s > _HEALTHY_AFTER_S:
            child.pause_s = _FIRST_PAUSE_S
        child.next_start_s = now + child.pause_s
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._report(
            f"{child.program.name} ended ({how}); starting it again in {child.pause_s:g} s "
            f"(log: {self._state / 'logs' / child.program.name}.log)"
        )
        child.pause_s = min(child.pause_s * 2, _LONGEST_PAUSE_S)

    def _end(self, child: _Child) -> None:
        process = child.process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(child.program.stop_s)
            except subprocess.TimeoutExpired:
                self._report(f"{child.program.name} did not stop in time and was killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
        if child.reader is not None:
            child.reader.join(2)
        if child.log is not None:
            child.log.close()
        self._note_pid(child.program.name, None)


def _open_log(path: Path) -> BinaryIO:
    """Open a log to append; one that has grown large begins anew and keeps its predecessor."""
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def python(*arguments: str) -> list[str]:
    """Return the command line that runs a module of this very installation."""
    return [sys.executable, "-m", *arguments]


def _read_lines(process: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for raw in process.stdout:
        on_line(raw.decode("utf-8", "replace").rstrip("\n"))
    process.stdout.close()


def _end_with_parent() -> None:
    """Ask Linux to send us SIGTERM when the supervisor is gone, even if it was killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
