"""Which learned detectors may speak: those whose own back-test has passed, by stamped records.

The file stands beside the snapshot. A record holds for a detector as it was tested: when its
version or its limits change, it is silent again until it has been tested anew. A file that can't be
read approves nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from detectors.panel import PanelRule
from detectors.plan import RulePlan

log = structlog.get_logger()
FILE = "learned.json"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one back-test of one learned detector.

    Attributes:
        rule: Name of the detector.
        fingerprint: Of its version and limits.
        site: Whose history it was.
        start, end: First and last instant of the history, milliseconds since the epoch.
        tested: When the test was run (ISO 8601).
        readings: How many readings were judged.
        passed: Whether it may speak.
        why: The verdict in words.
        false_per_month: Its episodes without a danger, per series and month.
    """

    rule: str
    fingerprint: str
    site: str
    start: int
    end: int
    tested: str
    readings: int
    passed: bool
    why: str
    false_per_month: float


_DECODER = msgspec.json.Decoder(list[Approval])


def fingerprints(rules: Iterable[RulePlan | PanelRule]) -> dict[str, str]:
    """Return the fingerprint of each learned detector among *rules*."""
    seen: dict[str, set[str]] = {}
    for rule in rules:
        if rule.learned:
            levels = [(int(level.grade), level.limit) for level in rule.limits.levels]
            seen.setdefault(rule.name, set()).add(repr((rule.version, levels)))
    return {
        name: hashlib.sha256(repr(sorted(texts)).encode()).hexdigest()[:16]
        for name, texts in seen.items()
    }


def read(path: Path) -> list[Approval]:
    """Return the records of a file; none where there is no file or it can't be read."""
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        log.warning(
            "back-test records can't be read: learned detectors are silent", error=str(error)
        )
        return []


def write(path: Path, records: Iterable[Approval]) -> None:
    """Put *records* in place of earlier ones of the same rules and sites.

    Raises:
        OSError: The disk refuses; the old file stands.
    """
    new = list(records)
    names = {(record.rule, record.site) for record in new}
    kept = [record for record in read(path) if (record.rule, record.site) not in names]
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode([*kept, *new])))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def approved(
    records: Iterable[Approval], site: str, rules: Iterable[RulePlan | PanelRule]
) -> frozenset[str]:
    """Return the learned detectors that may speak at *site* as they are set in *rules*."""
    prints = fingerprints(rules)
    return frozenset(
        record.rule
        for record in records
        if record.passed
        and record.site == site
        and record.fingerprint == prints.get(record.rule, "")
    )
