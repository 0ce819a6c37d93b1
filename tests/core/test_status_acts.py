"""A status carries what a station did by itself; what can't be read of it hides nothing else."""

from __future__ import annotations

import pytest

from core.act import ActEvent, ActingState, LocalAct, OutputState
from core.status import (
    Link,
    Receipt,
    StationStatus,
    StatusError,
    decode_receipt,
    decode_status,
    encode_receipt,
    encode_status,
)

ACT = LocalAct(id="b-1", boot="b", at=5, output="siren", event=ActEvent.ON, alone=True)
STATUS = StationStatus(
    link=Link.ONLINE, boot="b", at=5, spooled=3, acts=(ACT,),
    acting=ActingState(mandate="Li", outputs={"siren": OutputState(on=True)}),
)  # fmt: skip


def test_acts_come_out_as_they_went_in() -> None:
    assert decode_status(encode_status(STATUS)) == STATUS
    receipt = Receipt("b", (), ("b-1",))
    assert decode_receipt(encode_receipt(receipt)) == receipt
    assert encode_receipt(Receipt("b", (1,))) == b'{"boot":"b","seq":[1]}'


@pytest.mark.parametrize(
    ("word", "other"),
    [(b'"event":"on"', b'"event":"levitated"'), (b'"on":true', b'"on":"perhaps"')],
)
def test_words_of_a_newer_station_do_not_hide_that_it_is_there(word: bytes, other: bytes) -> None:
    payload = encode_status(STATUS)
    assert word in payload
    read = decode_status(payload.replace(word, other))
    assert (read.link, read.boot, read.spooled) == (Link.ONLINE, "b", 3)
    assert (read.acting, read.acts) == (None, ())


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"link":"up"}', b'{"acts":[]}', b"\xff"])
def test_what_is_no_status_is_still_refused(payload: bytes) -> None:
    with pytest.raises(StatusError):
        decode_status(payload)
