"""An operator resets a run in Temporal: its execution is open again, and true in the end."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import JsonValue
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from contracts.names import flow_workflow_id
from tests.fixtures.api import Api
from tests.support.effect_flows import a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.platform import CLOSED, Execution, Platform
from tests.support.receiver import Receiver, receiving
from tests.support.truth import differences

SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
FIRST_FINISHED = 4
"""Position of the event that ends a workflow's first workflow task."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A service that remembers its callers."""
    async with receiving() as running:
        yield running


async def reset(client: Client, execution: Execution, *, to_start: bool = False) -> None:
    """Reset a first generation to its start, or to where it scheduled its last effect."""
    handle = client.get_workflow_handle(flow_workflow_id(execution.id, 1))

    async def has_finished_a_task() -> bool:
        """Rows are written within a workflow task, so they show before it is finished."""
        return (await handle.describe()).history_length >= FIRST_FINISHED

    await eventually(has_finished_a_task, saying="the first workflow task ends")
    described = await handle.describe()
    scheduled = [
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        async for event in handle.fetch_history_events()
        if event.event_type == SCHEDULED
    ]
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=described.run_id),
            reason="test",
            workflow_task_finish_event_id=FIRST_FINISHED if to_start else scheduled[-1],
            request_id=str(uuid4()),
        )
    )


async def rows(execution: Execution) -> list[tuple[JsonValue, JsonValue, JsonValue]]:
    """Return what is shown of attempts behind the form: task, position, status."""
    found = await execution.task_executions()
    shown = [
        (row["task_name"], row["task_execution_idx"], row["processing_status"]) for row in found
    ]
    return sorted((row for row in shown if row[0] != "form"), key=str)


async def completed(execution: Execution) -> None:
    """Wait until the execution shows that it completed."""

    async def is_completed() -> bool:
        return (await execution.shown())["status"] == "completed"

    await eventually(is_completed)


async def agreed(api: Api, execution: Execution) -> None:
    """Wait until read model and history say the same; a record closes just before its workflow."""

    async def agrees() -> bool:
        return await differences(api, [execution]) == []

    await eventually(agrees)


async def test_a_failed_execution_goes_on_where_it_was_reset_to(
    working: Platform, working_api: Api, temporal_client: Client, receiver: Receiver
) -> None:
    receiver.broken.add("/second")
    flow = a_flow(
        an_effect("first", receiver, "/first", "form"),
        an_effect("second", receiver, "/second", "first", retry_policy=_twice()),
        a_note("after", "second"),
    )
    execution = await working.ended(flow)
    assert (await execution.shown())["status"] == "failed"
    receiver.broken.clear()

    await reset(temporal_client, execution)
    await completed(execution)

    assert await rows(execution) == [
        ("after", 0, "completed"),
        ("first", 0, "completed"),
        ("second", 0, "completed"),
    ]
    assert len(receiver.keys["/first"]) == 1
    assert len(set(receiver.keys["/second"])) == 1
    assert (await execution.shown())["error"] is None
    await agreed(working_api, execution)


async def test_an_execution_that_is_reset_to_its_start_does_all_of_it_again(
    working: Platform, working_api: Api, temporal_client: Client, receiver: Receiver
) -> None:
    flow = a_flow(an_effect("call", receiver, "/call", "form"), a_note("after", "call"))
    execution = await working.completed(flow)

    await reset(temporal_client, execution, to_start=True)
    await eventually(lambda: receiver.arrived("/call", 2))
    await execution.until(*CLOSED)

    assert await rows(execution) == [("after", 0, "completed"), ("call", 0, "completed")]
    assert len(receiver.keys["/call"]) == 2
    await agreed(working_api, execution)


async def test_what_a_run_left_behind_that_was_reset_is_not_shown(
    working: Platform, working_api: Api, temporal_client: Client, receiver: Receiver
) -> None:
    gate = receiver.gate("/call")
    flow = await working.flow(a_flow(an_effect("call", receiver, "/call", "form")))
    execution = await working.started(flow["id"])
    await eventually(lambda: receiver.arrived("/call"))

    await reset(temporal_client, execution)
    await eventually(lambda: receiver.arrived("/call", 2))
    gate.set()
    await execution.until(*CLOSED)

    assert await rows(execution) == [("call", 0, "completed")]
    await agreed(working_api, execution)


def _twice() -> JsonValue:
    return {"max_attempts": 2, "initial_interval_seconds": 0.05}
