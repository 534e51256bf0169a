"""The activity behind the reconciliation schedule."""

from temporalio import activity

from contracts.messages import ReconcileCall, ReconcileReply
from contracts.names import RECONCILE
from operations.reconciliation import Reconciler


class ReconciliationActivities:
    """Compares what is recorded as open with what Temporal runs."""

    def __init__(self, reconciler: Reconciler) -> None:
        """Borrow the reconciler."""
        self._reconciler = reconciler

    @activity.defn(name=RECONCILE)
    async def reconcile(self, call: ReconcileCall) -> ReconcileReply:
        """Run one bounded round; a worker that dies inside is found out by its heartbeat."""
        activity.heartbeat()
        return await self._reconciler.round(call, on_progress=activity.heartbeat)
