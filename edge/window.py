"""What was sent and is not yet receipted: how much may be under way, and when to send again.

Pure: times are monotonic wall seconds given by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.pack_books import PackId

# Unreceipted packs of the backlog under way at once.
WINDOW_PACKS = 50
# A pack without a receipt is sent again after so many wall seconds.
RESEND_S = 10.0
# Without any receipt for so long the hub's ingest is down: then only a few packs are sent again and
# again, as a probe, instead of the whole window. Fresh packs always go out once: detectors read
# them, too.
UNANSWERED_S = 30.0
PROBE_PACKS = 2


class Window:
    """Book of what is under way."""

    def __init__(self, size: int = WINDOW_PACKS, resend_s: float = RESEND_S) -> None:
        self._size = size
        self._resend_s = resend_s
        self._sent_s: dict[PackId, float] = {}
        self._backlog: set[PackId] = set()
        self._answered_s = 0.0

    @property
    def under_way(self) -> frozenset[PackId]:
        """Packs that need not be sent now."""
        return frozenset(self._sent_s)

    def restart(self, now_s: float) -> None:
        """Forget everything: after a connect all that waits is sent again."""
        self._sent_s.clear()
        self._backlog.clear()
        self._answered_s = now_s

    def sent(self, name: PackId, now_s: float, *, backlog: bool) -> None:
        """Note a pack that goes out; only those of the backlog take room."""
        self._sent_s[name] = now_s
        if backlog:
            self._backlog.add(name)

    def receipted(self, names: Iterable[PackId], now_s: float) -> None:
        """Note receipts."""
        self._answered_s = now_s
        for name in names:
            self._sent_s.pop(name, None)
            self._backlog.discard(name)

    def room(self, now_s: float) -> int:
        """Return how many packs of the backlog may be sent now; forget those that wait too long.

        The window is filled again when half of it is receipted: each filling is one commit.
        """
        late = [name for name, at_s in self._sent_s.items() if now_s - at_s >= self._resend_s]
        for name in late:
            del self._sent_s[name]
            self._backlog.discard(name)
        answered = now_s - self._answered_s < UNANSWERED_S
        size = self._size if answered else PROBE_PACKS
        room = max(size - len(self._backlog), 0)
        return room if room >= size // 2 else 0

    def next_resend_s(self) -> float | None:
        """Return when the next pack will have waited too long, or None."""
        return min(self._sent_s.values()) + self._resend_s if self._sent_s else None
