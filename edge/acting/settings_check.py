"""What is wrong with what a station may switch, in words for who wrote the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from math import isfinite

from core.community import LimitEntry, SensorEntry, rules_for
from core.identity import is_slug
from core.quantity import FACTS, Quantity
from edge.acting.settings import ActEntry, ButtonEntry, Mandate, OutputEntry

# Quantities whose crossing may kill before anybody at a hub has read a message. Water counts: an
# underpass fills in minutes.
LIFE_SAFETY = frozenset(
    {
        Quantity.ALARM_INPUT,
        Quantity.CARBON_MONOXIDE,
        Quantity.SMOKE_OBSCURATION,
        Quantity.SMOKE_INDEX,
        Quantity.TEMPERATURE,
        Quantity.WATER_LEVEL,
    }
)
# A link that flaps must not sound a siren: paho alone may take 8 s between two attempts.
SHORTEST_ALONE_S = 10.0
# Longest run that can be configured, seconds: a siren for a whole day warns nobody any more.
_LONGEST_RUN_S = 86_400.0


def acting_problems(
    mandate: Mandate | None,
    outputs: Sequence[OutputEntry],
    acts: Sequence[ActEntry],
    buttons: Sequence[ButtonEntry],
    sensors: Sequence[SensorEntry],
    limits: Sequence[LimitEntry],
    ports: Iterable[str],
) -> list[str]:
    """Return everything that is wrong with the acting part of a station's file."""
    found: list[str] = []
    by_id = {entry.id: entry for entry in sensors}
    names = {output.id for output in outputs}
    if acts and mandate is None:
        found.append("[[act]] without [mandate]: nobody has allowed this station to act")
    if mandate is not None:
        found += _mandate_problems(mandate)
    ids = [output.id for output in outputs]
    found += [f"output id {name!r}: twice" for name in sorted(names) if ids.count(name) > 1]
    for output in outputs:
        found += _output_problems(output, by_id, {*ports})
    for act in acts:
        found += _act_problems(act, names, sensors, limits)
    for button in buttons:
        where = f"button {button.sensor!r}"
        found += _input_problems(where, button.sensor, button.quantity, by_id)
        if button.output and button.output not in names:
            found.append(f"{where}: output {button.output!r} is not an [[output]]")
        if not 0 < button.seconds <= 3600:
            found.append(f"{where}: seconds {button.seconds}: expected above 0, at most 3600")
    return found


def _mandate_problems(mandate: Mandate) -> list[str]:
    found = [
        f"mandate.{key}: expected who allowed this, and what"
        for key, text in (("signed_by", mandate.signed_by), ("text", mandate.text))
        if not text.strip()
    ]
    if mandate.valid_until < mandate.signed_on:
        found.append(
            f"mandate.valid_until {mandate.valid_until}: before it was signed ({mandate.signed_on})"
        )
    return found


def _output_problems(
    output: OutputEntry, sensors: Mapping[str, SensorEntry], ports: set[str]
) -> list[str]:
    where = f"output {output.id!r}"
    found = []
    if not is_slug(output.id):
        found.append(f"{where}: expected 1 to 40 of a-z, 0-9 and hyphen")
    spans = {
        "min_on_s": output.min_on_s, "min_off_s": output.min_off_s, "max_run_s": output.max_run_s,
        "timeout_s": output.timeout_s,
    }  # fmt: skip
    found += [
        f"{where}: {key} {span}: expected 0 to {_LONGEST_RUN_S:g} s"
        for key, span in spans.items()
        if not (isfinite(span) and 0 <= span <= _LONGEST_RUN_S)
    ]
    if not output.min_on_s < output.max_run_s:
        found.append(f"{where}: min_on_s {output.min_on_s} must be below max_run_s")
    if output.harmful and output.dead_man is None:
        found.append(
            f"{where}: harmful, so dead_man is needed: a timed relay or a watchdog relay that ends"
            " it when this program dies"
        )
    if output.dead_man is not None and not (
        1 <= output.dead_man.hold_s <= 3000 and output.dead_man.wiring.strip()
    ):
        found.append(f"{where}: dead_man: expected hold_s of 1 to 3000 s, and its wiring in words")
    if output.feedback is not None:
        feedback = output.feedback
        found += _input_problems(f"{where}: feedback", feedback.sensor, feedback.quantity, sensors)
        if not 0 < feedback.within_s <= output.max_run_s:
            found.append(f"{where}: feedback.within_s: expected above 0, at most max_run_s")
    return found + [f"{where}: {text}" for text in _kind_problems(output, ports)]


def _kind_problems(output: OutputEntry, ports: set[str]) -> list[str]:
    timed = output.dead_man is not None and output.dead_man.kind == "timed-relay"
    match output.kind:
        case "gpio":
            if timed:
                return ["a pin has no timer: dead_man.kind watchdog-relay is meant"]
            if find_spec("gpiozero") is None:
                return ["kind gpio needs the package gpiozero, which is not installed here"]
            return [] if 0 <= output.pin <= 53 else [f"pin {output.pin}: expected 0 to 53 (BCM)"]
        case "modbus-coil":
            return _coil_problems(output, ports, timed=timed)
        case "command":
            empty = [key for key in ("on", "off") if not getattr(output, key)]
            return [f"{key}: expected a program and its arguments" for key in empty]
    return [] if output.file else ["file: expected where a simulated output writes"]


def _coil_problems(output: OutputEntry, ports: set[str], *, timed: bool) -> list[str]:
    found = []
    if output.port not in ports:
        found.append(f"port {output.port!r} is not a [[port]]")
    if not 1 <= output.address <= 255 or not 0 <= output.coil <= 0xFFFF:
        found.append("expected address 1 to 255 and coil 0 to 65535")
    if timed != (output.pulse_coil >= 0):
        found.append("pulse_coil and dead_man.kind timed-relay go together: the module's own timer")
    if output.pulse_coil + output.coil > 0xFFFF:
        found.append(f"pulse_coil {output.pulse_coil}: above 65535 with the coil")
    return found


def _act_problems(
    act: ActEntry, outputs: set[str], sensors: Sequence[SensorEntry], limits: Sequence[LimitEntry]
) -> list[str]:
    where = f"act {act.output}/{act.zone}/{act.when}"
    found = []
    if act.output not in outputs:
        found.append(f"{where}: output {act.output!r} is not an [[output]]")
    if act.after_s is not None and not (isfinite(act.after_s) and 0 <= act.after_s <= 86_400):
        found.append(f"{where}: after_s {act.after_s}: expected 0 to 86400 s")
    elif act.when == "alone" and act.delay_ms < SHORTEST_ALONE_S * 1000:
        found.append(f"{where}: after_s {act.after_s}: at least {SHORTEST_ALONE_S:g} s, links flap")
    if act.when == "hub-silent":
        if act.quantity is not None:
            found.append(f"{where}: quantity has no meaning here: the hub's own warning decides")
        return found
    if act.quantity is None:
        return [*found, f"{where}: quantity is missing"]
    if act.when == "at-once":
        if act.quantity not in LIFE_SAFETY:
            known = ", ".join(sorted(LIFE_SAFETY))
            found.append(f"{where}: {act.quantity} is no life-safety quantity ({known})")
        if not act.reason.strip():
            found.append(f"{where}: reason is missing: why does this not wait for the hub?")
    return found + _limit_problems(where, act, sensors, limits)


def _limit_problems(
    where: str, act: ActEntry, sensors: Sequence[SensorEntry], limits: Sequence[LimitEntry]
) -> list[str]:
    """An act that can never happen is a mistake, not a quiet line in a file."""
    assert act.quantity is not None
    if FACTS[act.quantity].cumulative:
        return [f"{where}: {act.quantity} is a counter and has no local limit"]
    mine = [
        entry for entry in sensors if entry.zone == act.zone and act.quantity in entry.quantities
    ]
    if not mine:
        return [f"{where}: no sensor of this station measures {act.quantity} there"]
    try:
        rules = [rule for entry in mine for rule in rules_for(limits, entry, act.quantity)]
    except ValueError:  # said where limits are checked
        return []
    if not any(level.grade >= act.level for rule in rules for level in rule.levels):
        return [f"{where}: no limit of {act.quantity} there reaches {act.grade}"]
    return []


def _input_problems(
    where: str, sensor: str, quantity: Quantity, sensors: Mapping[str, SensorEntry]
) -> list[str]:
    entry = sensors.get(sensor)
    if entry is None:
        return [f"{where}: sensor {sensor!r} is not a [[sensor]]"]
    if quantity not in entry.quantities:
        return [f"{where}: sensor {sensor!r} does not measure {quantity}"]
    return []
