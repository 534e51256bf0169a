"""The activity behind the reconciliation schedule."""

import asyncio
from datetime import timedelta

from temporalio import activity

from contracts.messages import ReconcileCall, ReconcileReply
from contracts.names import RECONCILE
from operations.reconciliation import Reconciler

HEARTBEAT_INTERVAL = timedelta(seconds=2)


class ReconciliationActivities:
    """Compares what is recorded as open with what Temporal runs."""

    def __init__(self, reconciler: Reconciler) -> None:
        """Borrow the reconciler."""
        self._reconciler = reconciler

    @activity.defn(name=RECONCILE)
    async def reconcile(self, call: ReconcileCall) -> ReconcileReply:
        """Run one bounded round.

        It heartbeats all the while: as rounds never overlap, one that died with its worker would
        otherwise keep the next ones from starting until it timed out.
        """
        beating = asyncio.create_task(_beat())
        try:
            return await self._reconciler.round(call)
        finally:
            beating.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_INTERVAL.total_seconds())
