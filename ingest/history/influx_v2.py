"""InfluxDB 2.x and 3.x through influxdb-client, one synchronous request at a time.

Its batching writer is never used: it drops what it can't deliver. Our own spool is the buffer, and
this module only sends one body and reads what the server says. Writing is proven against
VictoriaMetrics, which speaks the same `/api/v2/write`; InfluxDB 2 and 3 themselves are unproven.
"""

from __future__ import annotations

from collections.abc import Sequence

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from core.finding import ZoneGrade
from ingest.history.base import (
    Capabilities,
    HistoryUnavailableError,
    Point,
    Refusal,
    StationState,
)
from ingest.history.line_protocol import LineEncoder
from ingest.history.line_sink import BodyTooLargeError, LinesRejectedError, deliver
from ingest.history.settings import HistorySettings, secret

_HTTP_TOO_LARGE = 413
_HTTP_REFUSED = (400, 422)
_HTTP_ATTENTION = (401, 403, 404)


class InfluxV2Writer:
    """Writes line protocol to `/api/v2/write`."""

    capabilities = Capabilities(
        reads=False, idempotent=False, reports_refusals=False, remote=True, proven=False
    )

    def __init__(self, settings: HistorySettings) -> None:
        self._settings = settings
        self._encoder = LineEncoder()
        self._client = InfluxDBClient(
            url=settings.url,
            token=secret(settings.token_file) or "none",
            org=settings.organisation,
            timeout=round(settings.timeout_s * 1000),
            retries=False,
        )
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

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
        """Nothing: retention is the server's."""

    def close(self) -> None:
        """Close the connection."""
        self._api.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self._client.close()  # type: ignore[no-untyped-call]  # same

    def _send(self, body: bytes) -> None:
        try:
            self._api.write(
                bucket=self._settings.database,
                org=self._settings.organisation,
                record=body,  # nanoseconds are its default
            )
        except ApiException as error:
            self._explain(error)
        except (HTTPError, OSError) as error:
            raise HistoryUnavailableError(
                f"history {self._settings.url}: {type(error).__name__}: {error}"
            ) from error

    def _explain(self, error: ApiException) -> None:
        """Raise what an answer means.

        Raises:
            LinesRejectedError: Lines that will never be taken.
            BodyTooLargeError: Too much at once.
            HistoryUnavailableError: Everything else.
        """
        said = str(error.body or error.reason)[:500]
        if error.status in _HTTP_REFUSED:
            raise LinesRejectedError(said) from error
        if error.status == _HTTP_TOO_LARGE:
            raise BodyTooLargeError(said) from error
        after = str(error.headers.get("Retry-After", "")) if error.headers else ""
        raise HistoryUnavailableError(
            f"history {self._settings.url}, bucket {self._settings.database!r}:"
            f" {error.status} {said}",
            retry_after_s=float(after) if after.isdigit() else None,
            needs_attention=error.status in _HTTP_ATTENTION,
        ) from error
