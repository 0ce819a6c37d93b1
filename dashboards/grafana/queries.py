"""InfluxQL of the wall: the one query language that InfluxDB 1.x, 2.x and 3.x share.

Names are slugs (the community profile checks them), so nothing needs escaping inside quotes.
`$timeFilter` and `$__interval` are filled in by Grafana.
"""

from __future__ import annotations

from string import Template

from core.quantity import FACTS, Danger, Quantity

# How a grade and its condition stand in one number, so that a wall can tell "normal" from
# "unknown": condition (0 cleared, 1 active, 2 unknown) times ten plus the grade (0..4).
CONDITION_STEP = 10


_GRADE_STATES = Template(
    'SELECT last("condition") * $step + last("grade") AS "state" FROM "grade" '
    "WHERE \"site\" = '$site' AND $timeFilter "
    'GROUP BY time($__interval), "zone", "hazard" fill(null)'
)
_WORST_GRADE = Template(
    'SELECT max("grade") AS "worst" FROM (SELECT last("grade") AS "grade" FROM "grade" '
    'WHERE "site" = \'$site\' AND time > now() - 3m GROUP BY "zone", "hazard")'
)
_READINGS = Template(
    'SELECT $value AS "value" FROM "reading" WHERE "site" = \'$site\' AND "zone" = \'$zone\' '
    'AND "quantity" = \'$quantity\' AND "quality" < 2 AND $timeFilter '
    'GROUP BY time($__interval), "sensor" fill(null)'
)
# Without GROUP BY time: a derivative over buckets is wrong in the first and the newest bucket.
_COUNTS = Template(
    'SELECT non_negative_derivative("value", ${interval}s) AS "value" FROM "reading" '
    "WHERE \"site\" = '$site' AND \"zone\" = '$zone' AND \"quantity\" = '$quantity' "
    'AND "quality" < 2 AND $timeFilter GROUP BY "sensor"'
)
_LINKS = Template(
    'SELECT last("online") AS "online" FROM "station" '
    'WHERE "site" = \'$site\' AND $timeFilter GROUP BY "station"'
)
_STORED = Template(
    'SELECT count("quality") AS "stored" FROM "reading" '
    'WHERE "site" = \'$site\' AND $timeFilter GROUP BY "station"'
)
_BAD = Template(
    'SELECT count("quality") AS "bad" FROM "reading" '
    'WHERE "site" = \'$site\' AND "quality" = 2 AND $timeFilter GROUP BY "station"'
)
_PER_MINUTE = Template(
    'SELECT count("quality") AS "stored" FROM "reading" '
    'WHERE "site" = \'$site\' AND $timeFilter GROUP BY time(1m), "station" fill(0)'
)


def grade_states(site: str) -> str:
    """Return the state of each zone and hazard over time; alerts repeats it each minute.

    `fill(null)` and not `fill(previous)`: where nobody repeated the grade, nothing is known.
    """
    return _GRADE_STATES.safe_substitute(site=site, step=CONDITION_STEP)


def worst_grade(site: str) -> str:
    """Return the worst grade that was said within the last three minutes; no row if none was."""
    return _WORST_GRADE.safe_substitute(site=site)


def readings(site: str, zone: str, quantity: Quantity, interval_s: float) -> str:
    """Return one line a sensor of a zone and quantity, each bucket at its worst.

    Counters that only grow are drawn as counts of one interval of the sensor, because that is what
    their limits judge.
    """
    facts = FACTS[quantity]
    if facts.cumulative:
        interval = max(round(interval_s), 1)
        return _COUNTS.safe_substitute(site=site, zone=zone, quantity=quantity, interval=interval)
    if facts.danger is Danger.HIGH:
        value = 'max("value")'
    elif facts.danger is Danger.LOW:
        value = 'min("value")'
    else:
        value = 'mean("value")'
    return _READINGS.safe_substitute(site=site, zone=zone, quantity=quantity, value=value)


def station_links(site: str) -> str:
    """Return the last link state of each station in the window."""
    return _LINKS.safe_substitute(site=site)


def station_counts(site: str) -> str:
    """Return how many readings of each station were stored in the window."""
    return _STORED.safe_substitute(site=site)


def station_doubts(site: str) -> str:
    """Return how many of them were bad."""
    return _BAD.safe_substitute(site=site)


def stored_per_minute(site: str) -> str:
    """Return how many readings of each station were stored in each minute; none is drawn as 0."""
    return _PER_MINUTE.safe_substitute(site=site)
