"""What stations say of themselves: acts that they did alone are kept, told, and receipted."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from alerts.acts import Acts
from core import topics
from core.broker import Broker
from core.community import Community
from core.status import Receipt, StationStatus, StatusError, decode_status, encode_receipt

log = structlog.get_logger()


class Statuses:
    """Takes the status messages of the stations of one site.

    Args:
        acts: Keeps what they did by themselves.
        community: Which stations there are.
        broker: Where receipts go.
        heard: Told every status: answers to orders are in it.
    """

    def __init__(
        self,
        acts: Acts,
        community: Community,
        broker: Broker,
        *,
        heard: Callable[[str, StationStatus], None],
    ) -> None:
        self._acts = acts
        self._community = community
        self._broker = broker
        self._heard = heard

    def take(self, station: str, payload: bytes) -> None:
        """Take one; the station is told that we have it, after the commit.

        Raises:
            SQLAlchemyError: It could not be written.
        """
        if station not in self._community.stations:
            return
        try:
            status = decode_status(payload)
        except StatusError as error:
            log.warning("a status was refused", station=station, error=str(error)[:200])
            return
        self._heard(station, status)
        ids = self._acts.take(station, status)
        if ids:
            receipt = encode_receipt(Receipt(status.boot, (), ids))
            self._broker.publish(topics.stored(self._community.site.id, station), receipt)
