"""Lets a task of the waiting kind wait: shown as running, held by nothing but a durable timer.

Source: docs/decisions/0021-tasks-that-the-workflow-itself-runs.md.
"""

from temporalio import workflow

from contracts.messages import OpenTaskCall, OpenTaskReply, TaskCall
from contracts.names import OPEN_TASK, activity_id
from flows.executors.wait import due_at
from workflows.scheduling.settling import insist


async def waited(call: TaskCall, title: str) -> TaskCall:
    """Wait until the task is due, and return the call for the activity that ends it.

    The row is opened first, and only for a generation that still counts, as any other attempt's. A
    store that is down holds the wait's end up, not its clock: that runs from the task's beginning.

    Raises:
        TaskFailedError: The parameters do not say how long.
        FailureError: A newer generation owns the execution.
        CancelledError: The flow stops.
    """
    began_at = workflow.now()
    due = due_at(call.parameters, began_at)
    await insist(
        OPEN_TASK,
        OpenTaskCall(call=call, began_at=began_at),
        OpenTaskReply,
        activity_id=activity_id(call.task_name, call.item),
        title=title,
    )
    left = due - workflow.now()
    if left.total_seconds() > 0:
        await workflow.sleep(left, summary=title)
    return call.model_copy(update={"began_at": began_at})
