"""`[mandate]`, `[[output]]`, `[[act]]`, `[[button]]` and `[command]` of station.toml.

A station that acts does so because somebody has allowed it, in writing: who, when, until when.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from core.community import Name
from core.grade import WARNING_GRADES, Grade
from core.quantity import Quantity

Word = Literal["blue", "yellow", "orange", "red"]


class Mandate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the station may do without asking.

    Attributes:
        signed_by, signed_on: Who allowed it, and when.
        valid_until: Last day on which it holds. Afterwards the station does not act, and says so.
        text: What was allowed, in the words of who signed it.
    """

    signed_by: str
    signed_on: dt.date
    valid_until: dt.date
    text: str


class DeadMan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hardware that ends the output by itself when the program dies.

    Attributes:
        kind: `timed-relay`: the module drops out by its own timer; `watchdog-relay`: a
            retriggerable timer in the wiring that wants a renewal again and again.
        hold_s: Seconds after the last renewal until it has dropped out.
        wiring: Where that is seen: terminal, drawing, type of relay.
    """

    kind: Literal["timed-relay", "watchdog-relay"]
    hold_s: float
    wiring: str


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The input that says whether an output really does what it was told.

    Attributes:
        sensor: A sensor of this station (a microphone relay, a current loop, a limit switch).
        quantity: Which of its quantities.
        at_least: It counts as heard from this value on, canonical unit.
        within_s: How long after switching on it may take.
    """

    sensor: str
    quantity: Quantity = Quantity.CONTACT
    at_least: float = 0.5
    within_s: float = 5.0


class OutputEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the station can switch. Its safe state is off.

    Attributes:
        id: Slug.
        kind: `gpio` (a pin of the Pi), `modbus-coil` (a relay module), `command` (a program) or
            `simulated` (writes what it would do to a file; for tests and the demo).
        name: For people.
        harmful: True if it could do harm should the program die while it is on (a pump that runs
            dry, a barrier, a door): only accepted with `dead_man`.
        dead_man: Hardware that ends it when the program dies.
        min_on_s, min_off_s: Shortest time on and off: no siren stutters, no pump short-cycles.
            A person who silences it does not wait.
        max_run_s: It never runs longer at a stretch. It then stays off until what demanded it is
            over, or has become worse.
        feedback: Did it sound?
        pin, active_low: GPIO number (BCM) and level.
        port, address, coil: Of a Modbus relay module; the coil as on the wire, from 0.
        pulse_coil: With `timed-relay`: coil base of the module's timed switching-on, to which
            `coil` is added and whose value is the time in 0.1 s (512 on Waveshare modules, "flash
            on").
        on, off: Program and arguments that switch it; no shell is used.
        timeout_s: A program that takes longer is ended.
        file: Where a simulated output writes.
    """

    id: str
    kind: Literal["gpio", "modbus-coil", "command", "simulated"]
    name: Name = Name()
    harmful: bool = False
    dead_man: DeadMan | None = None
    min_on_s: float = 10.0
    min_off_s: float = 10.0
    max_run_s: float = 600.0
    feedback: Feedback | None = None
    pin: int = -1
    active_low: bool = False
    port: str = ""
    address: int = 1
    coil: int = 0
    pulse_coil: int = -1
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    timeout_s: float = 5.0
    file: str = ""


class ActEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When which output is switched on.

    Attributes:
        output: Which.
        when: `alone`: a local limit is crossed and the hub can't be reached for `after_s`;
            `at-once`: a local limit of life-safety is crossed, hub or no hub;
            `hub-silent`: the hub has been silent for `after_s` during a warning of its own.
        zone: Where.
        quantity: What is measured; not for `hub-silent`.
        grade: From which grade on: of the local limits, or (`hub-silent`) of the hub's warning.
        after_s: See `when`; 30 s for `alone`, 300 s for `hub-silent` where it is not given.
        reason: Why here; an act `at-once` needs one.
    """

    output: str
    when: Literal["alone", "at-once", "hub-silent"]
    zone: str
    quantity: Quantity | None = None
    grade: Word = "red"
    after_s: float | None = None
    reason: str = ""

    @property
    def level(self) -> Grade:
        """The grade."""
        return next(grade for grade in WARNING_GRADES if grade.word == self.grade)

    @property
    def delay_ms(self) -> float:
        """`after_s`, or the default of its kind, in milliseconds."""
        if self.after_s is not None:
            return self.after_s * 1000
        return {"alone": 30_000.0, "hub-silent": 300_000.0, "at-once": 0.0}[self.when]


class ButtonEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A button on the wall: a sensor of this station that acts on an output when it is pressed.

    Attributes:
        sensor, quantity: Whose value goes to 1 when it is pressed.
        action: `silence`, `test` (a few seconds) or `sound` (for `seconds`).
        output: Which; empty means all.
        seconds: For how long (`test`, `sound`).
    """

    sensor: str
    action: Literal["silence", "test", "sound"]
    output: str = ""
    quantity: Quantity = Quantity.CONTACT
    seconds: float = 5.0


class CommandEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signed commands of the hub: accepted only with a key.

    Attributes:
        key_file: File with this station's key, one line of at least 32 characters; the hub has the
            same one.
    """

    key_file: str = ""
