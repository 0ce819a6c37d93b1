#!/usr/bin/python3
"""Update of a station, with the way back: `safety-eye-update NEW.whl`.

```
ROOT/releases/0007   a virtual environment each; nothing in an old one is ever changed
ROOT/current         symlink to the one that runs; switched in one step
ROOT/pending         there while a switch is not yet judged: names the release to go back to
```

New release beside the old one ─▶ `safety-eye edge station.toml --check` ─▶ switch ─▶ restart ─▶
healthy (active, same process for a while)? ─▶ keep, else switch back and restart. A power cut in
between leaves `pending`; `--resume` at the next start judges it then.

This file needs nothing but Python's standard library: a copy of it is installed outside the
releases, so that a broken release can't break the way back.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DONE, FAILED, WRONG_CALL = 0, 1, 2
# Installing wheels on a Pi Zero takes minutes; anything else answers in seconds.
_INSTALL_S = 900
_ANSWER_S = 90
# How long one process must have lived to count as well: longer than a station takes to find that
# its file, spool or ports are not usable, and than systemd waits before it tries again (2 s).
SETTLED_S = 15.0
_KEPT = 2
_LOOK_S = 0.5


class UpdateError(RuntimeError):
    """The update did not happen; what ran before runs on."""


@dataclass(frozen=True)
class Site:
    """Where everything is on this machine.

    Attributes:
        root: Directory of the releases.
        config: The station's file, which a new release must accept.
        service: systemd's name of the station.
        systemctl: The program that speaks to systemd.
        python: The interpreter of new releases.
        settled_s: How long one process must live to count as well.
    """

    root: Path
    config: Path
    service: str
    systemctl: str
    python: str
    settled_s: float = SETTLED_S

    @property
    def current(self) -> Path:
        """The symlink that the service starts from."""
        return self.root / "current"

    @property
    def pending(self) -> Path:
        """Names the release to go back to, while a switch is not judged."""
        return self.root / "pending"


def main(arguments: Sequence[str] | None = None) -> int:
    """Update, or finish an interrupted update.

    Returns:
        0 when the new release runs, 1 when the old one does (or none could be made to), 2 for a
        wrong call.
    """
    options = _parser().parse_args(arguments)
    if bool(options.requirement) == options.resume:
        say("give a wheel (or a name), or --resume")
        return WRONG_CALL
    site = Site(
        options.root.absolute(), options.config, options.service, options.systemctl,
        options.python, options.settled_s,
    )  # fmt: skip
    # The service's user must be able to read the release, whatever root's own umask is.
    os.umask(0o022)
    try:
        with _alone(site.root):
            if options.resume:
                resume(site, options.health_s)
            else:
                update(site, options.requirement, options.wheels, options.health_s)
    except UpdateError as error:
        say(str(error))
        return FAILED
    except OSError as error:
        say(f"{error} (as root?)")
        return FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="safety-eye-update", description="Install a release of Safety Eye, or go back."
    )
    parser.add_argument("requirement", nargs="?", default="", help="a wheel, or safety-eye==X.Y.Z")
    parser.add_argument("--resume", action="store_true", help="judge an interrupted update")
    parser.add_argument("--wheels", help="directory of wheels; then nothing is downloaded")
    parser.add_argument("--root", type=Path, default=Path("/opt/safety-eye"))
    parser.add_argument("--config", type=Path, default=Path("/etc/safety-eye/station.toml"))
    parser.add_argument("--service", default="safety-eye-station")
    parser.add_argument("--health-s", type=float, default=60.0, help="time to prove itself")
    parser.add_argument("--settled-s", type=float, default=SETTLED_S, help=argparse.SUPPRESS)
    parser.add_argument("--systemctl", default="systemctl", help=argparse.SUPPRESS)
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter of the release")
    return parser


def update(site: Site, requirement: str, wheels: str | None, health_s: float) -> None:
    """Install *requirement* and switch to it if it proves itself within *health_s* seconds.

    Raises:
        UpdateError: It did not; the message says why and what runs now.
    """
    if site.pending.exists():
        resume(site, health_s)
    before = _running(site)
    release = _install(site, requirement, wheels)
    say(f"{release.name}: installed, its check accepts {site.config}")
    site.pending.write_text(before.name if before is not None else "")
    _sync(site.root)
    _switch(site, release)
    _judge(site, before, health_s)
    _tidy(site, {release, before} if before is not None else {release})


def resume(site: Site, health_s: float) -> None:
    """Judge a switch that an interruption left unjudged.

    Raises:
        UpdateError: The release did not prove itself; the one before runs again.
    """
    if not site.pending.exists():
        return
    name = site.pending.read_text().strip()
    before = site.root / "releases" / name if name else None
    _judge(site, before if before is not None and before.is_dir() else None, health_s)


def _install(site: Site, requirement: str, wheels: str | None) -> Path:
    """Return a new release that accepts the station's file; nothing of it is left if it doesn't."""
    releases = site.root / "releases"
    releases.mkdir(parents=True, exist_ok=True)
    numbers = [int(entry.name) for entry in releases.iterdir() if entry.name.isdecimal()]
    release = releases / f"{max(numbers, default=0) + 1:04d}"
    offline = ["--no-index", "--find-links", wheels] if wheels else []
    pip = [str(release / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install"]
    check = [str(release / "bin/safety-eye"), "edge", str(site.config), "--check"]
    try:
        _run([site.python, "-m", "venv", str(release)], _INSTALL_S, "making the environment")
        _run([*pip, "--quiet", *offline, requirement], _INSTALL_S, "installing")
        _run(check, _ANSWER_S, "its check of the station's file")
    except UpdateError as error:
        shutil.rmtree(release, ignore_errors=True)
        raise UpdateError(f"{error}; nothing was changed") from error
    return release


def _judge(site: Site, before: Path | None, health_s: float) -> None:
    """Start what is current; keep it if it is well in time, else go back."""
    why = _trouble(site, health_s)
    if not why:
        site.pending.unlink()
        say(f"{site.current.resolve().name}: runs and is kept")
        return
    failed = site.current.resolve().name
    if before is None:
        site.current.unlink(missing_ok=True)
        site.pending.unlink()
        with contextlib.suppress(UpdateError):
            _control(site, "stop")
        raise UpdateError(f"{failed}: {why}; there is no older release to go back to")
    _switch(site, before)
    why_back = _trouble(site, health_s)
    # What ran before stays current even if it is not well now, either: its trouble is another.
    site.pending.unlink()
    state = f"but {why_back}" if why_back else "and runs"
    raise UpdateError(f"{failed}: {why}; went back to {before.name}, {state}")


def _trouble(site: Site, health_s: float) -> str:
    """Restart the service and watch it; return why it is not well, or nothing."""
    try:
        _control(site, "restart")
    except UpdateError as error:
        return str(error)
    end = time.monotonic() + max(health_s, site.settled_s)
    process, since = "", time.monotonic()
    pause = threading.Event()
    while time.monotonic() < end:
        state, now = _state(site), time.monotonic()
        if state != process or not state:
            process, since = state, now
        if process and now - since >= site.settled_s:
            return ""
        pause.wait(_LOOK_S)
    return f"was not active for {site.settled_s:g} s without a break within {health_s:g} s"


def _state(site: Site) -> str:
    """Return the main process of an active service, else nothing."""
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments
            [site.systemctl, "show", site.service, "--property=ActiveState,MainPID"],
            capture_output=True, text=True, timeout=_ANSWER_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    pid = facts.get("MainPID", "0")
    return pid if facts.get("ActiveState") == "active" and pid != "0" else ""


def _control(site: Site, verb: str) -> None:
    _run([site.systemctl, verb, site.service], _ANSWER_S, f"systemctl {verb}")


def _running(site: Site) -> Path | None:
    return site.current.resolve() if site.current.is_dir() else None


def _switch(site: Site, release: Path) -> None:
    """Let `current` mean *release*, in one step that a power cut can't halve."""
    fresh = site.root / "current.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(release)
    _sync(release)
    fresh.replace(site.current)
    _sync(site.root)


def _sync(directory: Path) -> None:
    """Bring everything on the disk; a switch must not be there before what it leads to."""
    os.sync()
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tidy(site: Site, needed: set[Path]) -> None:
    """Keep the newest releases and those in use."""
    releases = sorted((site.root / "releases").iterdir())
    for release in releases[:-_KEPT]:
        if release not in needed:
            shutil.rmtree(release, ignore_errors=True)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the lock of this machine's updates."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "update.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UpdateError("another update is under way") from error
        yield


def _run(command: list[str], timeout_s: float, what: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except OSError as error:
        raise UpdateError(f"{what}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise UpdateError(f"{what}: did not end within {timeout_s:g} s") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UpdateError(f"{what}: {lines[-1] if lines else f'exit code {done.returncode}'}")


def say(text: str) -> None:
    """Tell the installer."""
    sys.stderr.write(f"safety-eye-update: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
