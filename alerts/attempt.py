"""One attempt: a channel sends one row, is timed and counted, and whatever it raises is caught."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import structlog

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.dispatch import Claimed
from alerts.incident import Kind
from alerts.metrics import Metrics
from core.clock import Clock

log = structlog.get_logger()


class Attempts:
    """Sends rows; safe to call from any thread.

    Args:
        channels: By name.
        clock: Clock of the run.
        metrics: Counters.
        take_url: Signs the one-time link of a row; "" for none. The link is made here and never
            stored, so that a copy of the database takes nothing over.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        clock: Clock,
        metrics: Metrics,
        take_url: Callable[[Claimed], str],
    ) -> None:
        self._channels = channels
        self._clock = clock
        self._metrics = metrics
        self._take_url = take_url

    def send(self, row: Claimed) -> Outcome:
        """Send one row once."""
        channel = self._channels[row.channel]
        began_s = self._clock.monotonic_s()
        try:
            url = "" if channel.shared else self._take_url(row)
            note = msgspec.structs.replace(row.note, take_url=url)
            outcome = channel.send(note, self._clock.wall_ms() // 1000)
        except Exception as error:  # noqa: BLE001  # a broken channel must not stop the others
            # The class alone: the text may hold a key.
            outcome = Outcome(
                OutcomeKind.RETRY, vendor_code=type(error).__name__, detail="channel failed"
            )
            log.error(  # noqa: TRY400  # a traceback may hold the URL, and with it a key
                "a channel failed", channel=row.channel, error=type(error).__name__
            )
        self._measure(row, outcome, self._clock.monotonic_s() - began_s)
        if outcome.kind in (OutcomeKind.PERMANENT, OutcomeKind.MISCONFIGURED):
            log.error(
                "a notification was refused", channel=row.channel, code=outcome.vendor_code,
                detail=outcome.detail, incident=row.note.incident,
            )  # fmt: skip
        return outcome

    def _measure(self, row: Claimed, outcome: Outcome, took_s: float) -> None:
        self._metrics.attempt_seconds.labels(row.channel).observe(took_s)
        if row.note.kind is Kind.TEST:
            self._metrics.selftest.labels(row.channel, str(outcome.kind)).inc()
            return
        self._metrics.notify.labels(row.channel, row.note.grade.word, str(outcome.kind)).inc()
        if outcome.kind is OutcomeKind.ACCEPTED and row.note.kind is Kind.ALERT:
            waited_s = max(self._clock.now_ms() - row.note.at, 0) / 1000
            self._metrics.first_accept.labels(row.note.grade.word).observe(waited_s)
