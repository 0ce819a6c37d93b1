"""What a warning of somebody else means for our zones: claims, by the mapping of hub.toml. Pure.

Grades come from the colour that the sender names (codes, parameters, or the Chinese text), else
from the severity. Zones come from geocodes and names of areas; a polygon alone is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from alerts.cap.message import Area, CapMessage, Info, MessageType, Status, Value
from alerts.claims import Claim
from core.community import Community
from core.finding import Certainty, Hazard
from core.grade import Grade

# Longest words about a sender and its warning that go into a message for people.
_SOURCE_LENGTH = 60
_SEVERITIES = {
    "Extreme": Grade.RED,
    "Severe": Grade.ORANGE,
    "Moderate": Grade.YELLOW,
    "Minor": Grade.BLUE,
    # Somebody warns and doesn't say how bad it is: people should look (our choice).
    "Unknown": Grade.YELLOW,
}
_COLOURS = {
    "red": Grade.RED, "orange": Grade.ORANGE, "yellow": Grade.YELLOW, "blue": Grade.BLUE,
    "green": Grade.GREEN, "红": Grade.RED, "橙": Grade.ORANGE, "黄": Grade.YELLOW,
    "蓝": Grade.BLUE,
}  # fmt: skip
# Names under which senders state a colour: gradeCN (ours), awareness_level (MeteoAlarm), 颜色…
_COLOUR_NAMES = re.compile(r"colou?r|grade|level|颜色|等级|级别", re.IGNORECASE)
_COLOUR_VALUE = re.compile(r"\b(red|orange|yellow|blue|green)\b|(红|橙|黄|蓝)", re.IGNORECASE)
_COLOUR_TEXT = re.compile(r"(红|橙|黄|蓝)色")
_CERTAINTIES = {"Observed": Certainty.OBSERVED, "Likely": Certainty.LIKELY}
# Which of our hazards an event is, by words of its name; hub.toml may add more.
EVENTS: dict[Hazard, tuple[str, ...]] = {
    Hazard.FLOOD: (
        "暴雨", "内涝", "积水", "洪水", "洪涝", "山洪", "rain", "rainfall", "flood", "flooding",
    ),
    Hazard.FIRE: ("火灾", "火险", "火情", "fire", "wildfire"),
    Hazard.AIR: ("霾", "沙尘", "空气", "air", "pollution", "smog", "haze", "dust"),
    Hazard.CROWD: ("人群", "拥挤", "踩踏", "crowd", "crowding"),
}  # fmt: skip


class AreaEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[upstream.area]]`: which areas of others are which zone of ours.

    Attributes:
        zone: A zone, or the site's id for the whole site.
        geocode: Codes by their name: `{"GB/T 2260" = ["420106", "420100"]}`.
        name: Texts; an area whose description contains one is meant.
    """

    zone: str
    geocode: dict[str, tuple[str, ...]] = {}
    name: tuple[str, ...] = ()


class EventEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[upstream.event]]`: words in the name of an event, and the hazard that it is for us."""

    hazard: Hazard
    word: tuple[str, ...]


class FeedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[upstream.feed]]`: where warnings are read from.

    Attributes:
        url: An Atom or RSS feed of CAP messages, or one CAP message.
        every_s: How often, wall seconds; at least 30.
        allow_private: Allow http and private addresses: a relay on the premises.
    """

    url: str
    every_s: float = 300.0
    allow_private: bool = False


class UpstreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[upstream]` of hub.toml: whose warnings count here, and what they mean.

    Attributes:
        sender: CAP senders that are believed; none given: whoever has the token or is in a feed.
        area: Which areas are which zone. Without any, no warning concerns us.
        event: More words than `EVENTS` has.
        feed: Where warnings are read from.
        life_s: How long a warning without `expires` counts, seconds (our choice: a day).
    """

    sender: tuple[str, ...] = ()
    area: tuple[AreaEntry, ...] = ()
    event: tuple[EventEntry, ...] = ()
    feed: tuple[FeedEntry, ...] = ()
    life_s: float = 86_400.0


class NotOursError(ValueError):
    """A good message that says nothing of our zones and hazards; the text says why."""


def upstream_problems(settings: UpstreamSettings, community: Community) -> list[str]:
    """Return what is wrong with `[upstream]`, as people would mend it."""
    places = {zone.id for zone in community.zone} | {community.site.id}
    found = [
        f"upstream.area.zone {area.zone!r}: expected one of {', '.join(sorted(places))}"
        for area in settings.area
        if area.zone not in places
    ]
    found += [
        f"upstream.area of {area.zone!r}: geocode or name is needed"
        for area in settings.area
        if not area.geocode and not any(name.strip() for name in area.name)
    ]
    found += [
        f"upstream.feed.every_s {feed.every_s:g}: at least 30 s"
        for feed in settings.feed
        if feed.every_s < 30
    ]
    if settings.life_s <= 0:
        found.append(f"upstream.life_s {settings.life_s:g}: expected above 0")
    return found


def check_use(message: CapMessage, settings: UpstreamSettings) -> None:
    """Refuse what may not be used at all.

    Raises:
        NotOursError: A draft, an answer, or a sender that is not believed here.
    """
    if settings.sender and message.sender not in settings.sender:
        raise NotOursError(f"sender {message.sender[:80]!r} is not one that this site believes")
    if message.status is Status.DRAFT:
        raise NotOursError("a Draft is not to be acted upon")
    if message.kind in (MessageType.ACK, MessageType.ERROR):
        raise NotOursError(f"{message.kind} says nothing of a danger")


def claims(message: CapMessage, settings: UpstreamSettings, at: int) -> list[Claim]:
    """Return what an Alert or Update says of our zones; empty if it says that all is well.

    Args:
        message: A message of status Actual.
        settings: The mapping.
        at: Run time (ms) of its receipt.

    Raises:
        NotOursError: No area, or no event, is one of ours.
    """
    if not message.infos:
        raise NotOursError("it has no info, so it says nothing")
    zones = [(info, _zones(info.areas, settings)) for info in message.infos]
    if not any(found for _, found in zones):
        names = "; ".join(area.description for info in message.infos for area in info.areas)
        raise NotOursError(f"area {names[:120]!r}: no zone of this site is mapped to it")
    ours = [(info, found, _hazard(info, settings)) for info, found in zones if found]
    if not any(hazard for _, _, hazard in ours):
        raise NotOursError(f"event {ours[0][0].event[:80]!r}: no hazard that this site judges")
    return [
        Claim(
            rule=f"upstream-cap-{hazard}", zone=zone, hazard=hazard, grade=grade_of(info),
            certainty=_CERTAINTIES.get(info.certainty, Certainty.POSSIBLE),
            since=min(max(info.effective, message.sent), at), source=_source(message, info),
        )
        for info, found, hazard in ours
        for zone in found
        if hazard is not None and _is_danger(info)
    ]  # fmt: skip


def _source(message: CapMessage, info: Info) -> str:
    """Return who warns of what, in their own words: the first thing that people want to know."""
    who = " ".join((message.infos[0].sender_name or message.sender).split())
    event = " ".join(info.event.split())
    return f"{who[: _SOURCE_LENGTH // 2]}: {event}"[:_SOURCE_LENGTH]


def expires(message: CapMessage, settings: UpstreamSettings) -> int:
    """Return until when (ms) a message counts: the latest of its blocks."""
    life = message.sent + round(settings.life_s * 1000)
    return max((info.expires or life for info in message.infos), default=life)


def grade_of(info: Info) -> Grade:
    """Return the grade of a block: its colour where one is named, else by its severity."""
    for value in (*info.event_codes, *info.parameters):
        grade = _colour(value)
        if grade is not None:
            return grade
    named = _COLOUR_TEXT.search(f"{info.event} {info.headline}")
    if named is not None:
        return _COLOURS[named[1]]
    return _SEVERITIES.get(info.severity, Grade.YELLOW)


def _colour(value: Value) -> Grade | None:
    if _COLOUR_NAMES.search(value.name) is None:
        return None
    found = _COLOUR_VALUE.search(value.value)
    return _COLOURS[(found[1] or found[2]).lower()] if found else None


def _is_danger(info: Info) -> bool:
    if "AllClear" in info.responses or info.urgency == "Past" or info.certainty == "Unlikely":
        return False
    return grade_of(info) > Grade.GREEN


def _hazard(info: Info, settings: UpstreamSettings) -> Hazard | None:
    texts = " ".join([info.event, *(code.value for code in info.event_codes)])
    own = ((entry.hazard, entry.word) for entry in settings.event)
    for hazard, words in (*own, *EVENTS.items()):
        if any(_says(texts, word) for word in words):
            return hazard
    return None


def _says(text: str, word: str) -> bool:
    if word.isascii():
        return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None
    return word in text


def _zones(areas: Iterable[Area], settings: UpstreamSettings) -> list[str]:
    found: dict[str, None] = {}
    for area in areas:
        for entry in settings.area:
            if _is(area, entry):
                found[entry.zone] = None
    return list(found)


def _is(area: Area, entry: AreaEntry) -> bool:
    if any(code.value in entry.geocode.get(code.name, ()) for code in area.geocodes):
        return True
    return any(name in area.description for name in entry.name if name.strip())
