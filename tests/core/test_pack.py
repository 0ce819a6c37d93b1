"""The wire format: what goes in comes out, and broken input is set apart with its reason."""

from __future__ import annotations

import contextlib
import json
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pack import Gone, Pack, PackError, Unknown, decode_pack, encode_pack
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity
from core.reading import Reading

SLUGS = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
INSTANTS = st.integers(min_value=1_500_000_000_000, max_value=2_500_000_000_000)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    quality = draw(st.sampled_from(Quality))
    reasons = (
        ()
        if quality is Quality.GOOD
        else tuple(draw(st.lists(st.sampled_from(Reason), min_size=1, max_size=3)))
    )
    without = quality is Quality.BAD and draw(st.booleans())
    count = 1 if without else draw(st.integers(1, 500))
    lowest, highest = (draw(NUMBERS), draw(NUMBERS)) if count > 1 else (None, None)
    return Reading(
        draw(SLUGS),
        draw(st.sampled_from(Quantity)),
        draw(INSTANTS),
        None if without else draw(NUMBERS),
        quality,
        reasons,
        lowest,
        highest,
        count,
    )


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    identified = draw(st.booleans())
    words = st.text("0123456789abcdef", min_size=1, max_size=8)
    number = st.integers(0, 2**40)
    return Pack(
        boot=draw(words) if identified else None,
        seq=draw(number) if identified else None,
        readings=tuple(draw(st.lists(readings(), max_size=12))),
        made=draw(st.none() | number),
        thinned=draw(st.integers(0, 99)),
        gone=tuple(
            draw(
                st.lists(
                    st.builds(Gone, words, number, number, number, st.just("overflow")), max_size=2
                )
            )
        ),
        unknown=tuple(draw(st.lists(st.builds(Unknown, words, number), max_size=2))),
    )


@given(packs())
def test_a_pack_that_is_encoded_and_decoded_is_the_same_pack(pack: Pack) -> None:
    assert decode_pack(encode_pack(pack)) == pack


@given(packs())
def test_what_is_decoded_encodes_to_the_same_bytes(pack: Pack) -> None:
    payload = encode_pack(pack)

    assert encode_pack(decode_pack(payload)) == payload


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_at_all_raise_anything_but_a_pack_error(payload: bytes) -> None:
    with contextlib.suppress(PackError):
        pack = decode_pack(payload)
        assert all(reading.value is None or isfinite(reading.value) for reading in pack.readings)


def test_the_example_of_the_interface_page_is_read_as_it_says() -> None:
    payload = b"""
    [{"bn":"gauge-1/","bver":26,"bt":1764500000.000,"boot":"3f2a","seq":4711,"sync":true,
      "n":"water-level","u":"m","v":0.231},
     {"n":"water-level","u":"m","v":0.233,"t":1.0},
     {"bn":"gate-2/","n":"people-in","u":"count","v":1041,"t":1.0},
     {"bn":"air-1/","n":"pm2-5","u":"ug/m3","v":38.0,"t":0.5,"q":"uncertain","why":["warming-up"],
      "min":35.0,"max":41.0,"cnt":10}]"""

    pack = decode_pack(payload)

    assert (pack.boot, pack.seq, pack.sync, pack.count) == ("3f2a", 4711, True, 4)
    assert pack.readings[1] == Reading("gauge-1", Quantity.WATER_LEVEL, 1764500001000, 0.233)
    assert pack.readings[2].series == ("gate-2", Quantity.PEOPLE_IN)
    assert pack.readings[3].reasons == (Reason.WARMING_UP,)
    assert (pack.readings[3].minimum, pack.readings[3].count) == (35.0, 10)


def test_times_are_rounded_to_the_millisecond_and_never_truncated() -> None:
    payload = b'[{"bn":"a/","bt":1764500000.0,"n":"water-level","u":"m","v":1,"t":0.0019999}]'

    assert decode_pack(payload).readings[0].at == 1764500000002


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ('{"n":"water-level","v":"high"}', "not a SenML record"),
        ('{"n":"water-level","v":1e999}', "not a SenML record"),
        ('{"n":"water-level","u":"m"}', "no value"),
        ('{"n":"blood-pressure","v":1}', "not known"),
        ('{"n":"water-level","u":"kg","v":1}', "no conversion"),
        ('{"n":"water-level","u":"m","v":1,"t":-1764500000}', "not an instant"),
        ('{"n":"water-level","u":"m","v":1,"t":1e300}', "not an instant"),
        ('{"n":"water-level","vs":"because"}', "not known"),
        ("17", "not a SenML record"),
        ("null", "not a SenML record"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_one_broken_record_is_set_apart_and_the_others_are_kept(
    record: str, words: str, place: int
) -> None:
    good = '{"n":"water-level","u":"m","v":0.5}'
    rows = [good, good]
    rows.insert(place, record)
    if place == 0 and record.startswith("{"):
        rows[0] = rows[0][:-1] + ',"bn":"a/","bt":1764500000,"boot":"b1","seq":7}'
    else:
        rows[0 if place else 1] = (
            '{"bn":"a/","bt":1764500000,"boot":"b1","seq":7,"n":"water-level","u":"m","v":0.5}'
        )

    pack = decode_pack(f"[{','.join(rows)}]".encode())

    assert [reading.value for reading in pack.readings] == [0.5, 0.5]
    assert [(bad.index, words in bad.reason) for bad in pack.rejected] == [(place, True)]
    assert pack.count == 3
    if place or record.startswith("{"):
        assert (pack.boot, pack.seq) == ("b1", 7)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}",
        b'[{"bn":"a/"',
        b'[{"n":"x","v":NaN}]',
        b"\xff\xfe\x00",
        b'[{"bver":27,"bn":"a/","bt":1764500000,"n":"water-level","v":1}]',
        b'[{"bn":"a/","bt":1764500000,"n":"water-level","v":1,"crit_":1}]',
        b"[" * 100_000,
    ],
)
def test_an_unreadable_payload_says_why(payload: bytes) -> None:
    with pytest.raises(PackError, match=r"SenML|understood"):
        decode_pack(payload)


def test_a_pack_without_a_trusted_clock_is_refused_by_unaware_readers_and_read_by_us() -> None:
    pack = Pack(
        boot="b", seq=1, sync=False, readings=(Reading("a", Quantity.WATER_LEVEL, 12_345, 1.0),)
    )

    first = json.loads(encode_pack(pack))[0]

    assert first["bm_"] == 12.345
    assert "bt" not in first
    assert decode_pack(encode_pack(pack)) == pack


def test_nan_never_leaves_a_station() -> None:
    with pytest.raises(ValueError, match="not finite"):
        encode_pack(
            Pack(readings=(Reading("a", Quantity.WATER_LEVEL, 1_764_500_000_000, float("nan")),))
        )


@pytest.mark.parametrize("quantity", Quantity)
def test_every_quantity_has_a_unit_on_the_wire_that_leads_back_to_its_own(
    quantity: Quantity,
) -> None:
    reading = Reading("s", quantity, 1_764_500_000_000, 0.5)

    assert decode_pack(encode_pack(Pack(readings=(reading,)))).readings == (reading,)
    assert FACTS[quantity].unit


def test_a_device_that_speaks_other_units_is_converted() -> None:
    payload = b'[{"bn":"a/","bt":1764500000,"bu":"mm","n":"water-level","v":231}]'

    assert decode_pack(payload).readings[0].value == pytest.approx(0.231)
    assert decode_pack(payload).boot is None
