"""How busy the connections to MongoDB are, as its driver tells it."""

from pymongo import monitoring

from runtime.metrics import Metrics


class PoolListener(monitoring.ConnectionPoolListener):
    """Counts connections and who waits for one; the driver calls it from its own threads."""

    def __init__(self, metrics: Metrics) -> None:
        """Keep the gauges."""
        self._metrics = metrics

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        """One more connection."""
        self._metrics.pool_connections.inc()

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        """One connection less."""
        self._metrics.pool_connections.dec()

    def connection_check_out_started(
        self, event: monitoring.ConnectionCheckOutStartedEvent
    ) -> None:
        """An operation asks for a connection."""
        self._metrics.pool_waiting.inc()

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        """It got none."""
        self._metrics.pool_waiting.dec()

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        """It got one."""
        self._metrics.pool_waiting.dec()
        self._metrics.pool_in_use.inc()

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        """It gave it back."""
        self._metrics.pool_in_use.dec()

    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None:
        """Of no interest."""

    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None:
        """Of no interest."""

    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None:
        """Of no interest."""

    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None:
        """Of no interest: its connections are closed one by one."""

    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None:
        """Of no interest."""
