"""What telephone services of clouds have in common: a key pair, numbers, a template, afterthoughts.

`OK` of such a service means that it has taken a message over. What became of it is asked for
afterwards, on a thread of the channel's own.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar, Protocol

from alerts.channels.base import Answers, Channel, is_number
from alerts.channels.entry import ChannelEntry, read_pair
from alerts.channels.follow_up import FollowUps, Pending
from alerts.channels.post import Poster
from alerts.channels.template import check_words, filling
from alerts.message import Notification
from core.clock import Clock, RunClock

_KEY = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class TemplateOptions(Protocol):
    """Options of a channel that fills the variables of an approved template."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the variables: grade, place, hazard, what, time, number."""

    @property
    def parameter_characters(self) -> int:
        """Longest variable that the template was approved for."""


class Cloud(Channel):
    """A channel to telephone numbers through a cloud.

    Args:
        entry: Of hub.toml.
        options: Its own, already read.
        url: Of the vendor, unless the entry names another.
        clock: For the pauses between two questions.

    Raises:
        ChannelError: The entry can't be used.
    """

    example = "+8613800000000"
    # What the two lines of the secret are, and when an outcome is asked for, wall seconds.
    pair: ClassVar[str]
    first_s: ClassVar[float]
    longest_s: ClassVar[float]
    until_s: ClassVar[float]

    def __init__(
        self, entry: ChannelEntry, options: TemplateOptions, url: str, clock: Clock | None
    ) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        check_words(entry, options.parameters)
        self._key, self._secret = read_pair(entry, _KEY, self.pair)
        self._language = entry.language
        self._poster = Poster(
            entry.url or url, allow_private=entry.allow_private, timeout_s=entry.timeout_s
        )
        self._answers: Answers | None = None
        self.follow_ups = FollowUps(
            self.name, self._follow, clock or RunClock(),
            first_s=self.first_s, longest_s=self.longest_s, until_s=self.until_s,
        )  # fmt: skip

    def start(self, answers: Answers) -> None:
        """Begin to ask what became of what was accepted."""
        self._answers = answers
        self.follow_ups.start()

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return is_number(address)

    def close(self) -> None:
        """Stop asking; close connections."""
        self.follow_ups.close()
        self._poster.close()

    def _variables(self, note: Notification, options: TemplateOptions) -> dict[str, str]:
        """Return what fills the template."""
        language = self._language or note.language
        return filling(note, options.parameters, language, options.parameter_characters)

    @abstractmethod
    def _follow(self, sent: Pending, now_s: int) -> bool:
        """Ask once what became of something; True if nothing more will come."""
