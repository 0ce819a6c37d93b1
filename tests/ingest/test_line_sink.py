"""Lines that a server refuses are found; everything else arrives; nothing goes on for ever."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.history.line_protocol import escape, station_of, tags
from ingest.history.line_sink import (
    MAX_REJECTIONS,
    BodyTooLargeError,
    LinesRejectedError,
    deliver,
)


class Server:
    """Refuses a whole body for one bad line, as InfluxDB 2 does, and bodies beyond a size."""

    def __init__(self, largest: int = 10**9) -> None:
        self.largest = largest
        self.taken: set[bytes] = set()
        self.requests = 0

    def send(self, body: bytes) -> None:
        self.requests += 1
        if len(body) > self.largest:
            raise BodyTooLargeError("too large")
        lines = body.splitlines(keepends=True)
        if any(b"bad" in line for line in lines):
            raise LinesRejectedError("malformed")
        self.taken |= set(lines)


def lines_of(count: int, bad: set[int]) -> list[bytes]:
    kinds = ["bad" if place in bad else "good" for place in range(count)]
    return [f"reading,station=one value={kind}{n} {n}\n".encode() for n, kind in enumerate(kinds)]


@settings(max_examples=60, deadline=None)
@example(148, {143}, 75)
@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=6), st.integers(60, 10_000))
def test_every_good_line_arrives_and_every_bad_one_is_told(
    count: int, bad: set[int], largest: int
) -> None:
    server = Server(largest)
    lines = lines_of(count, bad)
    refused = deliver(b"".join(lines), server.send)
    wrong = {place for place in bad if place < count}
    assert server.taken == {line for place, line in enumerate(lines) if place not in wrong}
    assert sum(refusal.stations["one"] for refusal in refused) == len(wrong)


def test_a_batch_of_nothing_but_bad_lines_ends_after_a_bounded_number_of_requests() -> None:
    server = Server()
    refused = deliver(b"".join(lines_of(3000, set(range(3000)))), server.send)
    assert server.requests <= 2 * MAX_REJECTIONS
    assert sum(refusal.stations["one"] for refusal in refused) == 3000


def test_tags_are_escaped_sorted_and_never_empty() -> None:
    assert escape("下穿 a,b=c\\\n") == "下穿\\ a\\,b\\=c/"
    assert tags("grade", {"zone": "z", "site": "s", "hazard": ""}) == "grade,site=s,zone=z"


def test_the_station_of_a_line_is_found_for_readings_only() -> None:
    assert station_of(b"grade,site=s,station=no grade=1i 0") == ""
    assert station_of(b"reading,site=s value=1 0") == ""
