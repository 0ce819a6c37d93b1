"""A running alert service with a real broker, a receiver and a detector's voice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from alerts.channels.entry import ChannelEntry
from alerts.decisions import Patience
from alerts.service import AlertService, AlertSettings
from core import topics
from core.broker import Broker, BrokerAddress, Message
from core.clock import Clock, RunClock
from core.community import Community
from core.finding import Finding, ZoneGrade, decode_zone_grade, encode_finding
from tests.alerts.samples import SECRET
from tests.alerts.scenery import place
from tests.alerts.vendor import Reply, Vendor
from tests.servers import wait_until


def community(site: str) -> Community:
    """The small place under a site of its own, so that tests may share a broker."""
    whole = place()
    return Community(
        site=type(whole.site)(site, whole.site.name),
        zone=whole.zone, sensor=whole.sensor, limit=whole.limit, contact=whole.contact,
    )  # fmt: skip


class Running:
    """Everything around one service. `stop` ends it all."""

    def __init__(
        self,
        directory: Path,
        broker: BrokerAddress,
        site: str,
        *,
        clock: Clock | None = None,
        patience: Patience | None = None,
        url: str = "",
    ) -> None:
        self.site = site
        self.clock = clock or RunClock()
        self.receiver = Vendor(Reply(204))
        secret = directory / "hook.key"
        secret.write_text(SECRET)
        self.address = broker
        self.settings = AlertSettings(
            state_url=url or f"sqlite:///{directory / 'alerts.db'}",
            channels=tuple(
                ChannelEntry(
                    name=name, kind="webhook", url=self.receiver.url, secret_file=str(secret),
                    allow_private=True, timeout_s=2.0,
                )
                for name in ("hook", "second")
            ),
            base_url="http://hub",
            patience=patience or Patience(),
        )  # fmt: skip
        self.grades: list[ZoneGrade] = []
        self._seen = threading.Lock()
        self.detector = Broker(broker, f"{site}-detector", on_message=self._heard)
        self.detector.subscribe([topics.all_grades(site)])
        self.detector.start()
        assert self.detector.wait_linked(10)
        self.service = self._make()

    def _make(self) -> AlertService:
        return AlertService(self.settings, community(self.site), self.address, self.clock)

    def start(self) -> None:
        self.service.start()
        wait_until(lambda: self.service.program.readiness()["broker"], what="the service's link")

    def restart(self) -> None:
        self.service.stop()
        self.service = self._make()
        self.start()

    def say(self, *findings: Finding, expiry_s: int = 120) -> None:
        """Publish findings as detectors do, and wait until the broker has them."""
        for finding in findings:
            self.publish(topics.finding(self.site, finding.subject, finding.rule),
                         encode_finding(finding), expiry_s)  # fmt: skip

    def publish(self, topic: str, payload: bytes, expiry_s: int = 120) -> None:
        sent = self.detector.publish(topic, payload, retain=True, expiry_s=expiry_s)
        assert sent.wait(10)

    def posts(self, kind: str = "") -> list[dict[str, Any]]:
        """Bodies that the receiver was sent."""
        bodies: list[dict[str, Any]] = [request.json for request in self.receiver.requests]
        return [body for body in bodies if body["type"].endswith(kind)]

    def wait_posts(self, count: int, kind: str = "") -> list[dict[str, Any]]:
        wait_until(lambda: len(self.posts(kind)) >= count, what=f"{count} posts {kind}")
        return self.posts(kind)

    def wait_handled(self, count: float) -> None:
        """Wait until the service has taken or refused so many findings."""
        wait_until(lambda: self.findings() >= count, what=f"{count} findings handled")

    def findings(self) -> float:
        return sum(
            sample.value
            for metric in self.service.metrics.findings.collect()
            for sample in metric.samples
            if sample.name == "findings_total"
        )

    def grade(self, zone: str, hazard: str) -> ZoneGrade | None:
        with self._seen:
            found = [
                grade for grade in self.grades if (grade.zone, str(grade.hazard)) == (zone, hazard)
            ]
        return found[-1] if found else None

    def _heard(self, message: Message) -> None:
        with self._seen:
            self.grades.append(decode_zone_grade(message.payload))

    def stop(self) -> None:
        self.service.stop()
        self.detector.stop()
        self.receiver.close()
