"""The Temporal workflow that a schedule starts to put right what crashes left behind."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, VersioningBehavior

from contracts.messages import ReconcileCall, ReconcileReply
from contracts.names import RECONCILE, RECONCILIATION

_TIMEOUT = timedelta(minutes=5)
_HEARTBEAT_TIMEOUT = timedelta(seconds=10)
_ATTEMPTS = 3


@workflow.defn(name=RECONCILIATION)
class ReconciliationWorkflow:
    """One round of the reconciler."""

    @workflow.run
    async def run(self, call: ReconcileCall) -> ReconcileReply:
        """Look at open executions and put right what is not as it should be.

        Raises:
            ActivityError: The round failed; the next one starts on schedule.
        """
        reply: ReconcileReply = await workflow.execute_activity(
            RECONCILE,
            call,
            result_type=ReconcileReply,
            start_to_close_timeout=_TIMEOUT,
            heartbeat_timeout=_HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=_ATTEMPTS),
            summary="look at open executions",
        )
        return reply


@workflow.defn(name=RECONCILIATION, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class MovingReconciliationWorkflow(ReconciliationWorkflow):
    """A round on workers that take part in Worker Versioning: any build may finish it.

    Elsewhere the server refuses to hear of a versioning behaviour.
    """

    @workflow.run
    async def run(self, call: ReconcileCall) -> ReconcileReply:
        """Run the round."""
        return await super().run(call)
