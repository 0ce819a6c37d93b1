"""The back-test of a lesson as the program made it: data, and the seal that tells it from words.

`safety-eye backtest … --lesson N/ID` makes one and seals it with a key that only the state of
alerts holds; the hub keeps none whose seal does not fit. So nobody can type one in, or mend one,
who can't write to the database itself. Ids only, no names.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from core.finding import Hazard

# The files that a back-test can be about, by the names that lessons call them.
PROFILE_FILE, PLANS_FILE = "community.toml", "response.toml"
# Name of its key among the values that programs on one database share.
KEY_NAME = "back-test-key"
# Most places and most findings of the lint that one keeps: it stays readable, and the journal
# small. Choice of this project.
MOST_OUTCOMES, MOST_FOUND = 40, 40


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one file made of the stretch, in one zone and for one hazard.

    Attributes:
        alerts: How many alerts had which worst grade, by the grade's word.
        found, missed: Dangers of which it warned no later than they began, and the others.
        false_alerts: Alerts of yellow or worse that had nothing to do with a danger.
        lead_s: Median time from the first warning to the danger in seconds; None if none was found.
    """

    alerts: dict[str, int] = {}
    found: int = 0
    missed: int = 0
    false_alerts: int = 0
    lead_s: float | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What both files made of one zone and hazard.

    Attributes:
        zone, hazard: Where and what.
        dangers: How often a limit of orange or worse was reached under either file.
        before, proposed: What the file in use and the proposed one made of it.
        verdict: better, worse, mixed or same.
    """

    zone: str
    hazard: Hazard
    dangers: int
    before: Side
    proposed: Side
    verdict: str


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Which stretch of the hub's history was judged again. Times are event time (ms).

    Attributes:
        start, end: The stretch that counted.
        readings: How many readings lay in it.
        rolled: How many of all that were judged were ten-minute roll-ups, warming up included.
        danger_at: When the incident reached a limit of orange or worse; None if it never did.
        before, proposed: When each file reached which grade in the incident, by the grade's word.
        outcomes: Each zone and hazard in which anything was told.
        more: How many of those were left out here.
    """

    start: int
    end: int
    readings: int
    rolled: int = 0
    danger_at: int | None = None
    before: dict[str, int] = {}
    proposed: dict[str, int] = {}
    outcomes: tuple[Outcome, ...] = ()
    more: int = 0


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    """What `plan lint` finds in both files.

    Attributes:
        before, proposed: How many things there are to mend in each.
        mended, fresh: Rule and place of what only the old, only the proposed file has.
    """

    before: int
    proposed: int
    mended: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


class Drilled(msgspec.Struct, frozen=True, kw_only=True):
    """The latest finished drill of the hazard, with the plans that held then.

    Attributes:
        id, zone: Which, and where.
        ended_at: Run time (ms).
        passed: Whether everything that was aimed at was reached.
        detected_s, notified_s, taken_over_s: As it was measured; None if it never came about.
    """

    id: str
    zone: str
    ended_at: int
    passed: bool
    detected_s: float | None = None
    notified_s: float | None = None
    taken_over_s: float | None = None


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """What the program found out about a proposed file before anybody approves it.

    Attributes:
        incident: Which one taught the lesson.
        file: `community.toml` or `response.toml`.
        before, proposed: SHA-256 of the file that it is compared with, and of the proposed one.
        tested_at: When it was made, wall time (ms).
        tool: Version of the program that made it.
        verdict: better, worse, mixed or same.
        replay: Of a profile.
        lint, drill: Of plans; no drill if there was none.
        seal: HMAC-SHA256 over all the rest.
    """

    incident: int
    file: str
    before: str
    proposed: str
    tested_at: int
    tool: str
    verdict: str
    replay: Replayed | None = None
    lint: Linted | None = None
    drill: Drilled | None = None
    seal: str = ""


_ENCODER = msgspec.json.Encoder(order="sorted")


def sealed(test: BackTest, key: bytes) -> BackTest:
    """Return it with its seal."""
    return msgspec.structs.replace(test, seal=_seal(test, key))


def genuine(test: BackTest, key: bytes) -> bool:
    """Tell whether it is as the program of this state made it."""
    return hmac.compare_digest(_seal(test, key).encode(), test.seal.encode())


def _seal(test: BackTest, key: bytes) -> str:
    body = _ENCODER.encode(msgspec.structs.replace(test, seal=""))
    return hmac.new(key, body, hashlib.sha256).hexdigest()
