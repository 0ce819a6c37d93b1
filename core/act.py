"""Local acts: what a station switched by itself, why, and how it ended; they travel in its status.

A station may write two topics only, and an act is rare: so acts ride on the retained status until
the hub has them in its journal (`Receipt.acts`). Nothing else on the wire changes, and the ledger
of readings does not know them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from core.finding import Hazard
from core.grade import Grade

# What a JSON number can hold exactly; beyond it neither SQLite nor other readers follow.
_MOST = 2**53
_Whole = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]
# Texts come from outside: a status must stay small, whatever a device or a person writes.
_Text = Annotated[str, msgspec.Meta(max_length=400)]
_Slug = Annotated[str, msgspec.Meta(max_length=80)]
# Acts in one status; more of them wait for the receipts of these.
ACTS_A_STATUS = 20


class ActEvent(StrEnum):
    """What happened to an output."""

    ON = "on"
    OFF = "off"
    HEARD = "heard"  # its feedback says that it really sounds, opens, runs
    NOT_HEARD = "not-heard"  # it was switched on and its feedback does not say so
    STUCK = "stuck"  # its feedback says "on" although it is off: it proves nothing
    FAILED = "failed"  # the device refuses or does not answer; tried again
    WORKS = "works"  # it answers again
    WITHHELD = "withheld"  # it would have been switched on, and must not be
    SILENCED = "silenced"
    ANSWER = "answer"  # what became of a command


class Why(StrEnum):
    """Why an output was switched, or was not."""

    LIMIT = "limit"  # a local limit is crossed
    HUB_SILENT = "hub-silent"  # the hub fell silent during a warning of its own
    TEST = "test"
    ORDERED = "ordered"  # a person asked for it, with a command or a button
    OVER = "over"  # what demanded it is over
    MAX_RUN = "max-run"
    SILENCED = "silenced"
    STOPPED = "stopped"  # the station was stopped
    KILLED = "killed"  # the station was killed; said by its next start
    MANDATE_EXPIRED = "mandate-expired"
    MANDATE_MISSING = "mandate-missing"


class LocalAct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of one output.

    Attributes:
        id: `<boot>-<number>`, unique within the station.
        boot: Boot id of the station program that made it.
        at: Run time (ms) if `sync`, else milliseconds since that boot.
        sync: Was the station's clock trusted?
        elapsed_ms: Run milliseconds since that boot.
        output: Id of the output; empty for an answer that concerns none.
        event, why: What and why.
        run: Id of the `on` that this belongs to; from it to its `off` is one run.
        alone: True if the hub could not be reached.
        sounded: Only with `off`: did its feedback hear it? None if there is no feedback.
        zone, hazard, grade: Where, of what, how bad.
        sensor, quantity, value, unit, limit: The reading that decided, canonical unit.
        by: Who ordered it: a person of the hub, or the sensor of a button.
        command: Nonce of the command that this answers.
        mandate: Who signed it, and when.
        detail: For people: what the device said, how long something lasted.
    """

    id: _Slug
    boot: _Slug
    at: _Whole
    sync: bool = True
    elapsed_ms: _Whole = 0
    output: _Slug = ""
    event: ActEvent
    why: Why = Why.LIMIT
    run: _Slug = ""
    alone: bool = False
    sounded: bool | None = None
    zone: _Slug = ""
    hazard: Hazard | None = None
    grade: Grade = Grade.GREEN
    sensor: _Slug = ""
    quantity: _Slug = ""
    value: float | None = None
    unit: _Slug = ""
    limit: float | None = None
    by: _Text = ""
    command: _Slug = ""
    mandate: _Text = ""
    detail: _Text = ""


class OutputState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one output stands.

    Attributes:
        on: Is it switched on?
        why: Why it is on.
        since_ms: Run milliseconds since when it is as it is.
        sounded: What its feedback says of this run; None if there is no word of it.
        silenced: True if a person has silenced what would sound now.
        fault: What the device last said, empty if it works.
    """

    on: bool
    why: str = ""
    since_ms: _Whole = 0
    sounded: bool | None = None
    silenced: bool = False
    fault: _Text = ""


class ActingState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a station may do alone, and does.

    Attributes:
        mandate: Who signed it and until when; empty if there is none.
        valid: False if it has expired or has not begun: the station then does not act.
        alone_ms: Run milliseconds since the hub was last heard; 0 while it is.
        outputs: By id.
        waiting: Acts that the hub has not receipted yet.
        dropped: Acts that had to be given up, because too many waited.
    """

    mandate: _Text = ""
    valid: bool = True
    alone_ms: _Whole = 0
    outputs: dict[str, OutputState] = {}
    waiting: int = 0
    dropped: int = 0
