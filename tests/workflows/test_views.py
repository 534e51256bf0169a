"""What a live flow shows of itself, and what Temporal's Web UI reads."""

import asyncio

from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType

from contracts.messages import TaskCall, TaskState, TaskView
from contracts.names import TASK_STATES
from tests.support.engine import Engine, a_flow, effect, instant
from tests.support.eventually import eventually


async def test_the_query_shows_where_every_task_stands(engine: Engine) -> None:
    go_on = asyncio.Event()

    async def wait(call: TaskCall) -> JsonValue:
        await go_on.wait()
        return [1, 2]

    engine.recorder.behaviours = {"b": wait}
    flow = a_flow(
        instant("a", "{{start}}"),
        effect("b", "{{a}}"),
        instant("each", {"n": "{{b}}"}, reference_modes={"template": "single"}),
    )
    handle = await engine.start(flow)
    await eventually(lambda: engine.recorder.called("b"))

    async def states() -> dict[str, TaskState]:
        views = await handle.query(TASK_STATES, result_type=list[TaskView])
        return {view.task_name: view.state for view in views}

    assert await states() == {
        "start": TaskState.COMPLETED,
        "a": TaskState.COMPLETED,
        "b": TaskState.RUNNING,
        "each": TaskState.PENDING,
    }

    go_on.set()
    await handle.result()
    views = await handle.query(TASK_STATES, result_type=list[TaskView])
    assert {view.state for view in views} == {TaskState.COMPLETED}
    assert (views[-1].items_total, views[-1].items_done) == (2, 2)


async def test_activities_are_named_after_their_executors_and_tasks(engine: Engine) -> None:
    task = effect("send", "{{start}}", title="Send the report " + "é" * 300)

    handle = await engine.start(a_flow(task))
    await handle.result()

    (event,) = [
        event
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    scheduled = event.activity_task_scheduled_event_attributes
    assert scheduled.activity_type.name == "http_request"
    assert scheduled.activity_id == "send"
    assert scheduled.heartbeat_timeout.seconds == 10
    assert "Send the report" in event.user_metadata.summary.data.decode()
