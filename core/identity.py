"""Names of sites, zones, stations and sensors: slugs, so that they fit topics, files and URLs."""

from __future__ import annotations

import re
from typing import NamedTuple

from core.quantity import Quantity

_SLUG = re.compile(r"[a-z0-9-]{1,40}")


class IdentityError(ValueError):
    """A name is not a slug of 1 to 40 characters out of a-z, 0-9 and hyphen."""


def is_slug(text: str) -> bool:
    """Tell whether *text* may name a site, zone, station or sensor.

    >>> is_slug("north-1"), is_slug("North 1"), is_slug("")
    (True, False, False)
    """
    return _SLUG.fullmatch(text) is not None


def slug(text: str, what: str = "name") -> str:
    """Return *text* if it is a slug.

    Raises:
        IdentityError: It is not; the message names *what* was expected.
    """
    if not is_slug(text):
        raise IdentityError(f"{what} {text!r}: expected 1 to 40 of a-z, 0-9 and hyphen")
    return text


class SeriesId(NamedTuple):
    """One stream of readings: a quantity of a sensor. Sensor names are unique within a site.

    >>> str(SeriesId("gauge-1", Quantity.WATER_LEVEL))
    'gauge-1/water-level'
    """

    sensor: str
    quantity: Quantity

    def __str__(self) -> str:
        return f"{self.sensor}/{self.quantity}"

    @property
    def subject(self) -> str:
        """How findings name this series in their topic: `<sensor>.<quantity>`."""
        return f"{self.sensor}.{self.quantity}"
