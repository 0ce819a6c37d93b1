"""The contract of every driver, run over the whole registry by itself.

A new driver needs no line here: its frames stand in `frames.json`, its ranges in its facts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.quality import Quality
from edge.decode import BY_HAND, decode_lines
from edge.drivers import DRIVERS, make_driver
from edge.drivers.base import Check, Driver, Field, Frame, Measurement, Mode, Value
from edge.modbus import is_exception

NAMES = sorted(DRIVERS)
CHECKED = [name for name in NAMES if make_driver(name).facts.check is not Check.NONE]
STRONG = [name for name in NAMES if make_driver(name).facts.check is Check.STRONG]
POLLED = [name for name in NAMES if make_driver(name).facts.mode is Mode.POLL]
# Frames of these kinds carry values that are believed.
GOOD = ("good", "resync")
# The device speaks, and says that there is nothing to believe.
NOT_BELIEVED = ("fault", "out_of_range", "no_target", "warming_up", "ambiguous", "device_error")
# Known from the time since power-up alone, or good by transport and impossible by value.
WARM_BY_TIME = "winsen_mhz19b-008"
IMPOSSIBLE_VALUE = "winsen_mhz19b-009"
BUFFER_BYTES = 4096


class Sample(msgspec.Struct, frozen=True):
    """One frame of `frames.json`."""

    id: str
    device: str
    encoding: str
    hex_or_ascii: str
    direction: str
    kind: str
    decoded: dict[str, dict[str, Any]]

    @property
    def raw(self) -> bytes:
        if self.encoding == "hex":
            return bytes.fromhex(self.hex_or_ascii)
        return self.hex_or_ascii.encode()

    @property
    def good(self) -> bool:
        return self.kind.startswith(GOOD)


@cache
def samples() -> tuple[Sample, ...]:
    text = (Path(__file__).parent / "frames.json").read_text(encoding="utf-8")
    found = msgspec.convert(json.loads(text)["frames"], tuple[Sample, ...])
    return tuple(sample for sample in found if sample.device in DRIVERS)


def of(name: str) -> list[Sample]:
    return [sample for sample in samples() if sample.device == name]


def fresh(name: str) -> Driver:
    """A driver as `decode` makes it: word order and digits are guessed."""
    return make_driver(name, BY_HAND.get(name, {}))


def read(name: str, data: bytes) -> list[Frame]:
    driver = fresh(name)
    return driver.feed(data) + driver.flush()


def said(frames: list[Frame]) -> list[tuple[Measurement, ...]]:
    return [frame.measurements for frame in frames if frame.measurements]


def good_frames(name: str) -> list[bytes]:
    """Frames that stand alone: nothing before them and values in them."""
    return [
        sample.raw
        for sample in of(name)
        if sample.kind.startswith("good")
        and sample.kind not in ("good_after_garbage", "good_after_echo")
        and sample.decoded
    ]


RECEIVED = [sample for sample in samples() if sample.direction == "rx"]
SENT = [sample for sample in samples() if sample.direction == "tx"]


def test_every_driver_has_frames_of_its_device() -> None:
    for name in NAMES:
        assert good_frames(name), f"{name}: no good frame in frames.json"


@pytest.mark.parametrize("name", NAMES)
def test_facts_and_registry_agree(name: str) -> None:
    facts = make_driver(name).facts
    assert facts.name == name
    assert facts.fields
    assert facts.baud > 0
    assert facts.interval_s > 0
    assert facts.source


@pytest.mark.parametrize("sample", RECEIVED, ids=lambda sample: sample.id)
def test_a_published_frame_decodes_as_its_kind_says(sample: Sample) -> None:
    decoded = decode_lines(sample.device, sample.raw)
    lines = {str(line["name"]): line for line in decoded.lines}
    counters = decoded.counters
    if sample.kind.startswith(("good", "resync")):
        for name, expected in sample.decoded.items():
            assert lines[name]["value"] == pytest.approx(expected["value"], abs=1e-4)
            assert lines[name]["unit"] == expected["unit"]
            if sample.id == IMPOSSIBLE_VALUE:
                assert lines[name]["quality"] == Quality.BAD
            elif lines["test"]["value"] if "test" in lines else False:
                assert lines[name]["quality"] == Quality.GOOD or lines[name]["reasons"] == ["test"]
            else:
                assert lines[name]["quality"] == Quality.GOOD
        assert counters.good >= 1
    elif sample.kind.startswith(NOT_BELIEVED):
        for name, expected in sample.decoded.items():
            assert lines[name]["value"] in (None, expected["value"])
            if sample.id != WARM_BY_TIME:
                assert lines[name]["quality"] != Quality.GOOD
                assert lines[name]["reasons"]
                assert decoded.exit_code == 1
    elif sample.kind in ("ack", "nack", "no_data"):
        assert not any(line["quantity"] for line in decoded.lines)
        assert counters.good == 1
    else:
        assert decoded.lines == ()
        assert decoded.exit_code == 1
        assert (
            counters.checksum_errors
            + counters.framing_errors
            + counters.discarded_bytes
            + counters.exceptions
        )


@pytest.mark.parametrize("sample", SENT, ids=lambda sample: sample.id)
def test_a_command_on_the_line_is_not_a_reading(sample: Sample) -> None:
    assert said(read(sample.device, sample.raw)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_may_be_cut_anywhere(name: str) -> None:
    for raw in good_frames(name):
        whole = said(read(name, raw))
        assert whole
        for cut in range(1, len(raw)):
            driver = fresh(name)
            assert said(driver.feed(raw[:cut]) + driver.feed(raw[cut:])) == whole
        driver = fresh(name)
        assert said([frame for byte in raw for frame in driver.feed(bytes((byte,)))]) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_good_frame_is_found_behind_every_suffix_of_another(name: str) -> None:
    frames = good_frames(name)
    for before in frames:
        for raw in frames:
            expected = said(read(name, raw))
            allowed = expected + said(read(name, before))
            for start in range(1, len(before)):
                found = said(read(name, before[start:] + raw))
                assert found[-1:] == expected[-1:]
                assert all(measurements in allowed for measurements in found)


@pytest.mark.parametrize("name", CHECKED)
def test_a_flipped_bit_never_gives_a_wrong_reading(name: str) -> None:
    frames = good_frames(name)
    for raw in frames:
        right = said(read(name, raw))
        for bit in range(8 * len(raw)):
            damaged = bytearray(raw)
            damaged[bit // 8] ^= 1 << bit % 8
            alone = said(read(name, bytes(damaged)))
            assert all(measurements in right for measurements in alone), f"bit {bit}"
            followed = said(read(name, bytes(damaged) + raw))
            assert all(measurements in right for measurements in followed), f"bit {bit}"


@pytest.mark.parametrize("name", CHECKED)
def test_after_a_damaged_frame_the_next_ones_are_found(name: str) -> None:
    raw = good_frames(name)[0]
    right = said(read(name, raw))
    for at in range(len(raw)):
        damaged = raw[:at] + raw[at + 1 :]  # a byte was lost
        assert said(read(name, damaged + raw + raw))[-1:] == right[-1:]


def noise(seed: int, size: int, piece: int = 65536) -> Iterator[bytes]:
    source = random.Random(seed)
    for _ in range(size // piece):
        yield source.randbytes(piece)


def swallow(name: str, size: int) -> int:
    """Feed seeded noise; return how many frames were taken for good."""
    driver = fresh(name)
    taken = 0
    for piece in noise(NAMES.index(name), size):
        taken += len(said(driver.feed(piece)))
        assert driver.pending < BUFFER_BYTES
    counters = driver.counters
    assert counters.discarded_bytes + counters.checksum_errors + counters.framing_errors > 0
    return taken


@pytest.mark.parametrize("name", NAMES)
def test_two_megabytes_of_noise_do_no_harm(name: str) -> None:
    taken = swallow(name, 2 * 1024 * 1024)
    if name in STRONG:
        assert taken == 0


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_megabytes_of_noise_do_no_harm(name: str) -> None:
    taken = swallow(name, 100 * 1024 * 1024)
    # A CRC-16 lets one candidate in 65,536 through.
    if name in STRONG:
        assert taken < 20


@pytest.mark.parametrize("name", NAMES)
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_bytes_cut_anyhow_read_the_same(name: str, data: bytes, cuts: list[int]) -> None:
    raw = good_frames(name)[0]
    stream = data + raw + data
    whole = fresh(name)
    expected = whole.feed(stream)
    pieces = fresh(name)
    found: list[Frame] = []
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    for start, end in pairwise(edges):
        found += pieces.feed(stream[start:end])
    assert found == expected
    assert pieces.counters == whole.counters


@pytest.mark.parametrize("name", CHECKED)
def test_a_hundred_frames_with_garbage_between_are_all_found(name: str) -> None:
    source = random.Random(2026)
    frames = good_frames(name)
    wanted: list[tuple[Measurement, ...]] = []
    stream = bytearray()
    for _ in range(100):
        raw = source.choice(frames)
        stream += source.randbytes(source.randrange(20)) + raw
        wanted += said(read(name, raw))
    found = said(read(name, bytes(stream)))
    rest = iter(found)
    assert all(measurements in rest for measurements in wanted)
    assert len(found) == len(wanted)


def on_grid(field: Field) -> st.SearchStrategy[float]:
    """Values that the wire can carry, inside the believable range."""
    low, high = max(field.low, -1e6), min(field.high, 1e6)
    if not field.step:
        return st.floats(low, high, allow_nan=False)
    return st.integers(0, round((high - low) / field.step)).map(
        lambda steps: min(high, low + steps * field.step)
    )


def tolerance(field: Field, value: float) -> float:
    """Half a step of the wire; for floats four decimals, or seven digits."""
    return field.step / 2 + 1e-6 * abs(value) + (1e-9 if field.step else 6e-5)


def encoded(name: str, values: dict[str, float | None]) -> dict[str, Measurement]:
    driver = fresh(name)
    words: dict[str, Value] = dict(values)
    frames = fresh(name).feed(driver.encode(words))
    return {one.name: one for frame in frames for one in frame.measurements}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_read_back(name: str, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(make_driver(name).facts.fields))
    value = data.draw(on_grid(field))
    found = encoded(name, {field.name: value})[field.name]
    assert isinstance(found.value, int | float)
    assert abs(found.value - value) <= tolerance(field, value)
    assert found.unit == field.unit
    assert found.quantity is field.quantity
    assert found.quality is Quality.GOOD


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_is_none_is_never_read_as_good(name: str) -> None:
    for field in make_driver(name).facts.fields:
        if field.quantity is None:
            continue
        found = encoded(name, {field.name: None}).get(field.name)
        assert found is None or found.quality is not Quality.GOOD


@pytest.mark.parametrize("name", NAMES)
def test_numbers_beyond_the_field_are_clamped_not_wrapped(name: str) -> None:
    for field in make_driver(name).facts.fields:
        if field.quantity is None or not field.step:  # counters wrap, text has no bound
            continue
        for value, edge in ((1e12, field.high), (-1e12, field.low)):
            found = encoded(name, {field.name: value}).get(field.name)
            if found is None or found.quality is not Quality.GOOD:
                continue
            assert isinstance(found.value, int | float)
            assert abs(found.value - edge) <= field.step


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_the_device_does_not_have_is_refused(name: str) -> None:
    if name == "ndjson_bridge":
        pytest.skip("a bridge carries any name")
    with pytest.raises(ValueError, match=name):
        make_driver(name).encode({"nonsense": 1})


@pytest.mark.parametrize("name", POLLED)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_simulated_device_answers_its_own_driver(name: str, data: st.DataObject) -> None:
    driver, device = make_driver(name), make_driver(name)
    answered = 0
    for _ in range(4):  # the first requests may be a start command and an identification
        field = data.draw(st.sampled_from(driver.facts.fields))
        value = data.draw(on_grid(field))
        answer = device.respond(driver.request(), {field.name: value})
        found = {one.name: one for frame in driver.feed(answer) for one in frame.measurements}
        if field.name not in found:
            continue  # the answer to a start command, or another block of registers
        answered += 1
        read_back = found[field.name].value
        assert isinstance(read_back, int | float)
        assert abs(read_back - value) <= tolerance(field, value)
        assert found[field.name].quality is Quality.GOOD
    assert answered >= 2


@pytest.mark.parametrize("name", POLLED)
def test_a_simulated_device_is_silent_to_what_is_not_meant_for_it(name: str) -> None:
    request = make_driver(name).request()
    device = make_driver(name)
    assert device.respond(request, {})
    assert device.respond(request[:-1], {}) == b""
    assert device.respond(request[:-1] + bytes((request[-1] ^ 1,)), {}) == b""
    other = make_driver(name, {"address": 77})
    if other.request() != request:
        assert other.respond(request, {}) == b""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in POLLED])
def test_a_device_that_streams_is_never_asked_and_never_answers(name: str) -> None:
    driver = make_driver(name)
    assert driver.request() == b""
    assert driver.respond(b"\x55", {}) == b""


@pytest.mark.parametrize("name", [name for name in NAMES if getattr(DRIVERS[name], "READ", b"")])
def test_a_device_that_was_set_to_wait_is_asked_where_the_options_say_so(name: str) -> None:
    driver, device = (make_driver(name, {"polled": True}) for _ in range(2))
    assert driver.facts.mode is Mode.POLL
    field = driver.facts.fields[0]
    answer = device.respond(driver.request(), {field.name: field.idle})
    found = {one.name: one for frame in driver.feed(answer) for one in frame.measurements}
    assert found[field.name].value == pytest.approx(field.idle)
    assert device.respond(driver.request()[:-1], {}) == b""


@pytest.mark.parametrize("name", POLLED)
def test_a_refusal_is_counted_and_gives_no_reading(name: str) -> None:
    driver, device = make_driver(name), make_driver(name)
    names = [field.name for field in driver.facts.fields if field.quantity]
    answer = device.respond(driver.request(), dict.fromkeys(names))
    if not is_exception(answer):
        pytest.skip("the device has its own way to say that there is no value")
    assert driver.feed(answer) == []
    assert driver.counters.exceptions == 1
    assert "exception 4" in driver.counters.last_error


@pytest.mark.parametrize("name", NAMES)
def test_reset_forgets_a_partial_frame(name: str) -> None:
    raw = good_frames(name)[0]
    driver = fresh(name)
    driver.feed(raw[:-1])
    driver.reset()
    assert driver.pending == 0
    assert said(driver.feed(raw[-1:])) == []
    assert said(driver.feed(raw)) == said(read(name, raw))


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_ever_infinite_or_nan(name: str) -> None:
    for sample in of(name):
        for frame in read(name, sample.raw):
            for one in frame.measurements:
                if isinstance(one.value, float):
                    assert isfinite(one.value)


def test_an_unknown_driver_is_refused_with_the_list_of_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"expected one of .*winsen_ze07_co"):
        make_driver("winsen_ze08")


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_with_the_list_of_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"driver {name}: no option 'colour'; expected one of"):
        make_driver(name, {"colour": "red"})


@pytest.mark.parametrize("name", NAMES)
def test_every_driver_takes_the_address_and_baud_rate_of_an_entry(name: str) -> None:
    driver = make_driver(name, {"address": 7, "baud": 4800})
    assert driver.facts.name == name
    for wrong in (True, "7", 300, 1.5):
        with pytest.raises(ValueError, match=f"driver {name}: option address"):
            make_driver(name, {"address": wrong})
