"""Writes what the detectors say of recordings, one JSON line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.community import Community
from detectors.replay import replay


def write_replay(
    recordings: Sequence[Path],
    community: Community | None,
    out: Path | None,
    *,
    every: bool,
    together: bool,
) -> None:
    """Replay *recordings* and write the lines to *out*, or to standard output.

    Raises:
        ValueError: A recording can't be read.
        OSError: A file can't be read or written.
    """
    encoder = msgspec.json.Encoder()
    # Read first: what a file held before is not lost to a recording that can't be read.
    lines = replay(recordings, community=community, together=together, every=every)
    stream = out.open("wb") if out is not None else sys.stdout.buffer
    try:
        for line in lines:
            stream.write(encoder.encode(line))
            stream.write(b"\n")
        stream.flush()
    except BrokenPipeError:
        # Whoever read our lines has seen enough (`| head`); what Python still holds must not fail
        # again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        if out is not None:
            stream.close()
