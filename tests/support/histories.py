"""What a history must know before a test may interfere with its run."""

from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from tests.support.eventually import eventually

_BEFORE_A_TASK_ENDS = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
)
_NEWS_CAME = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
_OUT_OF_TIME = "_DeadlockError"


async def failed_workflow_tasks(handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
    """Return the workflow tasks of a run that failed for a reason that lies in the workflow.

    Two reasons do not. Something happened while the run was about to end, so it looks again. Or the
    SDK, which goes by the clock, gave the workflow up after two seconds: a machine that stands
    still does that to any of them once, and a workflow that needs so long never gets past it.
    """
    return [
        event
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and event.workflow_task_failed_event_attributes.cause != _NEWS_CAME
        and _failure_type(event) != _OUT_OF_TIME
    ]


def _failure_type(event: HistoryEvent) -> str:
    failed = event.workflow_task_failed_event_attributes
    return failed.failure.application_failure_info.type


async def told_of_its_wait(handle: WorkflowHandle[Any, Any]) -> None:
    """Return once a run's history knows that it waits: what it never heard of has not been.

    What a run does is shown before the workflow task that did it has ended.
    """

    async def is_told() -> bool:
        last = (await handle.fetch_history()).events[-1]
        return last.event_type not in _BEFORE_A_TASK_ENDS

    await eventually(is_told, saying="the workflow task that begins the wait has ended")
