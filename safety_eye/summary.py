"""The figures of a finished run: what was produced, stored and warned of, and who was told.

`produced` comes from the stations' own spools, everything else from the hub's ledger and journal:
two witnesses that must agree.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from core.drill import is_drill
from core.grade import WARNING_GRADES, Grade, grade_named
from edge import read_spool
from ingest.ledger_file import LedgerError
from ingest.station_ledger import read_ledger


class ReadingTotals(msgspec.Struct, frozen=True):
    """The ledger of a run; balanced when nothing is missing."""

    produced: int
    stored: int
    quarantined: int
    lost: int
    unknown: int

    @property
    def balanced(self) -> bool:
        """True if every produced reading is accounted for."""
        return self.produced == self.stored + self.quarantined + self.lost + self.unknown


def reading_totals(state: Path) -> ReadingTotals:
    """Return the totals of all stations of a run; a drill keeps books of its own."""
    spools = [read_spool(path) for path in sorted(state.glob("stations/*/spool.db"))]
    ledger = read_ledger(state / "ledger.db")
    stations = [entry for entry in ledger if not is_drill(entry.station)]
    return ReadingTotals(
        produced=sum(spool.produced for spool in spools),
        stored=sum(entry.stored for entry in stations),
        quarantined=sum(entry.quarantined for entry in stations),
        lost=sum(entry.lost for entry in stations),
        unknown=sum(entry.unknown for entry in stations),
    )


def accounted(state: Path) -> bool:
    """Tell whether every reading of every station is accounted for; False while files are busy."""
    with contextlib.suppress(OSError, ValueError, LedgerError):
        return reading_totals(state).balanced
    return False


def summary(
    readings: ReadingTotals,
    incidents: Sequence[dict[str, Any]],
    journals: Sequence[Sequence[dict[str, Any]]],
    started_ms: int,
) -> dict[str, Any]:
    """Return the JSON of `safety-eye demo --json` (interfaces, Commands)."""
    rises = dict.fromkeys((grade.word for grade in WARNING_GRADES), 0)
    first: int | None = None
    for journal in journals:
        for word, at in rises_of(journal):
            rises[word] += 1
            first = at if first is None else min(first, at)
    notified = {
        note["id"]
        for incident in incidents
        for note in incident["notified"]
        if note["state"] == "accepted" and note["kind"] != "escalation"
    }
    return {
        "readings": msgspec.to_builtins(readings),
        "alerts": rises,
        "notified": len(notified),
        "first_alert_after_s": None if first is None else round((first - started_ms) / 1000, 1),
        "incidents": [_brief(incident) for incident in incidents],
    }


def rises_of(journal: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return each rise of an incident as (grade word, run time in ms), oldest first."""
    found = []
    for entry in journal:
        new, old = entry.get("grade"), entry.get("previous", 0)
        if entry["event"] in ("opened", "raised") and new is not None:
            grade = Grade(new) if isinstance(new, int) else grade_named(new)
            if int(grade) > int(old or 0):
                found.append((grade.word, int(entry["at"])))
    return found


def _brief(incident: dict[str, Any]) -> dict[str, Any]:
    keys = ("number", "zone", "hazard", "condition", "grade", "peak", "acknowledged", "opened_at")
    brief = {key: incident[key] for key in keys}
    brief["closed_at"] = incident["closed_at"] or None
    brief["notified"] = sum(note["state"] == "accepted" for note in incident["notified"])
    for key in ("grade", "peak"):
        if isinstance(brief[key], int):
            brief[key] = Grade(brief[key]).word
    return brief


def fetch_incidents(url: str) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Return every actual incident of a running hub, and the journal of each.

    Raises:
        httpx.HTTPError: The API does not answer; trying again may help.
    """
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        answer = client.get("/api/v1/incidents", params={"limit": 1000})
        answer.raise_for_status()
        actual = [row for row in _rows(answer.json(), "incidents") if not row.get("exercise")]
        incidents = sorted(actual, key=lambda row: row["number"])
        journals = []
        for incident in incidents:
            answer = client.get(f"/api/v1/incidents/{incident['number']}/journal")
            answer.raise_for_status()
            journals.append(_rows(answer.json(), "journal"))
    return incidents, journals


def pending_notifications(url: str) -> int:
    """Return how many notifications still wait in the outbox.

    Raises:
        httpx.HTTPError: The API does not answer; trying again may help.
    """
    answer = httpx.get(f"{url}/api/v1/outbox", timeout=5, trust_env=False)
    answer.raise_for_status()
    return int(answer.json()["pending"])


def _rows(body: Any, key: str) -> list[dict[str, Any]]:
    return list(body[key] if isinstance(body, dict) else body)
