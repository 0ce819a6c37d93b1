"""The installer's commands, on a station as on a hub: `listen`, `probe` and `decode`.

`safety-eye listen …` and so on come here; so does `python -m edge.installer listen …`.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from core.clock import RunClock
from edge.configuration import PortEntry
from edge.decode import DecodeArgumentError, decode_lines, parse_ascii, parse_hex
from edge.drivers.base import DriverError
from edge.listening import ListenPlan, listen
from edge.ports import PortLostError
from edge.probe import ADDRESSES, LISTEN_S, ProbePlan, probe
from edge.probe_report import as_json, told

DONE, NOT_FOUND, WRONG_CALL = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a call in one line."""

    def error(self, message: str) -> NoReturn:
        """End with the code of a wrong call."""
        self.exit(WRONG_CALL, f"{self.prog}: {message}; --help tells more\n")


def numbers_of(text: str) -> tuple[int, ...]:
    """Return a list like `1,2,10-12`.

    Raises:
        argparse.ArgumentTypeError: It is none.

    >>> numbers_of("1,2,10-12")
    (1, 2, 10, 11, 12)
    """
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.strip().partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)):
            raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 1,2,10-12")
        found += range(int(first), int(last or first) + 1)
    if not all(1 <= number <= 255 for number in found):
        raise argparse.ArgumentTypeError(f"{text!r}: expected addresses of 1 to 255")
    return tuple(dict.fromkeys(found))


def option_of(text: str) -> tuple[str, str | int | float | bool]:
    """Return one driver option as TOML would read it.

    Raises:
        argparse.ArgumentTypeError: It is none.

    >>> option_of("max_mm=7500"), option_of("identify=false"), option_of("unit=%/m")
    (('max_mm', 7500), ('identify', False), ('unit', '%/m'))
    """
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _line_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("port", help="device file, e.g. /dev/serial/by-id/usb-...")
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N")
    parser.add_argument("--stop-bits", type=int, choices=(1, 2), default=1)
    parser.add_argument("--dtr", action="store_true", help="raise DTR (native USB boards)")
    parser.add_argument("--json", action="store_true", help="JSON for programs")


def _port_of(options: argparse.Namespace, latency_ms: int = 300) -> PortEntry:
    return PortEntry(
        "installer",
        options.port,
        parity=options.parity,
        stop_bits=options.stop_bits,
        dtr=options.dtr,
        latency_ms=latency_ms,
    )


def _baud(text: str) -> int:
    if text.isdigit() and 300 <= int(text) <= 4_000_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected 300 to 4000000")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0.05 <= seconds <= 86_400:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r}: expected 0.05 to 86400 seconds")


def run_listen(arguments: Sequence[str]) -> int:
    """Show what a device says, live, until Ctrl-C.

    Returns:
        0 if at least one frame was good, 1 if none was, 2 for a wrong call.
    """
    parser = _Parser(
        prog="safety-eye listen",
        description="Show live what a device says: frames, errors, discarded bytes, readings. "
        "A device that must be asked is asked; nothing else is sent. Ctrl-C ends it.",
    )
    _line_arguments(parser)
    parser.add_argument("--driver", required=True, help="device id, e.g. dfrobot_a02yyuw")
    parser.add_argument("--baud", type=_baud, default=0, help="instead of the device's usual rate")
    parser.add_argument("--address", type=int, default=1, help="Modbus address")
    parser.add_argument("--option", type=option_of, action="append", default=[], metavar="N=V")
    parser.add_argument("--every", type=_seconds, default=0.0, help="seconds between two requests")
    parser.add_argument("--seconds", type=_seconds, default=0.0, help="end after so long")
    parser.add_argument("--latency-ms", type=int, default=300, help="how long it may think")
    options = parser.parse_args(arguments)
    plan = ListenPlan(
        _port_of(options, options.latency_ms),
        options.driver,
        {"address": options.address, **dict(options.option)},
        baud=options.baud,
        every_s=options.every,
        seconds=options.seconds,
    )
    stop = threading.Event()
    _end_on_signals(stop)
    try:
        return listen(plan, RunClock(), stop, sys.stdout, as_json=options.json)
    except DriverError as error:
        return _refused("listen", error, WRONG_CALL)
    except PortLostError as error:
        return _refused("listen", f"{error}; is it plugged in, or does the station use it?", 1)


def run_probe(arguments: Sequence[str]) -> int:
    """Find out which device hangs on a port.

    Returns:
        0 if a device was recognised, 1 if none was, 2 for a wrong call.
    """
    parser = _Parser(
        prog="safety-eye probe",
        description="Find out which of the known devices hangs on a serial port. Listens first; "
        "asks only where the line is silent, and only with commands that change nothing.",
    )
    _line_arguments(parser)
    parser.add_argument("--baud", type=_baud, action="append", default=[], help="only at this rate")
    parser.add_argument("--addresses", type=numbers_of, default=ADDRESSES, help="1,2,10-20")
    parser.add_argument("--seconds", type=_seconds, default=LISTEN_S, help="listen so long a rate")
    parser.add_argument("--passive", action="store_true", help="only listen, send nothing")
    options = parser.parse_args(arguments)
    plan = ProbePlan(
        _port_of(options),
        tuple(options.baud),
        options.addresses,
        options.seconds,
        options.passive,
    )
    try:
        report = probe(plan, RunClock(), say=lambda step: _to(sys.stderr.write, f"{step} ..."))
    except PortLostError as error:
        return _refused("probe", f"{error}; is it plugged in, or does the station use it?", 1)
    lines = [json.dumps(as_json(report, options.port), ensure_ascii=False)]
    for line in lines if options.json else told(report, options.port):
        _to(sys.stdout.write, line)
    return DONE if report.candidates else NOT_FOUND


def _to(write: Callable[[str], object], line: str) -> None:
    write(line + "\n")


def _refused(command: str, why: object, code: int) -> int:
    _to(sys.stderr.write, f"safety-eye{f' {command}' if command else ''}: {why}")
    return code


def _end_on_signals(stop: threading.Event) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def run_decode(arguments: Sequence[str]) -> int:
    """Print what a driver reads in some bytes; one JSON line a value.

    Returns:
        0 if at least one value is good, 1 if none is, 2 for a wrong call.
    """
    parser = _Parser(
        prog="safety-eye decode",
        description="Decode the bytes of a device, without any port; one JSON line a value.",
    )
    parser.add_argument("driver", help="device id, e.g. dfrobot_a02yyuw")
    parser.add_argument("--hex", dest="hexadecimal", help='"FF 07 A1 A7"')
    parser.add_argument("--ascii", dest="text", help=r'"R0480\r"')
    parser.add_argument("--option", type=option_of, action="append", default=[], metavar="N=V")
    options = parser.parse_args(arguments)
    hexadecimal, text = options.hexadecimal, options.text
    if (hexadecimal is None) == (text is None):
        return _refused("", "give exactly one of --hex and --ascii", WRONG_CALL)
    try:
        data = parse_hex(hexadecimal) if hexadecimal is not None else parse_ascii(text)
        decoded = decode_lines(options.driver, data, dict(options.option))
    except (DecodeArgumentError, DriverError) as error:
        return _refused("", error, WRONG_CALL)
    for line in decoded.lines:
        _to(sys.stdout.write, json.dumps(line, ensure_ascii=False, allow_nan=False))
    if decoded.note:
        _to(sys.stderr.write, f"{options.driver}: {decoded.note}")
    return decoded.exit_code


COMMANDS = {"listen": run_listen, "probe": run_probe, "decode": run_decode}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A device may name its values in Chinese on a terminal that can't show it.
        sys.stdout.reconfigure(errors="backslashreplace")
    if given[:1] and given[0] in COMMANDS:
        return COMMANDS[given[0]](given[1:])
    return _refused("installer", f"expected {' or '.join(COMMANDS)} as the first word", WRONG_CALL)


if __name__ == "__main__":
    sys.exit(main())
