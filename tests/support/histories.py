"""What a history must know before a test may interfere with its run."""

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from tests.support.eventually import eventually

_BEFORE_A_TASK_ENDS = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
)


async def told_of_its_wait(handle: WorkflowHandle[Any, Any]) -> None:
    """Return once a run's history knows that it waits: what it never heard of has not been.

    What a run does is shown before the workflow task that did it has ended.
    """

    async def is_told() -> bool:
        last = (await handle.fetch_history()).events[-1]
        return last.event_type not in _BEFORE_A_TASK_ENDS

    await eventually(is_told, saying="the workflow task that begins the wait has ended")
