"""SMS PDUs: published examples, and every text read back by a reader that shares no code."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.channels.pdu import (
    Incoming,
    PduError,
    Report,
    is_gsm,
    read,
    room,
    split,
    submits,
    units,
)
from safety_eye.virtual_network import deliver, read_submit, report

LI = "+8613800000000"


def test_the_published_submit_of_hellohello_comes_out_to_the_octet() -> None:
    # The example of the well-known "SMS and the PDU format": AA is four days.
    [made] = submits("+46708251358", "hellohello", reference=0, validity_s=4 * 86_400, report=False)

    assert made.text == "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"
    assert made.length == 23


def test_the_published_deliver_of_hellohello_is_read() -> None:
    # The same text's example of a message that came in over +27 38 100 00 15.
    pdu = "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37"

    assert read(pdu) == Incoming("27838890001", "hellohello")


@pytest.mark.parametrize(
    ("text", "pdu"),
    [
        # Read back as the same text by smspdudecoder 2.2.0.
        ("hello world [€]", "0031000D91683108000000F000000512E8329BFD06DDDF723619B4E16DCA1B1F"),
        (
            "【红色】下穿通道水位🌊 回复4821",
            (
                "0031000D91683108000000F00008052630107EA2827230114E0B7A7F901A90536C344F4DD83CDF0A"
                "002056DE590D0034003800320031"
            ),
        ),
    ],
)
def test_a_submit_is_what_another_library_reads(text: str, pdu: str) -> None:
    [made] = submits(LI, text, reference=7, validity_s=1800)

    assert made.text == pdu


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=250))
def test_any_text_arrives_whole_in_parts_that_fit(text: str) -> None:
    parts = [
        read_submit(part.text, part.length)
        for part in submits(LI, text, reference=200, validity_s=1800)
    ]

    assert "".join(part.text for part in parts) == text
    assert [part.part for part in parts] == list(range(1, len(parts) + 1))
    assert {(part.number, part.parts, part.validity_s, part.report) for part in parts} == {
        (LI, len(parts), 1800, True)
    }
    assert {part.ucs2 for part in parts} == {not is_gsm(text)}
    assert {part.group for part in parts} == ({200} if len(parts) > 1 else {0})


@settings(max_examples=100, deadline=None)
@given(text=st.text("abc€[]{}@£$ΔÄ\n 0", min_size=1, max_size=400))
def test_any_seven_bit_text_arrives_whole(text: str) -> None:
    parts = submits(LI, text, reference=1, validity_s=60)

    assert "".join(read_submit(part.text, part.length).text for part in parts) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A" * 160, 1), ("A" * 161, 2), ("A" * 306, 2), ("A" * 307, 3),
        ("水" * 70, 1), ("水" * 71, 2), ("水" * 134, 2), ("水" * 135, 3),
        ("€" * 80, 1), ("€" * 81, 2), ("🌊" * 35, 1), ("🌊" * 36, 2),
    ],
)  # fmt: skip
def test_a_text_takes_as_many_parts_as_the_standard_says(text: str, parts: int) -> None:
    assert len(split(text)) == parts
    assert (units(text) <= room(text, parts)) or "€" in text or "🌊" in text


def test_no_part_ends_in_half_a_character() -> None:
    for part in split("水" * 66 + "🌊" * 10):
        part.encode("utf-16-be").decode("utf-16-be")
    assert [units(part) for part in split("水" * 66 + "🌊" * 10)] == [66, 20]


@given(
    digits=st.text("0123456789", min_size=7, max_size=15),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
def test_a_reply_is_read_with_its_sender(digits: str, text: str) -> None:
    assert read(deliver(f"+{digits}", text)) == Incoming(f"+{digits}", text)


@pytest.mark.parametrize(
    ("status", "delivered", "failed"),
    [(0x00, True, False), (0x02, True, False), (0x20, False, False), (0x30, False, False),
     (0x41, False, True), (0x49, False, True), (0x60, False, True)],
)  # fmt: skip
def test_a_delivery_report_is_read(status: int, delivered: bool, failed: bool) -> None:
    found = read(report(213, LI, status))

    assert found == Report(213, LI, status)
    assert isinstance(found, Report)
    assert (found.delivered, found.failed) == (delivered, failed)


def test_a_sender_that_is_a_name_is_read() -> None:
    # Type D0, length in half octets (TS 23.040, 9.1.2.5); the octets of the example's "hello".
    found = read("0004" + "0AD0" + "E8329BFD06" + "0000" + "52110301353240" + "02C834")

    assert isinstance(found, Incoming)
    assert found.sender == "hello"
    assert found.text == "Hi"


@given(st.text("0123456789ABCDEF", max_size=80))
def test_nothing_that_a_modem_says_breaks_the_reader(text: str) -> None:
    try:
        read(text)
    except PduError as error:
        assert str(error)  # noqa: PT017  # either a message or a refusal, never another error
