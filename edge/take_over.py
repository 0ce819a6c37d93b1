"""The broken files of a spool, taken over one after the other while the station works."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from edge.salvage import Salvage
from edge.spool_file import put_away

LOG = logging.getLogger(__name__)


class TakeOver:
    """What is left to read of broken files.

    Args:
        salvages: One for each of them.

    Attributes:
        packs: How many packs were read.
    """

    def __init__(self, salvages: Iterable[Salvage] = ()) -> None:
        self.packs = 0
        self._left = [*salvages]

    @property
    def busy(self) -> bool:
        """True while there is more to read."""
        return bool(self._left)

    def step(self) -> None:
        """Read the next piece.

        Raises:
            sqlite3.Error: The disk can't be used now.
        """
        salvage = self._left[0]
        before = salvage.packs
        try:
            more = salvage.step()
            self.packs += salvage.packs - before
            if more:
                return
            put_away(salvage)
        except OSError as error:
            LOG.error("spool: %s can't be put away: %s", salvage.broken.name, error)  # noqa: TRY400  # no stack trace reaches an operator
        self._left.pop(0)

    def close(self) -> None:
        """Let go of the files; another start goes on with them."""
        for salvage in self._left:
            salvage.close()
        self._left = []
