"""An operator's reset runs a flow again from some point, and the flow does not notice."""

from uuid import uuid4

import pytest
from pydantic import JsonValue
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError

from contracts.messages import FlowExecutionResult, TaskCall
from tests.support.engine import Engine, Handle, a_flow, effect
from tests.support.recording_worker import failure

FIRST_FINISHED = 4
"""Position of the event that ends a workflow's first workflow task."""

FLOW = a_flow(
    effect("each", "{{start.n}}", reference_modes={"body": "single"}),
    effect("t", "{{each}}"),
)


async def reset(engine: Engine, handle: Handle, *, first: bool) -> FlowExecutionResult:
    """Reset a workflow to its beginning or to where it scheduled ``t``; return its new result."""
    scheduled = [
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    await engine.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=engine.client.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=handle.id, run_id=handle.first_execution_run_id or ""
            ),
            reason="test",
            workflow_task_finish_event_id=FIRST_FINISHED if first else scheduled[0],
            request_id=str(uuid4()),
        )
    )
    again = engine.client.get_workflow_handle(handle.id, result_type=FlowExecutionResult)
    result: FlowExecutionResult = await again.result()
    return result


@pytest.mark.parametrize("first", [True, False])
async def test_a_failed_flow_completes_after_a_reset(engine: Engine, first: bool) -> None:
    is_broken = True

    async def maybe_fail(call: TaskCall) -> JsonValue:
        if is_broken:
            raise failure("down for now")
        return "up"

    engine.recorder.behaviours = {"t": maybe_fail}
    handle = await engine.start(FLOW, {"n": [1, 2, 3]})
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    is_broken = False

    result = await reset(engine, handle, first=first)

    assert result.outputs == {"t": "up"}
    assert len(engine.recorder.called("each")) == (6 if first else 3)
    assert [call.status for call in engine.recorder.closed] == ["failed", "completed"]
