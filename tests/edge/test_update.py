"""A station's update with the way back: real environments, real wheels, a stand-in for systemd."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pip
import pytest

from edge import update

# What a release does: its check of the station's file, and how it lives.
_GOOD = "sys.exit(0) if '--check' in sys.argv else signal.pause()"
_REFUSES = "sys.exit('safety-eye edge: station.toml: `colour` is unknown')"
_CRASHES = "sys.exit(0 if '--check' in sys.argv else 1)"

# Makes an environment as `python3 -m venv` does, but links the pip that is here: unpacking a fresh
# one takes most of the time of a real update, and is not what is tested.
_PYTHON = """\
#!{python}
import pathlib, sys, venv
target = pathlib.Path(sys.argv[-1])
venv.create(target, with_pip=False, symlinks=True)
place = next(target.glob("lib/python3*/site-packages"))
(place / "pip").symlink_to({pip!r})
"""

# Starts what `current` leads to, and tells as systemd does whether its process lives.
_SYSTEMCTL = """\
#!{python}
import os, pathlib, signal, subprocess, sys
root, verb = pathlib.Path({root!r}), sys.argv[1]
note = root / "pid"
def alive():
    try:
        return pathlib.Path(f"/proc/{{note.read_text()}}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
if verb in ("restart", "stop") and alive():
    os.kill(int(note.read_text()), signal.SIGKILL)
if verb == "restart":
    child = subprocess.Popen([root / "current/bin/safety-eye", "edge", "station.toml"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    note.write_text(str(child.pid))
if verb == "show":
    print("ActiveState=" + ("active" if alive() else "activating"))
    print("MainPID=" + (note.read_text() if alive() else "0"))
"""


def wheel(directory: Path, version: str, body: str) -> Path:
    """Write a wheel of a stand-in for the program."""
    path = directory / f"safety_eye-{version}-py3-none-any.whl"
    info = f"safety_eye-{version}.dist-info"
    files = {
        "stand_in.py": f"import signal, sys\ndef main():\n    {body}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: safety-eye\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nsafety-eye = stand_in:main\n",
    }
    record = f"{info}/RECORD,,\n"
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{name},sha256={digest.decode()},{len(text.encode())}\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return path


class Pi:
    """A machine with the update program, a station's file and something like systemd."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "opt"
        self.root.mkdir()
        self.systemctl = directory / "systemctl"
        self.systemctl.write_text(_SYSTEMCTL.format(python=sys.executable, root=str(self.root)))
        self.systemctl.chmod(0o755)
        self.python = directory / "python3"
        linked = str(Path(pip.__file__).parent)
        self.python.write_text(_PYTHON.format(python=sys.executable, pip=linked))
        self.python.chmod(0o755)
        self.config = directory / "station.toml"
        self.config.write_text("")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable, str(Path(update.__file__)),
                "--python", str(self.python), *arguments,
                "--root", str(self.root), "--config", str(self.config),
                "--systemctl", str(self.systemctl),
                "--health-s", "3", "--settled-s", "1",
            ],
            capture_output=True, text=True, timeout=120, check=False, cwd=self.directory,
        )  # fmt: skip

    def update(self, version: str, body: str) -> subprocess.CompletedProcess[str]:
        wheels = str(self.directory)
        return self.run(str(wheel(self.directory, version, body)), "--wheels", wheels)

    @property
    def current(self) -> str:
        return (self.root / "current").resolve().name

    @property
    def running(self) -> str:
        """The release whose program is alive."""
        # A release's program runs on the interpreter of its own environment.
        command = Path(f"/proc/{(self.root / 'pid').read_text()}/cmdline").read_text()
        return command.split("\0")[0].split("/")[-3]

    def stop(self) -> None:
        subprocess.run([self.systemctl, "stop", "safety-eye-station"], check=False)


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Pi]:
    machine = Pi(tmp_path)
    try:
        yield machine
    finally:
        machine.stop()


def test_a_release_that_does_not_prove_itself_is_left_again(pi: Pi) -> None:
    first = pi.update("1.0", _GOOD)
    assert first.returncode == 0, first.stderr
    assert (pi.current, pi.running) == ("0001", "0001")

    refused = pi.update("2.0", _REFUSES)
    assert refused.returncode == 1
    assert "`colour` is unknown; nothing was changed" in refused.stderr
    assert (pi.current, pi.running) == ("0001", "0001")
    assert sorted(entry.name for entry in (pi.root / "releases").iterdir()) == ["0001"]

    crashed = pi.update("3.0", _CRASHES)
    assert crashed.returncode == 1
    assert "was not active" in crashed.stderr
    assert "went back to 0001, and runs" in crashed.stderr
    assert (pi.current, pi.running) == ("0001", "0001")

    # A power cut between the switch and the judgement: the next start finishes it.
    link = pi.root / "current"
    link.unlink()
    link.symlink_to(pi.root / "releases/0002")
    (pi.root / "pending").write_text("0001")
    resumed = pi.run("--resume")
    assert resumed.returncode == 1
    assert (pi.current, pi.running) == ("0001", "0001")
    assert not (pi.root / "pending").exists()
    assert pi.run("--resume").returncode == 0


def test_a_first_release_that_fails_leaves_nothing_running_and_says_so(pi: Pi) -> None:
    done = pi.update("1.0", _CRASHES)

    assert done.returncode == 1
    assert "there is no older release" in done.stderr
    assert not (pi.root / "current").exists()


def test_two_updates_at_once_and_wrong_calls_are_refused(pi: Pi) -> None:
    import fcntl  # noqa: PLC0415  # the other update

    with (pi.root / "update.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        busy = pi.run("--resume")

    assert (busy.returncode, "another update" in busy.stderr) == (1, True)
    assert pi.run().returncode == 2
    assert pi.run("x.whl", "--resume").returncode == 2


def test_an_update_without_its_wheel_changes_nothing(pi: Pi) -> None:
    done = pi.run("safety-eye==9.9", "--wheels", str(pi.directory), "--python", "/nowhere/python3")

    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert list((pi.root / "releases").iterdir()) == []


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    """It is copied out of the releases, so that a broken one can't break the way back."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(Path(update.__file__)), "--help"],
        capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "--resume" in done.stdout
