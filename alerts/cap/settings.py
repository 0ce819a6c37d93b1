"""How our CAP messages present themselves: `[cap]` of hub.toml."""

from __future__ import annotations

import msgspec

from alerts.cap.message import CapMessage, MessageType, Scope, problems
from core.community import Community

# Who may read a Restricted message, and what it is not. Both languages: CAP has one element.
RESTRICTION = (
    "仅供本社区值班人员及相关单位使用；本点位等级，不代表政府发布的预警。"
    "For this community's duty staff and its partners only: a level of this site, "
    "not a warning issued by any authority."
)


class CapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How our messages present themselves.

    Attributes:
        sender: Our name in the world, e.g. `safety-eye@property.example`; without one it is
            `safety-eye.<site>`, which is unique only among those who know this site.
        scope: Restricted by default: a site level is no public warning.
        restriction: For whom a Restricted message is.
        addresses: Recipients of a Private one.
        geocode: Codes of a zone (or of the site's id) for its area:
            `{underpass = {"GB/T 2260" = "420106"}}`.
    """

    sender: str = ""
    scope: Scope = Scope.RESTRICTED
    restriction: str = RESTRICTION
    addresses: str = ""
    geocode: dict[str, dict[str, str]] = {}


def sender_of(settings: CapSettings, community: Community) -> str:
    """Return our name in the world."""
    return settings.sender or f"safety-eye.{community.site.id}"


def settings_problems(settings: CapSettings, community: Community) -> list[str]:
    """Return what is wrong with `[cap]`, as people would mend it."""
    sample = CapMessage(
        identifier="x",
        sender=sender_of(settings, community),
        sent=0,
        kind=MessageType.ALERT,
        scope=settings.scope,
        restriction=settings.restriction,
        addresses=settings.addresses,
    )
    places = {zone.id for zone in community.zone} | {community.site.id}
    return [f"cap.{problem}" for problem in problems(sample)] + [
        f"cap.geocode.{place}: no such zone, expected one of {', '.join(sorted(places))}"
        for place in settings.geocode
        if place not in places
    ]
