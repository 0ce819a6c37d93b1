"""What fails in one place holds up no other, and is still told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")


def attempt_each(step: Callable[[T], object], things: Iterable[T]) -> Exception | None:
    """Take a step for each of several things; return the last failure once all had their turn.

    >>> attempt_each(lambda n: print(6 // n), (0, 2))
    3
    ZeroDivisionError('integer division or modulo by zero')

    Raises:
        SQLAlchemyError: At once: where nothing can be written, the next step can't either.
    """
    failure: Exception | None = None
    for thing in things:
        try:
            step(thing)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001  # the caller raises it
            failure = error
    return failure
