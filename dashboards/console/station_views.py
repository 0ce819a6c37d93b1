"""Stations as pages show them: link, clock, spool, ledger, counters; absence has its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.community import Community
from dashboards.console.feed import LiveFeed, StationState
from dashboards.console.words import Words


class LedgerRow(Protocol):
    """What the ledger says of one station (`ingest.ledger.read_ledger`)."""

    @property
    def station(self) -> str:
        """Slug of the station."""

    @property
    def produced(self) -> int:
        """Readings that left sampling."""

    @property
    def stored(self) -> int:
        """Readings that are in the history."""

    @property
    def quarantined(self) -> int:
        """Readings that are kept apart with a reason."""

    @property
    def lost(self) -> int:
        """Readings that a station declared lost."""

    @property
    def unknown(self) -> int:
        """Readings that a killed station may have held in memory."""

    @property
    def pending(self) -> int:
        """Readings that are still on the way."""


@dataclass(frozen=True, slots=True)
class Balance:
    """A station's account."""

    produced: int
    stored: int
    quarantined: int
    lost: int
    unknown: int
    pending: int

    @property
    def off_by(self) -> int:
        """What is not accounted for; 0 if the account balances."""
        return self.produced - (
            self.stored + self.quarantined + self.lost + self.unknown + self.pending
        )


@dataclass(frozen=True, slots=True)
class StationView:
    """One station.

    Attributes:
        link: online, offline, stopped, quiet or never.
        word, why: The link state in words, and what it means where it is not online.
        sensors: Names of what it reads.
        balance: Its account, None if the ledger does not know it.
        errors: Counters above zero that tell of trouble, name and count.
        health: Its other named numbers.
    """

    state: StationState
    link: str
    word: str
    why: str
    sensors: tuple[str, ...]
    balance: Balance | None
    errors: tuple[tuple[str, str], ...]
    health: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """Slug of the station."""
        return self.state.id

    @property
    def trusted_clock(self) -> bool:
        """True if the station says that its clock is synchronised."""
        return self.state.status is None or self.state.status.sync

    @property
    def spooled(self) -> int:
        """Packs that wait in its spool."""
        return self.state.status.spooled if self.state.status is not None else 0


def station_views(
    community: Community, feed: LiveFeed, ledger: Sequence[LedgerRow] | None, words: Words
) -> list[StationView]:
    """Return every station of the profile."""
    accounts = {row.station: _balance(row) for row in ledger or ()}
    return [_view(community, state, accounts.get(state.id), words) for state in feed.stations()]


def _view(
    community: Community, state: StationState, balance: Balance | None, words: Words
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
        balance=balance,
        errors=tuple(listed),
        health=tuple((name, f"{value:g}") for name, value in sorted(health.items())),
    )


_ERROR_MARKS = ("error", "discarded", "fault", "exception", "refused", "dropped", "lost", "failed")


def _is_error(name: str) -> bool:
    """Tell by its name whether a health number counts trouble.

    >>> _is_error("discarded_bytes"), _is_error("cpu_celsius")
    (True, False)
    """
    return any(mark in name for mark in _ERROR_MARKS)


def _balance(row: LedgerRow) -> Balance:
    return Balance(
        row.produced,
        row.stored,
        row.quarantined,
        row.lost,
        row.unknown,
        int(getattr(row, "pending", 0)),
    )
