"""Stations as pages show them: link, clock, spool, ledger, counters; absence has its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.act import OutputState
from core.act_wording import why_words
from core.community import Community
from core.trouble import troubles_of
from dashboards.console.feed import LiveFeed
from dashboards.console.statements import StationState
from dashboards.console.words import Words
from ingest.station_ledger import StationLedger


def off_by(account: StationLedger) -> int:
    """Return how many readings are not accounted for; 0 if the account balances.

    What is still on the way is accounted for as such: it is neither stored nor missing yet.

    >>> off_by(StationLedger(station="north-1", produced=10, stored=7, pending=3))
    0
    """
    known = account.stored + account.quarantined + account.lost + account.unknown
    return account.produced - known - account.pending


@dataclass(frozen=True, slots=True)
class OutputView:
    """One output in words; `bad` if it does not do what it should."""

    name: str
    text: str
    on: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class ActingView:
    """What a station may do by itself, and does.

    Attributes:
        mandate, valid: Who allowed it until when, and whether that holds.
        alone: Words if it does not hear the hub, although we hear it.
        outputs: How they stand.
        known: False if the station is not online: its outputs are as last known.
        dropped: Words if records of acts were given up.
    """

    mandate: str
    valid: bool
    alone: str
    outputs: tuple[OutputView, ...]
    known: bool
    dropped: str


@dataclass(frozen=True, slots=True)
class StationView:
    """One station.

    Attributes:
        link: online, offline, stopped, quiet or never.
        word, why: The link state in words, and what it means where it is not online.
        sensors: Names of what it reads.
        account: Where its readings are, None if the ledger does not know it.
        troubles: What is wrong with it by its own numbers, in words, the most urgent first.
        errors: Counters above zero that tell of trouble, name and count.
        health: Its other named numbers.
        acting: What it may switch by itself; None if nothing.
    """

    state: StationState
    link: str
    word: str
    why: str
    sensors: tuple[str, ...]
    account: StationLedger | None
    troubles: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]
    health: tuple[tuple[str, str], ...]
    acting: ActingView | None = None

    @property
    def id(self) -> str:
        """Slug of the station."""
        return self.state.id

    @property
    def trusted_clock(self) -> bool:
        """True if the station says that its clock is synchronised."""
        return self.state.status is None or self.state.status.sync

    @property
    def off_by(self) -> int:
        """Readings that its account does not explain; 0 without an account."""
        return off_by(self.account) if self.account is not None else 0

    @property
    def spooled(self) -> int:
        """Packs that wait in its spool."""
        return self.state.status.spooled if self.state.status is not None else 0


def station_views(
    community: Community, feed: LiveFeed, ledger: Sequence[StationLedger] | None, words: Words
) -> list[StationView]:
    """Return every station of the profile."""
    accounts = {row.station: row for row in ledger or ()}
    return [_view(community, state, accounts.get(state.id), words) for state in feed.stations()]


def _view(
    community: Community, state: StationState, account: StationLedger | None, words: Words
) -> StationView:
    numbers = dict(state.status.health) if state.status is not None else {}
    errors = {name: value for name, value in numbers.items() if _is_error(name)}
    health = {name: value for name, value in numbers.items() if name not in errors}
    listed = [(name, f"{value:g}") for name, value in sorted(errors.items()) if value]
    if state.refused:
        listed.append((words("refused"), str(state.refused)))
    return StationView(
        state=state,
        link=state.link,
        word=words(f"link_{state.link}"),
        why=words(f"link_{state.link}_why") if state.link != "online" else "",
        sensors=tuple(
            entry.name.in_language(words.language) or entry.id
            for entry in community.sensor
            if entry.station == state.id
        ),
        account=account,
        troubles=_troubles(state, words),
        errors=tuple(listed),
        health=tuple((name, f"{value:g}") for name, value in sorted(health.items())),
        acting=_acting(state, words),
    )


def _troubles(state: StationState, words: Words) -> tuple[str, ...]:
    if state.status is None:
        return ()
    return tuple(
        words(f"trouble_{trouble.replace('-', '_')}") for trouble in troubles_of(state.status)
    )


def _acting(state: StationState, words: Words) -> ActingView | None:
    acting = state.status.acting if state.status is not None else None
    if acting is None:
        return None
    alone_ms = acting.alone_ms if state.link == "online" else 0
    return ActingView(
        mandate=acting.mandate or words("mandate_none"),
        valid=acting.valid,
        alone=words("alone", words.duration(alone_ms / 1000)) if alone_ms > _ALONE_MS else "",
        outputs=tuple(
            _output(name, output, words) for name, output in sorted(acting.outputs.items())
        ),
        known=state.link == "online",
        dropped=words("acts_dropped", acting.dropped) if acting.dropped else "",
    )


# A station that has just started has not heard the hub yet: that is no news.
_ALONE_MS = 60_000


def _output(name: str, output: OutputState, words: Words) -> OutputView:
    parts = [words("output_on" if output.on else "output_off")]
    if output.on:
        parts.append(why_words(output.why, words.language))
    if output.sounded is not None:
        parts.append(words("output_heard" if output.sounded else "output_not_heard"))
    if output.silenced:
        parts.append(words("output_silenced"))
    if output.fault:
        parts.append(output.fault)
    bad = bool(output.fault) or output.sounded is False
    return OutputView(name, " · ".join(parts), on=output.on, bad=bad)


_ERROR_MARKS = ("error", "discarded", "fault", "exception", "refused", "dropped", "lost", "failed")


def _is_error(name: str) -> bool:
    """Tell by its name whether a health number counts trouble.

    >>> _is_error("discarded_bytes"), _is_error("cpu_celsius")
    (True, False)
    """
    return any(mark in name for mark in _ERROR_MARKS)
