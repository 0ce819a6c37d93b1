"""Options of a driver: read once, refused with what is allowed."""

from __future__ import annotations

from collections.abc import Mapping

from edge.drivers.base import DriverError, Option, Options

OptionValue = str | int | float | bool


class Settings:
    """The options of one driver after checking, with their types."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, OptionValue]) -> None:
        self._values = dict(values)

    def number(self, name: str) -> float:
        """Return a number."""
        value = self._values[name]
        assert isinstance(value, int | float)
        return value

    def whole(self, name: str) -> int:
        """Return a whole number."""
        value = self._values[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._values[name]
        assert isinstance(value, str)
        return value

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._values[name]
        assert isinstance(value, bool)
        return value


# What every driver takes: a sensor's entry always has an address (default 1; only devices on a
# shared bus use it), and the port asks for the baud rate.
EVERYWHERE: Mapping[str, Option] = {
    "address": Option(1, "Modbus address on a shared bus", 0, 255),
    "baud": Option(0, "baud rate of the port; 0 = what is usual for the device", 0, 4_000_000),
}


def read_options(driver: str, known: Mapping[str, Option], given: Options) -> Settings:
    """Return the value of every option of *driver*.

    Raises:
        DriverError: An unknown name, a wrong type, or a value outside of what is allowed.
    """
    known = {**EVERYWHERE, **known}
    for name in given:
        if name not in known:
            allowed = ", ".join(sorted(known))
            raise DriverError(f"driver {driver}: no option {name!r}; expected one of {allowed}")
    return Settings(
        {
            name: _checked(driver, name, option, given[name]) if name in given else option.default
            for name, option in known.items()
        }
    )


def _checked(driver: str, name: str, option: Option, value: OptionValue) -> OptionValue:
    where = f"driver {driver}: option {name} = {value!r}"
    if isinstance(option.default, bool) or isinstance(value, bool):
        if isinstance(option.default, bool) and isinstance(value, bool):
            return value
        raise DriverError(f"{where}: expected {_expected(option)} ({option.meaning})")
    if isinstance(option.default, str):
        if isinstance(value, str) and (not option.choices or value in option.choices):
            return value
        raise DriverError(f"{where}: expected {_expected(option)} ({option.meaning})")
    whole = isinstance(option.default, int)
    if isinstance(value, str) or (whole and not isinstance(value, int)):
        raise DriverError(f"{where}: expected {_expected(option)} ({option.meaning})")
    if not option.low <= value <= option.high:
        raise DriverError(f"{where}: expected {_expected(option)} ({option.meaning})")
    return value


def _expected(option: Option) -> str:
    if isinstance(option.default, bool):
        return "true or false"
    if isinstance(option.default, str):
        return " or ".join(repr(choice) for choice in option.choices) or "a text"
    kind = "a whole number" if isinstance(option.default, int) else "a number"
    return f"{kind} of {option.low:g} to {option.high:g}"
