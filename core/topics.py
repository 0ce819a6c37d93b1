"""MQTT topics of Safety Eye, version 1 (interfaces, MQTT). The only place that spells them."""

from __future__ import annotations

from dataclasses import dataclass

from core.identity import is_slug

ROOT = "safety-eye/v1"
# Largest pack that a station sends; larger ones are split (interfaces, MQTT).
MAX_PACK_BYTES = 64_000
# Largest payload that reaches the quarantine; the broker refuses larger ones.
MAX_PAYLOAD_BYTES = 256_000
# Wall-clock periods and life times (interfaces, MQTT).
REFRESH_S = 60
RETAINED_EXPIRY_S = 120
WILL_DELAY_S = 20
SESSION_EXPIRY_S = 3600


def readings(site: str, station: str) -> str:
    """Where a station publishes its packs."""
    return f"{ROOT}/{site}/station/{station}/readings"


def status(site: str, station: str) -> str:
    """Where a station's birth and will are retained."""
    return f"{ROOT}/{site}/station/{station}/status"


def stored(site: str, station: str) -> str:
    """Where ingest publishes receipts for a station's packs."""
    return f"{ROOT}/{site}/station/{station}/stored"


def command(site: str, station: str) -> str:
    """Where the hub publishes signed commands for a station."""
    return f"{ROOT}/{site}/station/{station}/command"


def finding(site: str, subject: str, rule: str) -> str:
    """Where detectors publish what one rule says of one subject."""
    return f"{ROOT}/{site}/finding/{subject}/{rule}"


def grade(site: str, zone: str, hazard: str) -> str:
    """Where alerts publishes the grade of a zone and hazard."""
    return f"{ROOT}/{site}/grade/{zone}/{hazard}"


def heartbeat(site: str) -> str:
    """Where alerts says that the hub is alive (`core.heartbeat`)."""
    return f"{ROOT}/{site}/heartbeat"


def drill(site: str) -> str:
    """Where alerts states, retained, which drill runs (`core.drill`)."""
    return f"{ROOT}/{site}/drill"


def drill_ready(site: str, program: str) -> str:
    """Where a program says that it takes part in a drill; the payload is the drill's id."""
    return f"{ROOT}/{site}/drill/ready/{program}"


def all_drill_ready(site: str) -> str:
    """Filter for every program that says so."""
    return f"{ROOT}/{site}/drill/ready/+"


def drill_finding(site: str, drill: str, subject: str, rule: str) -> str:
    """Where detectors publish what they find in a drill: apart from everything actual."""
    return f"{ROOT}/{site}/drill/finding/{drill}/{subject}/{rule}"


def all_drill_findings(site: str) -> str:
    """Filter for every finding of every drill of a site."""
    return f"{ROOT}/{site}/drill/finding/+/+/+"


def grades_of(site: str, zone: str) -> str:
    """Filter for the grades of one zone."""
    return f"{ROOT}/{site}/grade/{zone}/+"


def all_stations(site: str, leaf: str) -> str:
    """Filter for one leaf (`readings`, `status`, `stored`, `command`) of all stations."""
    return f"{ROOT}/{site}/station/+/{leaf}"


def all_findings(site: str) -> str:
    """Filter for every finding of a site."""
    return f"{ROOT}/{site}/finding/+/+"


def all_grades(site: str) -> str:
    """Filter for every zone grade of a site."""
    return f"{ROOT}/{site}/grade/+/+"


@dataclass(frozen=True, slots=True)
class StationTopic:
    """A parsed station topic: who, and which leaf."""

    site: str
    station: str
    leaf: str


def parse_station(topic: str) -> StationTopic | None:
    """Return the parts of a station topic, or None if it is not one.

    >>> parse_station("safety-eye/v1/riverside/station/north-1/readings").station
    'north-1'
    """
    parts = topic.split("/")
    if len(parts) != 6 or parts[:2] != ROOT.split("/") or parts[3] != "station":
        return None
    if not (is_slug(parts[2]) and is_slug(parts[4])):
        return None
    return StationTopic(parts[2], parts[4], parts[5])
