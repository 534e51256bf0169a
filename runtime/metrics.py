"""What a process counts about itself, for Prometheus.

Source: docs/operations.md, "Metrics".
"""

from datetime import timedelta

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ATTEMPT_SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)


class Metrics:
    """The counters of one process; a family that the process never touches stays without a value.

    Labels are names from our own code (routes, executors, statuses), never what callers send, so
    that the number of series is bounded.
    """

    def __init__(self) -> None:
        """Register every family in a registry of its own."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Histogram(
            "perdure_http_request_duration_seconds",
            "Requests answered, by how long that took.",
            ("method", "route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        self.requests_in_flight = Gauge(
            "perdure_http_requests_in_flight",
            "Requests that are being answered.",
            registry=self.registry,
        )
        self.executions_created = Counter(
            "perdure_flow_executions_created",
            "Flow executions that this process recorded.",
            registry=self.registry,
        )
        self.executions_settled = Counter(
            "perdure_flow_executions_settled",
            "Flow executions that their workflow closed through this process, by status.",
            ("status",),
            registry=self.registry,
        )
        self.attempts = Histogram(
            "perdure_task_attempt_duration_seconds",
            "Attempts of tasks that ended here, by how long they took.",
            ("executor", "outcome"),
            buckets=_ATTEMPT_SECONDS,
            registry=self.registry,
        )
        self.reconciler_findings = Counter(
            "perdure_reconciler_findings",
            "What rounds of the reconciler did, or could not do.",
            ("finding",),
            registry=self.registry,
        )
        self.open_executions = Gauge(
            "perdure_open_flow_executions",
            "Flow executions that have not ended, on the whole platform.",
            registry=self.registry,
        )
        self.oldest_open_execution = Gauge(
            "perdure_oldest_open_flow_execution_age_seconds",
            "Since when the oldest of them has existed; 0 without any.",
            registry=self.registry,
        )
        self.pool_connections = Gauge(
            "perdure_mongodb_connections",
            "Connections to MongoDB that are open.",
            registry=self.registry,
        )
        self.pool_in_use = Gauge(
            "perdure_mongodb_connections_in_use",
            "Connections to MongoDB that an operation holds.",
            registry=self.registry,
        )
        self.pool_waiting = Gauge(
            "perdure_mongodb_operations_waiting",
            "Operations that wait for a connection to MongoDB.",
            registry=self.registry,
        )

    def request_answered(self, method: str, route: str, status: int, took: timedelta) -> None:
        """Count one request."""
        self.requests.labels(method, route, str(status)).observe(took.total_seconds())

    def attempt_ended(self, executor: str, outcome: str, took: timedelta) -> None:
        """Count one attempt of a task."""
        self.attempts.labels(executor, outcome).observe(took.total_seconds())

    def open_executions_seen(self, count: int, oldest_age: timedelta) -> None:
        """Remember what is open just now."""
        self.open_executions.set(count)
        self.oldest_open_execution.set(oldest_age.total_seconds())
