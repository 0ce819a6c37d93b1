"""The archive: write and read, one module for each backend, chosen by `HistorySettings.kind`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.history.base import (
    Bucket,
    Capabilities,
    HistoryReader,
    HistoryUnavailableError,
    HistoryUnreadableError,
    HistoryWriter,
    RemoteHistoryWriter,
)
from ingest.history.influx_v1 import InfluxV1Reader, InfluxV1Writer
from ingest.history.settings import HistorySettings
from ingest.history.sqlite import SqliteWriter
from ingest.history.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from ingest.history.influx_v2 import InfluxV2Writer

    WriterKind = type[SqliteWriter | InfluxV1Writer | InfluxV2Writer]

__all__ = [
    "Bucket",
    "Capabilities",
    "HistoryReader",
    "HistorySettings",
    "HistoryUnavailableError",
    "HistoryUnreadableError",
    "HistoryWriter",
    "RemoteHistoryWriter",
    "capabilities_of",
    "open_reader",
    "open_writer",
]


def _influx_v2() -> type[InfluxV2Writer]:
    # Imported when wanted: it brings half a second of start-up time.
    from ingest.history.influx_v2 import InfluxV2Writer  # noqa: PLC0415

    return InfluxV2Writer


_WRITERS: dict[str, Callable[[], WriterKind]] = {
    "sqlite": lambda: SqliteWriter,
    "influx-v1": lambda: InfluxV1Writer,
    "influx-v2": _influx_v2,
    "influx-v3": _influx_v2,
}
_READERS: dict[str, Callable[[HistorySettings], HistoryReader]] = {
    "sqlite": SqliteReader,
    "influx-v1": InfluxV1Reader,
}


def open_writer(settings: HistorySettings) -> HistoryWriter:
    """Return the writer of a history; ingest is the only program that asks for it.

    Raises:
        HistoryUnavailableError: An embedded history can't be opened.
    """
    return _WRITERS[settings.kind]()(settings)


def capabilities_of(kind: str) -> Capabilities:
    """Return what histories of this kind can do, without opening one."""
    return _WRITERS[kind]().capabilities


def open_reader(settings: HistorySettings) -> HistoryReader:
    """Return the reader of a history, for any program and any thread.

    Raises:
        HistoryUnreadableError: This kind is written only.
    """
    if settings.kind not in _READERS:
        raise HistoryUnreadableError(
            f"history.kind {settings.kind!r} can be written but not read back:"
            f" use one of {', '.join(_READERS)}"
        )
    return _READERS[settings.kind](settings)
