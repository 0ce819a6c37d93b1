"""What migrations share: the states of incidents, made anew from their journal."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
import structlog

from alerts.journal import events_of, fold
from alerts.views import IncidentError

log = structlog.get_logger()


def fold_again(connection: sa.Connection) -> None:
    """Fold every incident again, for a program whose fold knows more than the one before.

    What can't be folded stays as it is: the audit names it, and it must not keep the hub from
    starting.
    """
    for (number,) in connection.execute(sa.text("SELECT number FROM incident")).all():
        try:
            state = fold(events_of(connection, number), number)
        except (IncidentError, msgspec.MsgspecError, IndexError) as error:
            log.error("an incident can't be folded", incident=number, error=str(error)[:200])  # noqa: TRY400  # the audit explains it
            continue
        body = msgspec.json.encode(state, order="sorted").decode()
        connection.execute(
            sa.text("UPDATE incident SET state = :body WHERE number = :number"),
            {"body": body, "number": number},
        )
