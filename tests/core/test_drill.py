"""What makes an exercise an exercise: names and statements, never a mark."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.community_file import problems
from core.drill import (
    STATION,
    DrillError,
    DrillPhase,
    DrillStatement,
    decode_drill,
    drill_community,
    encode_drill,
    twin_name,
)
from core.identity import is_slug
from core.pack import Pack, decode_pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from tests.alerts.scenery import place

STATEMENT = DrillStatement(
    id="d-1", zone="underpass", sensors=("gauge-1",), phase=DrillPhase.RUNNING, until=5_000
)
SLUGS = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)


@given(one=SLUGS, other=SLUGS)
def test_twins_have_names_of_their_own_that_fit_topics(one: str, other: str) -> None:
    assert is_slug(twin_name(one))
    assert (twin_name(one) == twin_name(other)) == (one == other)


def test_no_sensor_station_or_zone_of_a_profile_may_be_called_like_a_drill() -> None:
    whole = place()
    replace = msgspec.structs.replace
    sensor, zone = whole.sensor[0], whole.zone[0]
    for changed in (
        replace(whole, sensor=(replace(sensor, id="drill-gauge-1"),)),
        replace(whole, sensor=(replace(sensor, station=STATION),)),
        replace(whole, zone=(*whole.zone, replace(zone, id="drill-north"))),
    ):
        assert any("reserved for drills" in problem for problem in problems(changed))
    assert problems(whole) == []


def test_twins_stand_in_the_same_zone_under_the_same_limits() -> None:
    twins = drill_community(place(), ["gauge-2", "gauge-1"])

    assert [(twin.id, twin.station, twin.zone) for twin in twins.sensor] == [
        ("drill-gauge-2", STATION, "underpass"),
        ("drill-gauge-1", STATION, "underpass"),
    ]
    assert twins.rules_of(twins.sensor[1], Quantity.WATER_LEVEL) == place().rules_of(
        place().sensor[0], Quantity.WATER_LEVEL
    )
    assert twins.contact == place().contact


@pytest.mark.parametrize("sensors", [[], ["gauge-9"]])
def test_a_drill_brings_no_sensor_that_is_not_in_the_profile(sensors: list[str]) -> None:
    with pytest.raises(DrillError):
        drill_community(place(), sensors)


def test_a_statement_ends_by_itself() -> None:
    read = decode_drill(encode_drill(STATEMENT))

    assert read == STATEMENT
    assert read.runs(4_999)
    assert not read.runs(5_000)
    ended = msgspec.structs.replace(STATEMENT, phase=DrillPhase.ENDED)
    assert not ended.runs(0)


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b'{"id":"d-1"}', b"[" * 9999])
def test_what_is_no_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(DrillError):
        decode_drill(payload)


def test_a_name_that_fits_no_topic_is_refused() -> None:
    with pytest.raises(DrillError, match="slug"):
        decode_drill(encode_drill(msgspec.structs.replace(STATEMENT, id="../x")))


READING = Reading("drill-gauge-1", Quantity.WATER_LEVEL, 1_764_500_000_000, 0.3)


def test_the_mark_travels_on_the_first_record() -> None:
    marked = Pack(boot="b", seq=1, readings=(READING, READING), exercise="d-1")
    records = msgspec.json.decode(encode_pack(marked))

    assert [record.get("exercise") for record in records] == ["d-1", None]
    assert decode_pack(encode_pack(marked)).exercise == "d-1"
    assert "exercise" not in msgspec.json.decode(encode_pack(Pack(readings=(READING,))))[0]


@pytest.mark.parametrize("mark", [True, 7, [1], {"a": 1}, None])
def test_a_mark_that_is_none_costs_no_reading(mark: object) -> None:
    records = msgspec.json.decode(encode_pack(Pack(boot="b", seq=1, readings=(READING,))))
    records[0]["exercise"] = mark

    pack = decode_pack(msgspec.json.encode(records))

    assert (pack.readings, pack.rejected, pack.exercise) == ((READING,), (), "")
