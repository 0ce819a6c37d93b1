"""The supervisor with real processes: restart, pause, clean stop, nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.clock import RunClock
from safety_eye.supervisor import Program, Supervisor

SLEEPER = [sys.executable, "-c", "import threading; threading.Event().wait()"]
STUBBORN = [
    sys.executable,
    "-c",
    (
        "import signal, threading\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\nthreading.Event().wait()"
    ),
]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    boss = Supervisor(tmp_path, RunClock(), said.append)
    yield boss
    boss.stop()


def wait_for(condition: Callable[[], bool], boss: Supervisor) -> bool:
    pause = threading.Event()
    for _ in range(200):
        boss.watch()
        if condition():
            return True
        pause.wait(0.05)
    return False


def pid_of(tmp_path: Path, name: str) -> int:
    return int((tmp_path / "run" / f"{name}.pid").read_text())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_program_is_started_again_and_said_so(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start(Program("ingest", SLEEPER))
    first = pid_of(tmp_path, "ingest")

    os.kill(first, signal.SIGKILL)

    assert wait_for(lambda: supervisor.restarts["ingest"] == 1, supervisor)
    assert supervisor.running("ingest")
    assert pid_of(tmp_path, "ingest") != first
    assert "ingest ended (signal 9)" in said[0]


def test_a_program_that_keeps_dying_is_tried_with_growing_pauses(
    supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(Program("broken", [sys.executable, "-c", "raise SystemExit(3)"]))

    assert wait_for(lambda: len(said) >= 3, supervisor)
    assert ["in 0.5 s" in said[0], "in 1 s" in said[1], "in 2 s" in said[2]] == [True] * 3
    assert "exit code 3" in said[0]


def test_a_program_that_can_not_be_started_again_leaves_the_others_running(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.symlink_to(sys.executable)
    supervisor.start(Program("steady", SLEEPER))
    supervisor.start(Program("tool", [str(tool), *SLEEPER[1:]]))
    tool.unlink()
    (tmp_path / "run" / "tool.pid").unlink()
    (tmp_path / "run" / "tool.pid").mkdir()  # nor can its pid file be written
    supervisor._children["tool"].process.kill()  # type: ignore[union-attr]  # it runs

    assert wait_for(lambda: any("can't be started" in line for line in said), supervisor)
    assert supervisor.running("steady")
    tool.symlink_to(sys.executable)
    assert wait_for(lambda: supervisor.running("tool"), supervisor)


def test_a_program_that_may_end_is_not_started_again(
    supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(Program("scenario", [sys.executable, "-c", ""], critical=False))

    assert wait_for(lambda: not supervisor.running("scenario"), supervisor)
    supervisor.watch()
    assert supervisor.restarts["scenario"] == 0
    assert said == []


def test_stopping_leaves_no_process_even_if_one_ignores_sigterm(
    tmp_path: Path, said: list[str]
) -> None:
    boss = Supervisor(tmp_path, RunClock(), said.append)
    up = threading.Event()
    boss.start(Program("calm", SLEEPER))
    boss.start(Program("stubborn", STUBBORN, stop_s=0.5, on_line=lambda _line: up.set()))
    assert up.wait(10)
    pids = [pid_of(tmp_path, "calm"), pid_of(tmp_path, "stubborn")]

    boss.stop()

    assert [alive(pid) for pid in pids] == [False, False]
    assert said == ["stubborn did not stop in time and was killed"]
    assert list((tmp_path / "run").iterdir()) == []


def test_programs_end_when_the_supervisor_itself_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, threading\nfrom pathlib import Path\nfrom core.clock import RunClock\n"
        "from safety_eye.supervisor import Program, Supervisor\n"
        f"boss = Supervisor(Path({str(tmp_path)!r}), RunClock(), print)\n"
        f"boss.start(Program('child', {SLEEPER!r}))\nprint('up', flush=True)\n"
        "threading.Event().wait()\n"
    )
    boss = Supervisor(tmp_path / "outer", RunClock(), print)
    up = threading.Event()
    boss.start(Program("inner", [sys.executable, "-c", script], on_line=lambda _line: up.set()))
    assert up.wait(20)
    child = pid_of(tmp_path, "child")

    os.kill(pid_of(tmp_path / "outer", "inner"), signal.SIGKILL)

    assert wait_for(lambda: not alive(child) or _zombie(child), boss)
    boss.stop()


def _zombie(pid: int) -> bool:
    """A container without an init process may never reap an orphan."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
