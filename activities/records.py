"""The workflow's word, written into the read model."""

from temporalio import activity

from contracts.messages import (
    CloseTaskCall,
    CloseTaskReply,
    OpenTaskCall,
    OpenTaskReply,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
)
from contracts.names import CLOSE_TASK, OPEN_TASK, SETTLE_EXECUTION, SETTLE_TASKS
from store.attempts import AttemptEnd
from store.models import ProcessingStatus
from store.projection import Projection


class RecordActivities:
    """Opens and settles tasks, and settles executions; every call may be repeated."""

    def __init__(self, projection: Projection) -> None:
        """Borrow the process's projection."""
        self._projection = projection

    @activity.defn(name=OPEN_TASK)
    async def open_task(self, call: OpenTaskCall) -> OpenTaskReply:
        """Show a task as running; type ``superseded`` if its execution moved on without it."""
        run_id = call.call.context.run_id or None
        await self._projection.open_attempt(call.call, call.attempt, run_id, call.began_at)
        return OpenTaskReply()

    @activity.defn(name=CLOSE_TASK)
    async def close_task(self, call: CloseTaskCall) -> CloseTaskReply:
        """Show how an attempt ended that ``open_task`` began."""
        failed = call.error is not None
        end = AttemptEnd(
            status=ProcessingStatus.FAILED if failed else ProcessingStatus.COMPLETED,
            output=call.output,
            digest=call.output_digest,
            error=call.error,
            started_at=call.began_at,
            completed_at=call.ended_at,
        )
        run_id = call.call.context.run_id or None
        await self._projection.close_attempt(call.call, call.attempt, end, run_id)
        return CloseTaskReply()

    @activity.defn(name=SETTLE_TASKS)
    async def settle_tasks(self, call: SettleTasksCall) -> SettleTasksReply:
        """Write the workflow's word on some tasks; type ``superseded`` if it no longer counts."""
        return await self._projection.settle_tasks(call, call.context.run_id or None)

    @activity.defn(name=SETTLE_EXECUTION)
    async def settle_execution(self, call: SettleExecutionCall) -> SettleExecutionReply:
        """Close the execution with the workflow's word on it."""
        return await self._projection.settle_execution(call, call.context.run_id or None)
