"""What a workflow's history says about its tasks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue
from temporalio.client import Client, WorkflowFailureError

from contracts.messages import TaskCall, TaskState
from flows.model import RetryPolicy, Task
from runtime.gateway import Gateway
from runtime.run_history import RunHistory
from tests.support.engine import Engine, Handle, a_flow, effect, instant, running_engine
from tests.support.eventually import eventually
from tests.support.recording_worker import failure
from workflows.failures import task_error

NO_DELAY = RetryPolicy(max_attempts=3, initial_interval_seconds=0.01)


@pytest.fixture
async def engine(temporal_client: Client, task_queue: str) -> AsyncIterator[Engine]:
    async with running_engine(temporal_client, task_queue) as running:
        yield running


async def history_of(engine: Engine, handle: Handle) -> RunHistory:
    found = await Gateway(engine.client, engine.task_queue).history(handle.id)
    assert found is not None
    return found


async def ended(handle: Handle) -> None:
    """Wait until a run ended, however it did."""
    try:
        await handle.result()
    except WorkflowFailureError:
        return


async def test_it_holds_local_and_ordinary_activities_with_their_outputs(engine: Engine) -> None:
    flow = a_flow(instant("a", {"n": "{{start.n}}"}), effect("b", {"got": "{{a.n}}"}))
    handle = await engine.start(flow, {"n": 7})
    await ended(handle)

    run = await history_of(engine, handle)

    assert run.start.input == {"n": 7}
    assert run.is_closed
    assert run.result is not None
    assert set(run.tasks) == {("a", None), ("b", None)}
    local, ordinary = run.tasks["a", None], run.tasks["b", None]
    assert local.state is ordinary.state is TaskState.COMPLETED
    assert local.reply is not None
    assert local.reply.output == {"n": 7}
    assert ordinary.call is not None
    assert ordinary.call.parameters["body"] == {"got": 7}
    assert (local.executor, ordinary.executor) == ("format_data", "http_request")


async def test_it_counts_attempts_and_keeps_the_last_failure(engine: Engine) -> None:
    tries: list[int] = []

    async def fail_twice(call: TaskCall) -> JsonValue:
        tries.append(1)
        if len(tries) < 3:
            raise failure("not yet", retryable=True, attempt=len(tries))
        return "done"

    async def fail(call: TaskCall) -> JsonValue:
        raise failure("never", type="Hopeless", attempt=1)

    engine.recorder.behaviours = {"retried": fail_twice, "hopeless": fail}
    flow = a_flow(
        effect("retried", "{{start}}", retry_policy=NO_DELAY),
        effect("hopeless", "{{retried.output}}", retry_policy=NO_DELAY),
    )
    handle = await engine.start(flow)
    await ended(handle)

    run = await history_of(engine, handle)

    assert run.tasks["retried", None].attempt == 3
    hopeless = run.tasks["hopeless", None]
    assert hopeless.state is TaskState.FAILED
    assert hopeless.attempt == 1
    assert hopeless.failure is not None
    assert task_error(hopeless.failure).type == "Hopeless"
    assert run.failure is not None
    assert run.result is None


async def test_it_reads_the_items_of_child_workflows(engine: Engine) -> None:
    items: list[JsonValue] = [f"http://x/{number}" for number in range(3)]
    each = Task(name="each", executor="http_request", parameters={"url": "{{start.urls}}"})
    flow = a_flow(each, instant("all", "{{each.output}}"))
    handle = await engine.start(flow, {"urls": items})
    await ended(handle)

    run = await history_of(engine, handle)

    assert run.item_counts == {"each": 3}
    assert [key for key in run.tasks if key[0] == "each"] == [("each", n) for n in range(3)]
    shown = [run.tasks["each", number].call for number in range(3)]
    assert [call.parameters["url"] for call in shown if call is not None] == items


async def test_what_was_under_way_when_a_run_was_ended_has_no_end(engine: Engine) -> None:
    forever = asyncio.Event()

    async def hang(call: TaskCall) -> JsonValue:
        await forever.wait()
        return None

    engine.recorder.behaviours = {"hangs": hang}
    handle = await engine.start(a_flow(effect("hangs", "{{start}}")))
    await eventually(lambda: engine.recorder.called("hangs"))
    await handle.terminate("test")

    run = await history_of(engine, handle)
    forever.set()

    assert run.is_closed
    assert run.result is None
    assert run.tasks["hangs", None].state is TaskState.RUNNING


async def test_a_cancelled_task_is_told_from_a_failed_one(engine: Engine) -> None:
    async def hang(call: TaskCall) -> JsonValue:
        await asyncio.Event().wait()
        return None

    engine.recorder.behaviours = {"hangs": hang}
    handle = await engine.start(a_flow(effect("hangs", "{{start}}")))
    await eventually(lambda: engine.recorder.called("hangs"))
    await handle.cancel()
    await ended(handle)

    run = await history_of(engine, handle)

    assert run.is_closed
    assert run.tasks["hangs", None].state is not TaskState.COMPLETED
    assert run.tasks["hangs", None].state is not TaskState.FAILED
