"""What many series share is stored once: a site has few kinds of rules and many series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

# Positions that fit four bytes: of series, rules, lines and kinds.
Places = npt.NDArray[np.int32]
Rule = TypeVar("Rule")


def kinds_of(rules: Sequence[Rule]) -> tuple[tuple[Rule, ...], Places]:
    """Return the distinct rules, and which of them each series has.

    Distinct is told by identity: rules that many series share are the same object (`plan_of`), and
    two equal ones that are not only take a little more room.

    >>> one, other = object(), object()
    >>> kinds_of([one, other, one])[1].tolist()
    [0, 1, 0]
    """
    distinct = {id(rule): rule for rule in rules}
    places = {key: place for place, key in enumerate(distinct)}
    kind = np.fromiter((places[id(rule)] for rule in rules), np.int32, len(rules))
    return tuple(distinct.values()), kind
