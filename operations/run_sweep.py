"""Interactive runs whose process died at the wrong moment, or whose workflow was ended by hand.

Source: docs/decisions/0048-turns-over-temporal.md.
"""

import logging
from datetime import timedelta

from contracts.names import run_workflow_id
from dialogs.state import RunStatus
from flows.errors import TemporalUnavailableError
from runtime.gateway import Gateway
from runtime.run_gateway import RunGateway
from store.clock import now
from store.interactive_runs import RunRecord, RunRepository

NEVER_STARTED = "finally_safety_net"
LOST = "stale_run_reaper"
GRACE = timedelta(seconds=60)
"""Longer than an API process takes from a run's record to its start."""

logger = logging.getLogger(__name__)


class RunSweep:
    """Starts runs that were recorded and never started, and closes those that nobody runs."""

    def __init__(self, runs: RunRepository, gateway: Gateway, run_gateway: RunGateway) -> None:
        """Borrow everything."""
        self._runs = runs
        self._gateway = gateway
        self._run_gateway = run_gateway

    async def sweep(self, limit: int) -> None:
        """Look at open runs, those that were looked at longest ago first. Repeatable.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        for record in await self._runs.unchecked(limit):
            try:
                await self._look(record)
            except TemporalUnavailableError as error:
                logger.info("runs are looked at later", extra={"reason": error.message})
                return

    async def _look(self, record: RunRecord) -> None:
        described = await self._gateway.describe(run_workflow_id(record.id))
        if described is not None and described.is_running:
            return
        if now() - record.updated_at < GRACE:
            return
        if described is not None or record.status is not RunStatus.NOT_STARTED:
            closed = "its workflow was ended from outside"
            await self._fail(record, LOST, closed if described else "its workflow is gone")
        elif record.is_keyed:
            whole = await self._runs.with_start(record.organization_id, record.id)
            if whole.start is not None:
                await self._run_gateway.start(whole.start)
        else:
            await self._fail(record, NEVER_STARTED, "it was never started, and nobody will ask")

    async def _fail(self, record: RunRecord, source: str, error: str) -> None:
        if await self._runs.fail(record, source, error):
            logger.warning("run closed as failed", extra={"run_id": record.id, "reason": error})
