"""The workflow's word, written into the read model."""

from temporalio import activity

from contracts.messages import (
    OpenTaskCall,
    OpenTaskReply,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
)
from contracts.names import OPEN_TASK, SETTLE_EXECUTION, SETTLE_TASKS
from store.projection import Projection


class RecordActivities:
    """Opens and settles tasks, and settles executions; every call may be repeated."""

    def __init__(self, projection: Projection) -> None:
        """Borrow the process's projection."""
        self._projection = projection

    @activity.defn(name=OPEN_TASK)
    async def open_task(self, call: OpenTaskCall) -> OpenTaskReply:
        """Show a task as running; type ``superseded`` if its execution moved on without it."""
        run_id = activity.info().workflow_run_id
        await self._projection.open_attempt(call.call, call.attempt, run_id, call.began_at)
        return OpenTaskReply()

    @activity.defn(name=SETTLE_TASKS)
    async def settle_tasks(self, call: SettleTasksCall) -> SettleTasksReply:
        """Write the workflow's word on some tasks; type ``superseded`` if it no longer counts."""
        return await self._projection.settle_tasks(call)

    @activity.defn(name=SETTLE_EXECUTION)
    async def settle_execution(self, call: SettleExecutionCall) -> SettleExecutionReply:
        """Close the execution with the workflow's word on it."""
        return await self._projection.settle_execution(call)
