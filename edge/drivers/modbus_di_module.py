"""RS-485 input modules: door contacts, relay contacts of fire panels, pulse counters.

Sources: Waveshare IO-8CH (inputs at 0, FC02, address 1), novabo 2-DI (address 255, 1 = loop
closed), Moxa ioLogik R1210 (32-bit counters, high word first), Advantech ADAM-6051 (low word
first).

Alarm loops should be wired normally closed, so that a cut cable is an alarm: set `invert` in the
sensor's entry then. What an input means is decided there, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from core.quality import Reason
from core.quantity import Quantity
from edge.drivers.base import (
    Check,
    DriverError,
    DriverFacts,
    Field,
    Measurement,
    Mode,
    Option,
    Options,
    Value,
)
from edge.drivers.modbus_device import Memory, ModbusDriver, NoValueError
from edge.drivers.stream import bad, check_names, number
from edge.modbus import Function, Reply, Request, WordOrder, arrange, unpack_bits
from edge.modbus_reader import Shapes

_BITS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
_MOST_INPUTS = 32
# The novabo 2-DI module: its factory address, and how many inputs it has.
_NOVABO_ADDRESS, _NOVABO_INPUTS = 255, 2
# A 32-bit counter above the first bound that would be below the second with its words swapped is
# taken for swapped: 2^31 pulses are 68 years at one a second, 2^24 are half a year.
_TOO_MANY, _USUAL = 2**31, 2**24


class ModbusDiModule(ModbusDriver):
    """Bits `di0`… by FC01 or FC02, or counters `count` (`count0`…) by FC03 or FC04."""

    FACTS = DriverFacts(
        name="modbus_di_module",
        title="RS-485 digital input and counter module",
        mode=Mode.POLL,
        baud=9600,
        check=Check.STRONG,
        warm_up_s=0.0,
        interval_s=0.5,
        verified=True,
        quantities=(
            Quantity.CONTACT,
            Quantity.ALARM_INPUT,
            Quantity.PEOPLE_IN,
            Quantity.PEOPLE_OUT,
            Quantity.PEOPLE_COUNT,
        ),
        source="Waveshare Modbus RTU IO 8CH wiki; Moxa ioLogik R1210; Advantech ADAM-6051 manual",
    )
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "function": Option(2, "1 or 2 reads bits, 3 or 4 reads counters", 1, 4),
        "register": Option(0, "first bit or register on the wire", 0, 0xFFFF),
        "inputs": Option(8, "how many bits to read", 1, _MOST_INPUTS),
        "counters": Option(1, "how many counters to read", 1, 16),
        "counter_bits": Option(32, "size of a counter, 16 or 32", 16, 32),
        "word_order": Option(
            "",
            "order of the bytes of a 32-bit counter; '' = ABCD but refuse what looks swapped, "
            "'auto' = guess (only for decoding by hand)",
            choices=("", "auto", *WordOrder),
        ),
    }

    __slots__ = ("_fields",)

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        if self.settings.whole("counter_bits") not in (16, 32):
            raise DriverError("driver modbus_di_module: counter_bits: expected 16 or 32")
        if self.settings.whole("function") in _BITS:
            names, unit, most = self._input_names, "bool", 1
        else:
            names, unit = self._counter_names(self.settings.whole("counters")), "1"
            most = min(_TOO_MANY, 2 ** self.settings.whole("counter_bits")) - 1
        self._fields = tuple(Field(name, unit, None, 0, most, 1, 0) for name in names)

    @property
    def facts(self) -> DriverFacts:
        """What is known of the device; its fields follow the options."""
        return replace(self.FACTS, fields=self._fields)

    @property
    def _input_names(self) -> list[str]:
        return [f"di{index}" for index in range(self.settings.whole("inputs"))]

    @property
    def _counter_words(self) -> int:
        return self.settings.whole("counter_bits") // 16

    def block(self) -> Request:
        """Return the inputs or the counters, as the options say."""
        function, register = self.settings.whole("function"), self.settings.whole("register")
        if function in _BITS:
            return Request(self.address, function, register, self.settings.whole("inputs"))
        words = self.settings.whole("counters") * self._counter_words
        return Request(self.address, function, register, words)

    def shapes(self) -> Shapes:
        """Return one to four bytes of inputs, and the configured counters."""
        inputs = frozenset(range(1, _MOST_INPUTS // 8 + 1))
        counters = frozenset({2 * self.settings.whole("counters") * self._counter_words})
        if self.settings.text("word_order") == "auto":  # by hand: any number of counters
            counters = frozenset({2, *range(4, 65, 4)})
        return {1: inputs, 2: inputs, 3: counters, 4: counters}

    def measure(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        """Return bits or counters."""
        if reply.function in _BITS:
            return self._inputs(reply, asked)
        size = min(2 * self._counter_words, len(reply.data))
        pieces = [reply.data[at : at + size] for at in range(0, len(reply.data), size)]
        names = self._counter_names(len(pieces))
        return tuple(self._counter(*pair) for pair in zip(names, pieces, strict=True))

    def _inputs(self, reply: Reply, asked: Request | None) -> tuple[Measurement, ...]:
        count = 8 * len(reply.data)
        bare_novabo = asked is None and reply.address == _NOVABO_ADDRESS
        if asked is not None:
            count = min(count, asked.count)
        elif bare_novabo:
            count = _NOVABO_INPUTS
        bits = unpack_bits(reply.data, count)
        found = tuple(Measurement(f"di{i}", None, bit, "bool") for i, bit in enumerate(bits))
        if not bare_novabo:
            return found
        meaning = "OK (loop closed)" if bits[0] else "ALARM (loop open)"
        return (*found, Measurement("meaning", None, meaning, "1"))

    def _counter(self, name: str, data: bytes) -> Measurement:
        order = self.settings.text("word_order")
        if len(data) == 2 or order not in ("", "auto"):
            ordered = arrange(data, WordOrder(order)) if len(data) == 4 and order else data
            return Measurement(name, None, int.from_bytes(ordered, "big"), "1")
        value = int.from_bytes(data, "big")
        swapped = int.from_bytes(arrange(data, WordOrder.CDAB), "big")
        if value < _TOO_MANY or swapped >= _USUAL:
            return Measurement(name, None, value, "1")
        if order == "auto":
            return Measurement(name, None, swapped, "1")
        return bad(name, None, "1", Reason.CONFIGURATION)

    def _counter_names(self, count: int) -> list[str]:
        return ["count"] if count == 1 else [f"count{index}" for index in range(count)]

    def memory(self, function: int, values: Mapping[str, Value]) -> Memory | None:
        """Return inputs for FC01 and FC02, counters for FC03 and FC04."""
        inputs = self._input_names
        counters = self._counter_names(self.settings.whole("counters"))
        check_names(self.FACTS.name, values, (*inputs, *counters))
        register = self.settings.whole("register")
        bits = function in _BITS
        names = inputs if bits else counters
        if any(values.get(name, 0) is None for name in names):
            raise NoValueError
        if bits:
            return {register + i: int(bool(values.get(name, 0))) for i, name in enumerate(names)}
        memory: dict[int, int] = {}
        for index, name in enumerate(names):
            count = number(self.FACTS.name, name, values.get(name, 0))
            memory |= self._words_of(register + index * self._counter_words, count)
        return memory

    def _words_of(self, register: int, count: float) -> dict[int, int]:
        """Return a counter's registers; a counter wraps like the device's own."""
        bits = self.settings.whole("counter_bits")
        raw = (int(count) % 2**bits).to_bytes(bits // 8, "big")
        order = self.settings.text("word_order")
        if len(raw) == 4 and order not in ("", "auto"):
            raw = arrange(raw, WordOrder(order))
        return {
            register + at // 2: int.from_bytes(raw[at : at + 2], "big")
            for at in range(0, len(raw), 2)
        }
