"""The dead man's switch: calls to the outside stop when incidents or messages stand still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alerts import auditor, reaching, service
from alerts.delivery import Delivery, WatchdogEntry
from core.grade import Grade
from tests.alerts.running import Running
from tests.alerts.scenery import level
from tests.alerts.vendor import Reply, Vendor
from tests.servers import Mosquitto, wait_until

STALLED_S = 1.5


@pytest.fixture
def outside() -> Iterator[Vendor]:
    server = Vendor(Reply(200, b"OK"))
    yield server
    server.close()


@pytest.fixture
def site(
    tmp_path: Path, mosquitto: Mosquitto, outside: Vendor, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """A service that is watched ten times a second; otherwise as it is in earnest."""
    monkeypatch.setattr(auditor, "AUDIT_S", 0.1)
    monkeypatch.setattr(reaching, "STALLED_S", STALLED_S)
    monkeypatch.setattr(service, "STALLED_S", STALLED_S)
    (tmp_path / "url").write_text(outside.url)
    entry = WatchdogEntry(url_file=str(tmp_path / "url"), allow_private=True, every_s=0.1)
    running = Running(tmp_path, mosquitto.address, "watched")
    running.service.stop()
    running.settings = msgspec.structs.replace(running.settings, delivery=Delivery(watchdog=entry))
    running.service = running._make()
    running.start()
    yield running
    running.stop()


def quiet(site: Running, outside: Vendor) -> bool:
    """Tell whether no call comes for as long as five would take."""
    before = len(outside.requests)
    site.receiver.released.wait(0.5)
    return len(outside.requests) == before


def test_the_calls_stop_while_the_watch_stands_still_and_begin_again(
    site: Running, outside: Vendor
) -> None:
    wait_until(lambda: len(outside.requests) >= 3, 20, "calls while all is well")

    with site.service._watch._lock:  # somebody holds it and does not let go
        site.service._inbox.ring()
        wait_until(lambda: quiet(site, outside), 30, "silence")
        assert not site.service._would_tell()  # stations are told to act alone, too

    before = len(outside.requests)
    wait_until(lambda: len(outside.requests) > before, 30, "calls again")


def test_the_calls_stop_while_the_outbox_stands_still(site: Running, outside: Vendor) -> None:
    wait_until(lambda: len(outside.requests) >= 3, 20, "calls while all is well")
    site.service._worker.stop()

    wait_until(lambda: quiet(site, outside), 30, "silence")

    assert site.service.program.readiness()["outbox"] is False
    site.say(level(Grade.RED))
    site.wait_handled(1)
    assert site.service.outbox().pending == 4
