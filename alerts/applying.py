"""Whether an approved lesson has reached the file that it changes: told by the file, not by words.

The program knows the version (SHA-256, shortened) of each file that it has loaded. That of the
review is written into the lesson, by the program. A lesson that names the version after the change
counts as applied while exactly that one is loaded, also if the file was changed before the review;
one that names none, once another version than that of the review is. One with a back-test names the
tested version. Where a lesson was found to be applied it is written down (`Lesson.applied`): the
next change of the file does not undo it, going back to the old version does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from alerts.evidence import Lesson, LessonState

# Digits of a version: as many as people compare, more than two files of one place ever share.
VERSION_DIGITS = 12
_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS},64}}")


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """How far an approved lesson is.

    Attributes:
        file: Which file it changes.
        reviewed, loaded: Its version at the review, and the one that holds now.
        expected: The version that the lesson names, "" if it names none.
        applied: Whether the change holds.
        tested: The version that was back-tested, "" if none was.
        since: When it was first found to be applied, run time (ms); 0 if that is not written down.
    """

    file: str
    reviewed: str
    loaded: str
    expected: str
    applied: bool
    tested: str = ""
    since: int = 0


def file_version(path: Path) -> str:
    """Return the version of a file; "" if it can't be read."""
    try:
        return file_hash(path)[:VERSION_DIGITS]
    except OSError:
        return ""


def file_of(target: str, versions: Mapping[str, str]) -> str:
    """Return which of the loaded files a target names; "" if none.

    >>> file_of("community.toml, limit of the underpass", {"community.toml": "0a1b2c3d4e5f"})
    'community.toml'
    """
    return next((name for name in versions if name in target), "")


def version_at_review(target: str, known: Lesson | None, versions: Mapping[str, str]) -> str:
    """Return what a revision of a lesson keeps: the version when it was first written."""
    file = file_of(target, versions)
    if known is not None and known.loaded and file_of(known.target, versions) == file:
        return known.loaded
    return versions.get(file, "")


def applied(lesson: Lesson, versions: Mapping[str, str]) -> Applied | None:
    """Return how far a lesson is; None if it is not approved, or if no file can tell."""
    file = file_of(lesson.target, versions)
    tested, before = "", lesson.loaded
    if lesson.tested is not None:
        tested, before = short(lesson.tested.proposed), short(lesson.tested.before)
    reviewed = lesson.loaded or before
    if lesson.state is not LessonState.APPROVED or not reviewed or not versions.get(file):
        return None
    expected, loaded, old = named_version(lesson), versions[file], {reviewed, before}
    done = loaded == expected if expected else loaded != reviewed
    if lesson.applied_at and loaded not in old:
        done = True  # changed again since, not back
    return Applied(
        file=file,
        reviewed=reviewed,
        loaded=loaded,
        expected=expected,
        applied=done,
        tested=tested,
        since=lesson.applied_at,
    )


def named_version(lesson: Lesson) -> str:
    """Return the version that the file has after the change; "" if the lesson names none."""
    if lesson.tested is not None:
        return short(lesson.tested.proposed)
    return short(lesson.after) if is_version(lesson.after) else ""


def is_version(text: str) -> bool:
    """Tell whether a text is the version of a file, and no word for it."""
    return _VERSION.fullmatch(text.strip().lower()) is not None


def short(version: str) -> str:
    """Return a version or a whole SHA-256 as people compare it.

    >>> short("0A1B2C3D4E5F6071")
    '0a1b2c3d4e5f'
    """
    return version.strip().lower()[:VERSION_DIGITS]


def file_hash(path: Path) -> str:
    """Return the whole SHA-256 of a file.

    Raises:
        OSError: It can't be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()
