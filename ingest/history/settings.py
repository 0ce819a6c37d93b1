"""Where the history is kept, as `hub.toml` says it under `[history]`."""

from __future__ import annotations

from pathlib import Path

import msgspec

KINDS = ("sqlite", "influx-v1", "influx-v2", "influx-v3")


class HistorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which backend, and how to reach it. Secrets are paths of files.

    Attributes:
        kind: `sqlite` (embedded), `influx-v1` (1.x and everything that speaks its `/write`),
            `influx-v2` (2.x, VictoriaMetrics) or `influx-v3`.
        path: File of the embedded history.
        url: Base URL of a server.
        database: Database (1.x, 3.x) or bucket (2.x).
        organisation: Organisation (2.x); 3.x ignores it.
        username, password_file: Basic authentication (1.x).
        token_file: Token (2.x, 3.x).
        raw_days: For how long the embedded history keeps single readings and station states.
        rollup_days: For how long it keeps 10-minute roll-ups and grades.
        timeout_s: How long one request may take, wall seconds.
    """

    kind: str = "sqlite"
    path: str = "history.db"
    url: str = "http://127.0.0.1:8086"
    database: str = "safety_eye"
    organisation: str = "safety-eye"
    username: str = ""
    password_file: str = ""
    token_file: str = ""
    raw_days: int = 30
    rollup_days: int = 730
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: The kind is not known, or a number makes no sense.
        """
        if self.kind not in KINDS:
            raise ValueError(f"history.kind {self.kind!r}: expected one of {', '.join(KINDS)}")
        if not (0 < self.raw_days <= self.rollup_days):
            raise ValueError(
                f"history.raw_days {self.raw_days}: expected above 0, at most rollup_days"
                f" ({self.rollup_days})"
            )


def secret(path: str) -> str:
    """Return the secret of a file, "" without one.

    Raises:
        OSError: It can't be read.
    """
    return Path(path).read_text(encoding="utf-8").strip() if path else ""
