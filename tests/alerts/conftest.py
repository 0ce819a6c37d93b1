"""What tests of alerts share: an incident desk in a directory, and a vendor on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.scenery import Scene
from tests.alerts.vendor import Reply, Vendor


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Incidents, nobody but the database under them; whatever was done, the journal is whole."""
    made = Scene(tmp_path)
    yield made
    made.store.verify_journal()
    made.close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """A vendor that accepts everything, until it is told to answer otherwise."""
    server = Vendor(Reply())
    yield server
    server.close()
