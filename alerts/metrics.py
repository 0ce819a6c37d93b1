"""What Prometheus may ask of alerts; one registry a service, so that tests don't share counters."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Counters and gauges, with the names that dashboards use."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.notify = Counter(
            "notify", "Attempts to tell somebody.", ["channel", "grade", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.oldest_pending = Gauge(
            "outbox_oldest_pending_seconds", "Age of the oldest unsent notification, run time.",
            registry=self.registry,
        )  # fmt: skip
        self.outbox = Gauge(
            "outbox_notifications", "Notifications by state.", ["state"], registry=self.registry
        )
        self.incidents_open = Gauge(
            "incidents_open", "Open incidents by grade.", ["grade"], registry=self.registry
        )
        self.findings = Counter(
            "findings", "Findings received, by what became of them.", ["result"],
            registry=self.registry,
        )  # fmt: skip
        self.errors = Counter(
            "alerts_errors", "Steps that failed and are tried again.", ["step"],
            registry=self.registry,
        )  # fmt: skip
        self.attempt_seconds = Histogram(
            "notify_attempt_seconds", "Wall time of one attempt.", ["channel"],
            registry=self.registry,
        )  # fmt: skip
        self.broker_linked = Gauge(
            "broker_linked", "1 while the broker answers.", registry=self.registry
        )
