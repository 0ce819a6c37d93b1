"""The seam of channels that are called back over HTTP by their vendor (`alerts.voice_api`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Callback:
    """What a vendor posted.

    Attributes:
        path: Below the address of the channel: what the channel itself wrote into the URL.
        form: Fields of the form; names and values as they were sent.
        signature: As the vendor's header gives it; "" without one.
    """

    path: str
    form: Mapping[str, str]
    signature: str


@dataclass(frozen=True, slots=True)
class CallbackReply:
    """What is answered: an HTTP status, a body and its type."""

    status: int
    body: str = ""
    media_type: str = "text/plain"


@runtime_checkable
class CalledBack(Protocol):
    """A channel whose vendor calls back. It verifies by itself who it is that calls."""

    def called_back(self, callback: Callback) -> CallbackReply:
        """Take what the vendor posted."""
