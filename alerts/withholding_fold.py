"""A withholding is the fold over its events in the journal of the site. Pure."""

from __future__ import annotations

import msgspec

from alerts.incident import Event, Happening
from alerts.views import IncidentError
from alerts.withholding import Withholding


def apply_withholding(one: Withholding | None, event: Event) -> Withholding:
    """Fold one event.

    Raises:
        IncidentError: It can't happen to it.
    """
    if one is None or event.what is Happening.WITHHELD:
        if one is not None or event.what is not Happening.WITHHELD or event.withholding is None:
            raise IncidentError(
                f"a withholding begins once, with {Happening.WITHHELD}", "暂不通知只能开始一次"
            )
        return event.withholding
    if not one.open:
        raise IncidentError(f"withholding {one.number} has ended", "已经恢复通知")
    changes: dict[Happening, dict[str, object]] = {
        Happening.EXTENDED: {"until": event.until, "reminded_at": 0},
        Happening.ENDING: {"reminded_at": event.at},
        Happening.RELEASED: {
            "ended_at": event.at,
            "ended_how": event.how,
            "ended_by": event.actor,
        },
    }
    if event.what not in changes:
        raise IncidentError(
            f"withholding {one.number}: {event.what} does not concern it",
            f"暂不通知 {one.number}：{event.what} 与它无关",
        )
    return msgspec.structs.replace(one, **changes[event.what])
