"""Sounders and lights of the building: a signed command to a station, and its word that it sounded.

`channels = ["siren:north-1/horn"]`: station and output. Accepted is what the station answers;
delivered, that its feedback heard it. Only for what is bad enough, and for a drill only if that was
asked for: a siren that sounds for practice is believed less the next time.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol, runtime_checkable

from alerts.channels.base import Answers, Channel, Fate, Outcome, OutcomeKind, together
from alerts.channels.entry import ChannelEntry, ChannelError, read_options
from alerts.channels.voice import CallOptions, least_grade
from alerts.incident import Kind
from alerts.message import Notification
from alerts.orders import Given, Later, StationOrders, Wanted
from core.act import ActEvent, LocalAct
from core.command import Verb
from core.configuration import ConfigurationError, read_key

_WHERE = re.compile(r"([a-z0-9-]{1,40})/([a-z0-9-]{1,40})")
# Longest sounding that a command may ask for (core.command).
LONGEST_S = 3600.0
_SOUNDS = (Kind.ALERT, Kind.ESCALATION)
_STOPS = (Kind.CLEAR, Kind.DRILL_END)


class SounderOptions(CallOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options` of kind `sounder`.

    Attributes:
        key_directory: Holds `<station>.key`, as `[commands] key_directory` of hub.toml.
        seconds: For how long it sounds, run seconds; the station's own `max_run_s` holds, too.
        grade: Least grade for which it sounds.
    """

    key_directory: str
    seconds: float = 60.0
    grade: str = "red"


@runtime_checkable
class OrdersStations(Protocol):
    """A channel that gives orders to stations."""

    def use_stations(self, orders: StationOrders) -> None:
        """Take what gives orders; called once, before anything is sent."""


class Sounder(Channel):
    """Sounds the outputs that a contact names; an all-clear ends it."""

    concurrency = 2
    idempotent = True  # asked twice it sounds once
    example = "STATION/OUTPUT"

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._options = read_options(entry, SounderOptions)
        self._least = least_grade(entry, self._options)
        if not 1 <= self._options.seconds <= LONGEST_S:
            raise ChannelError(f"options.seconds {self._options.seconds:g}: expected 1 to 3600")
        if not Path(self._options.key_directory).is_dir():
            raise ChannelError(f"options.key_directory {self._options.key_directory!r}: no folder")
        self._orders: StationOrders | None = None
        self._answers: Answers | None = None

    def use_stations(self, orders: StationOrders) -> None:
        """Take what gives orders."""
        self._orders = orders

    def start(self, answers: Answers) -> None:
        """Take what hears whether it sounded."""
        self._answers = answers

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return _WHERE.fullmatch(address) is not None

    def takes(self, note: Notification) -> bool:
        """Only what is bad enough, its end, and the daily test; never a drill."""
        return self._not_sounded(note) is None

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Sound once."""
        del now_s
        refusal = self._not_sounded(note)
        if refusal is not None:
            return refusal
        places = [text.split("/") for text in self.addresses(note)]
        if not places:
            return self.without_recipient(note)
        return together(
            [
                Fate(f"{station}/{output}", self._sound(note, station, output))
                for station, output in places
            ]
        )

    def _not_sounded(self, note: Notification) -> Outcome | None:
        why = ""
        if note.exercise and not note.with_outputs:
            why = "a drill sounds nothing"
        elif note.kind is Kind.TEST or (note.kind in _STOPS and note.peak >= self._least):
            return None
        elif note.kind not in _SOUNDS or note.grade < self._least:
            why = f"it sounds for alerts from {self._least.word} on"
        if not why:
            return None
        return Outcome(OutcomeKind.PERMANENT, vendor_code="not-sounded", detail=why)

    def _sound(self, note: Notification, station: str, output: str) -> Outcome:
        assert self._orders is not None, "start comes before send"
        problem = self._orders.problem(station, output)
        if problem:
            kind = OutcomeKind.MISCONFIGURED if "no output" in problem else OutcomeKind.RETRY
            return Outcome(kind, vendor_code="station", detail=problem)
        try:
            key = read_key(Path(self._options.key_directory) / f"{station}.key")
        except ConfigurationError as error:
            return Outcome(OutcomeKind.MISCONFIGURED, vendor_code="key", detail=str(error))
        if note.kind is Kind.TEST:  # everything but the noise
            return Outcome(OutcomeKind.ACCEPTED, vendor_code="online", detail="ready to sound")
        stops = note.kind in _STOPS
        verb, seconds = (Verb.STOP, 0.0) if stops else (Verb.SOUND, self._options.seconds)
        wanted = Wanted(station, verb, output, seconds)
        return _outcome(self._orders.give(wanted, key, self._later(note, output)))

    def _later(self, note: Notification, output: str) -> Later:
        """Return what hears of the end of this order."""

        def hear(act: LocalAct) -> None:
            if self._answers is None or act.output != output:
                return
            if act.event is ActEvent.HEARD:
                self._answers.delivered(note.id, f"{output} 已确认鸣响 was heard to sound")
            elif act.event in (ActEvent.NOT_HEARD, ActEvent.FAILED, ActEvent.WITHHELD):
                self._answers.undelivered(
                    note.id, f"{output} 未确认鸣响: {act.event} {act.detail}".strip()
                )

        return hear


def _outcome(given: Given) -> Outcome:
    if given.answered and not given.problem:
        return Outcome(OutcomeKind.ACCEPTED, vendor_id=given.nonce, vendor_code="answer")
    if given.answered:
        detail = f"the station refuses: {given.problem}"
        return Outcome(OutcomeKind.PERMANENT, vendor_code="refused", detail=detail)
    kind = OutcomeKind.UNKNOWN if given.nonce else OutcomeKind.RETRY
    return Outcome(kind, vendor_code="station", detail=given.problem)
