"""What Prometheus may ask of alerts; one registry a service, so that tests don't share counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from core.grade import WARNING_GRADES, Grade


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
        self.selftest = Counter(
            "channel_selftest", "Daily tests of channels; no alarms.", ["channel", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.first_accept = Histogram(
            "time_to_accept_seconds", "From an alert to its acceptance by a channel, run time.",
            ["grade"], buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 900, 1800), registry=self.registry,
        )  # fmt: skip
        self.breaker = Gauge(
            "breaker_state", "0 closed, 1 half-open, 2 open: the channel rests.", ["channel"],
            registry=self.registry,
        )  # fmt: skip
        self.withheld = Gauge(
            "withholdings", "What people are not told of now.", registry=self.registry
        )
        self.reviews_owed = Gauge(
            "reviews_owed", "Incidents that are over but not closed.", registry=self.registry
        )
        self.channel = Gauge(
            "channel_figure", "What a channel measures of itself; the unit is in the name.",
            ["channel", "figure"], registry=self.registry,
        )  # fmt: skip
        self.broker_linked = Gauge(
            "broker_linked", "1 while the broker answers.", registry=self.registry
        )

    def measure(
        self, counts: Mapping[str, int], oldest_ms: int, grades: Sequence[Grade], *, linked: bool
    ) -> None:
        """Bring the gauges up to date.

        Args:
            counts: Rows of the outbox by state.
            oldest_ms: Age of the oldest unsent one.
            grades: Of the open incidents.
            linked: Whether the broker answers.
        """
        self.oldest_pending.set(max(oldest_ms, 0) / 1000)
        for state, count in counts.items():
            self.outbox.labels(state).set(count)
        for grade in WARNING_GRADES:
            self.incidents_open.labels(grade.word).set(list(grades).count(grade))
        self.broker_linked.set(linked)
