"""Files of `hardware/` that are copied or filled in at a site: units, rules, configurations."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template

# In a wheel the folder lies inside this package, in a source tree beside it.
_PLACES = (Path(__file__).parent / "hardware", Path(__file__).parents[1] / "hardware")


class KitError(RuntimeError):
    """Something can't be written or made as asked; the message says what to do."""


def shipped(name: str) -> Path:
    """Return the file *name* of `hardware/`, e.g. `mosquitto/acl.template`.

    Raises:
        KitError: This installation lacks it.
    """
    for place in _PLACES:
        if (place / name).is_file():
            return place / name
    raise KitError(f"{name}: this installation came without hardware/; install the whole package")


def filled(name: str, **values: object) -> str:
    """Return the template *name* of `hardware/` with its `$words` filled in."""
    return Template(shipped(name).read_text(encoding="utf-8")).substitute(
        {key: str(value) for key, value in values.items()}
    )


def write_new(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file that must not exist yet, with its mode from the first byte on.

    Raises:
        KitError: It exists, or can't be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, flags, mode)
    except FileExistsError as error:
        raise KitError(f"{path}: exists already; nothing is overwritten") from error
    except OSError as error:
        raise KitError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # The umask may have taken rights away that a service needs, never added any.
        os.fchmod(descriptor, mode)
        file.write(text)


def write_anew(path: Path, text: str, mode: int) -> None:
    """Replace a file in one step: whoever reads it sees the old or the new text, never a part.

    Raises:
        KitError: It can't be written.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        owner = path.stat() if path.exists() else None
        fresh.unlink(missing_ok=True)
        write_new(fresh, text, mode)
        if owner is not None and os.geteuid() == 0:
            os.chown(fresh, owner.st_uid, owner.st_gid)
        fresh.replace(path)
    except OSError as error:
        raise KitError(f"{path}: {error.strerror}") from error
