"""InfluxDB 1.x: `/write` with nanoseconds, and InfluxQL to read back.

The same pair is understood by 2.x (with a DBRP mapping) and 3.x; it is proven here against 1.6.7.
Only `precision=ns` is ever sent: 1.6.7 answers 204 to a precision that it does not know and stores
the point in 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from core.finding import ZoneGrade
from core.identity import SeriesId
from core.quality import Quality
from core.reading import Reading
from ingest.history.base import (
    QUALITIES,
    Bucket,
    Capabilities,
    HistoryUnavailableError,
    Point,
    Refusal,
    StationState,
    bucket_width_ms,
    reasons_of,
)
from ingest.history.line_protocol import LineEncoder
from ingest.history.line_sink import BodyTooLargeError, LinesRejectedError, deliver
from ingest.history.settings import HistorySettings, secret

_HTTP_TOO_LARGE = 413
_HTTP_REFUSED = (400, 422)
# Credentials, rights, or the database is missing: a person must mend it, the spool waits.
_HTTP_ATTENTION = (401, 403, 404)


def client_of(settings: HistorySettings) -> httpx.Client:
    """Return an HTTP client for *settings*; never through a proxy of the environment."""
    auth = None
    if settings.username:
        auth = httpx.BasicAuth(settings.username, secret(settings.password_file))
    return httpx.Client(
        base_url=settings.url, timeout=settings.timeout_s, auth=auth, trust_env=False
    )


class InfluxV1Writer:
    """Writes line protocol to `/write`."""

    capabilities = Capabilities(
        reads=True, idempotent=True, reports_refusals=True, remote=True, proven=True
    )

    def __init__(self, settings: HistorySettings) -> None:
        self._settings = settings
        self._client = client_of(settings)
        self._encoder = LineEncoder()
        self._query = {"db": settings.database, "precision": "ns"}

    def write(
        self,
        points: Sequence[Point],
        grades: Sequence[ZoneGrade] = (),
        stations: Sequence[StationState] = (),
        site: str = "",
    ) -> list[Refusal]:
        """Encode and send; returns what will never be taken.

        Raises:
            HistoryUnavailableError: Try the same again later.
        """
        return self.write_lines(self._encoder.encode(points, grades, stations, site))

    def write_lines(self, body: bytes) -> list[Refusal]:
        """Send encoded lines; returns what will never be taken.

        Raises:
            HistoryUnavailableError: Try the same again later.
        """
        return deliver(body, self._send)

    def maintain(self, now_ms: int) -> None:
        """Nothing: retention is the server's retention policy."""

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _send(self, body: bytes) -> None:
        try:
            answer = self._client.post("/write", params=self._query, content=body)
        except httpx.HTTPError as error:
            raise HistoryUnavailableError(
                f"history {self._settings.url}: {type(error).__name__}: {error}"
            ) from error
        if answer.is_success:
            return
        said = error_text(answer)
        if answer.status_code in _HTTP_REFUSED:
            raise LinesRejectedError(said)
        if answer.status_code == _HTTP_TOO_LARGE:
            raise BodyTooLargeError(said)
        raise HistoryUnavailableError(
            f"history {self._settings.url}, database {self._settings.database!r}:"
            f" {answer.status_code} {said}{_advice(answer.status_code, self._settings.database)}",
            retry_after_s=retry_after_s(answer),
            needs_attention=answer.status_code in _HTTP_ATTENTION,
        )


class InfluxV1Reader:
    """Reads with InfluxQL."""

    def __init__(self, settings: HistorySettings) -> None:
        self._settings = settings
        self._client = client_of(settings)

    def range(
        self, series: SeriesId, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> list[Reading]:
        """Readings with start <= at < end, oldest first, at most *limit*."""
        rows = self._select(
            f"SELECT {_FIELDS} FROM reading WHERE {_where(series, start_ms, end_ms)}"  # noqa: S608  # escaped
            f" ORDER BY time ASC LIMIT {int(limit)}"
        )
        return [_reading(series, row) for row in rows[0]]

    def last(self, series: SeriesId) -> Reading | None:
        """The newest reading."""
        rows = self._select(
            f"SELECT {_FIELDS} FROM reading WHERE {_named(series)}"  # noqa: S608  # escaped
            " ORDER BY time DESC LIMIT 1"
        )
        return _reading(series, rows[0][0]) if rows[0] else None

    def downsampled(
        self, series: SeriesId, start_ms: int, end_ms: int, buckets: int
    ) -> list[Bucket]:
        """At most *buckets* stretches of equal width between start and end."""
        width = bucket_width_ms(start_ms, end_ms, buckets)
        where = _where(series, start_ms, end_ms)
        group = f"GROUP BY time({width}ms, {start_ms % width}ms) fill(none)"
        usable, all_rows = self._select(
            'SELECT mean(value), min(value), max(value), count(value), min("min"), max("max")'  # noqa: S608  # escaped
            f" FROM reading WHERE {where} AND quality < 2 {group};"
            f" SELECT max(quality) FROM reading WHERE {where} {group}"
        )
        values = {row[0]: row[1:] for row in usable}
        return [_bucket(at, int(worst or 0), values.get(at)) for at, worst in all_rows]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _select(self, query: str) -> list[list[list[float | int | None]]]:
        """Return the rows of each statement; times in milliseconds.

        Raises:
            HistoryUnavailableError: The server can't answer now, or refuses.
        """
        try:
            answer = self._client.get(
                "/query", params={"db": self._settings.database, "epoch": "ms", "q": query}
            )
            body = msgspec.json.decode(answer.content, type=_Answer)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise HistoryUnavailableError(
                f"history {self._settings.url}: can't be read: {error}"
            ) from error
        errors = [text for text in (body.error, *(r.error for r in body.results)) if text]
        if errors or not answer.is_success:
            raise HistoryUnavailableError(
                f"history {self._settings.url}: {answer.status_code} {'; '.join(errors)}",
                needs_attention=answer.status_code in _HTTP_ATTENTION,
            )
        return [result.series[0].values if result.series else [] for result in body.results]


_FIELDS = 'value, quality, "min", "max", n, why'


class _Table(msgspec.Struct):
    values: list[list[float | int | None]] = []


class _Result(msgspec.Struct):
    series: list[_Table] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


def error_text(answer: httpx.Response) -> str:
    """Return what a server says of a refusal, bounded."""
    try:
        body = msgspec.json.decode(answer.content, type=dict[str, object])
    except msgspec.MsgspecError:
        return answer.text[:500]
    return str(body.get("error") or body.get("message") or answer.text)[:500]


def retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds of a `Retry-After` header; a date counts from the answer's own date."""
    header = answer.headers.get("Retry-After", "")
    if header.isdigit():
        return float(header)
    try:
        sent = parsedate_to_datetime(answer.headers["Date"])
        return max(0.0, (parsedate_to_datetime(header) - sent).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _advice(status: int, database: str) -> str:
    if status == 404:
        return f' (create it: CREATE DATABASE "{database}")'
    return " (check username and password_file)" if status in (401, 403) else ""


def _quoted(text: str) -> str:
    r"""Return an InfluxQL string literal.

    >>> _quoted("it's")
    "'it\\'s'"
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _named(series: SeriesId) -> str:
    return f"sensor = {_quoted(series.sensor)} AND quantity = {_quoted(str(series.quantity))}"


def _where(series: SeriesId, start_ms: int, end_ms: int) -> str:
    return f"{_named(series)} AND time >= {int(start_ms)}ms AND time < {int(end_ms)}ms"


def _reading(series: SeriesId, row: list[float | int | None]) -> Reading:
    at, value, quality, low, high, count, why = row
    return Reading(
        series.sensor,
        series.quantity,
        int(at or 0),
        None if value is None else float(value),
        QUALITIES[int(quality or 0)],
        reasons_of(int(why or 0)),
        None if low is None else float(low),
        None if high is None else float(high),
        int(count or 1),
    )


def _bucket(at: float | None, worst: int, values: list[float | int | None] | None) -> Bucket:
    if values is None or not values[3]:
        return Bucket(int(at or 0), None, None, None, 0, QUALITIES[worst])
    mean, low, high, count, lowest, highest = values
    lows = [float(x) for x in (low, lowest) if x is not None]
    highs = [float(x) for x in (high, highest) if x is not None]
    return Bucket(
        int(at or 0),
        None if mean is None else float(mean),
        min(lows, default=None),
        max(highs, default=None),
        int(count or 0),
        QUALITIES[worst] if 0 <= worst < len(QUALITIES) else Quality.BAD,
    )
