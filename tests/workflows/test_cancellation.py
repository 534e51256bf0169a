"""Cancelling a flow is prompt, whatever it is doing."""

import asyncio

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from contracts.messages import TaskCall, TaskState
from flows.model import Flow, RetryPolicy, Task
from tests.support.engine import Engine, Handle, a_flow, chain, effect, instant
from tests.support.eventually import eventually
from tests.support.recording_worker import failure


async def cancel_and_wait(handle: Handle) -> None:
    """Cancel a flow and wait until it has ended as cancelled, whatever runs."""
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)


async def hang(call: TaskCall) -> JsonValue:
    """Never end by itself."""
    await asyncio.Event().wait()
    return None


async def fail(call: TaskCall) -> JsonValue:
    """Fail so that another attempt follows."""
    raise failure("not yet", retryable=True)


def slow_retry(name: str, make: object) -> Task:
    """Return a task that waits an hour before its second attempt."""
    policy = RetryPolicy(max_attempts=5, initial_interval_seconds=3_600)
    return make(name, "{{start}}", retry_policy=policy)  # type: ignore[operator,no-any-return]  # builder


CASES = {
    "an activity": (a_flow(effect("t", "{{start}}")), hang),
    "the wait for an activity's retry": (a_flow(slow_retry("t", effect)), fail),
    "the wait for a local activity's retry": (a_flow(slow_retry("t", instant)), fail),
    "an iteration": (
        a_flow(effect("t", "{{start.n}}", reference_modes={"body": "single"})),
        hang,
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_cancelling_is_prompt_during(engine: Engine, case: str) -> None:
    flow, behaviour = CASES[case]
    engine.recorder.behaviours = {"t": behaviour}
    handle = await engine.start(flow, {"n": list(range(40))})
    await eventually(lambda: engine.recorder.called("t"))

    await cancel_and_wait(handle)

    assert engine.recorder.closed[-1].status == "cancelled"
    assert engine.recorder.word_on("t").state is TaskState.CANCELLED


async def test_cancelling_is_prompt_while_a_local_activity_runs(engine: Engine) -> None:
    async def take_a_second(call: TaskCall) -> JsonValue:
        await asyncio.sleep(1)
        return None

    engine.recorder.behaviours = {"t": take_a_second}
    flow = a_flow(instant("t", "{{start}}"), effect("u", "{{t}}"))
    handle = await engine.start(flow)
    await eventually(lambda: engine.recorder.called("t"))

    await cancel_and_wait(handle)

    assert engine.recorder.closed[0].status == "cancelled"
    assert engine.recorder.states().get("u", "cancelled") == "cancelled"


async def test_what_ran_in_a_workflow_task_that_was_thrown_away_is_taken_back(
    engine: Engine,
) -> None:
    async def take_a_while(call: TaskCall) -> JsonValue:
        await asyncio.sleep(0.5)
        return None

    engine.recorder.behaviours = {"t": take_a_while}
    handle = await engine.start(a_flow(instant("t", "{{start}}")))
    await eventually(lambda: engine.recorder.called("t"))

    await cancel_and_wait(handle)

    last = engine.recorder.closed[-1]
    assert [call.status for call in engine.recorder.closed] == ["completed", "cancelled"]
    assert last.unreached == ["t"] or engine.recorder.word_on("t").state is TaskState.CANCELLED


async def test_cancelling_is_prompt_amid_a_stream_of_instant_tasks(engine: Engine) -> None:
    async def take_a_while(call: TaskCall) -> JsonValue:
        await asyncio.sleep(0.1)
        return call.task_name

    links = chain(100)
    engine.recorder.behaviours = {task.name: take_a_while for task in links}
    handle = await engine.start(a_flow(*links))
    await eventually(lambda: engine.recorder.called("t3"))

    await cancel_and_wait(handle)

    assert len(engine.recorder.calls) < len(links)


async def test_items_of_a_cancelled_iteration_are_settled_by_its_child(engine: Engine) -> None:
    async def first_only(call: TaskCall) -> JsonValue:
        return await hang(call) if call.item else "done"

    engine.recorder.behaviours = {"t": first_only}
    flow = a_flow(effect("t", "{{start.n}}", reference_modes={"body": "single"}, concurrency=3))
    handle = await engine.start(flow, {"n": list(range(10))})
    await eventually(lambda: len(engine.recorder.called("t")) == 4)

    await cancel_and_wait(handle)

    states = [engine.recorder.word_on("t", item).state for item in range(4)]
    assert states == [TaskState.COMPLETED] + [TaskState.CANCELLED] * 3
    assert not [word for word in engine.recorder.settled if word.item == 4]


async def test_a_cancellation_does_not_stop_the_settlement(engine: Engine) -> None:
    engine.recorder.store_faults = 5
    handle = await engine.start(a_flow(instant("a", "{{start}}")))
    await eventually(lambda: engine.recorder.store_faults < 2)

    await handle.cancel()
    result = await handle.result()

    assert result.status == "completed"
    assert [call.status for call in engine.recorder.closed] == ["completed"]


async def test_a_flow_cancelled_before_its_first_step_is_settled(
    engine: Engine,
) -> None:
    handle = await engine.start(Flow(tasks=a_flow(effect("t", "{{start}}")).tasks))
    await handle.cancel()

    with pytest.raises(WorkflowFailureError):
        await handle.result()

    description = await handle.describe()
    assert description.status is WorkflowExecutionStatus.CANCELED
    # A cancellation that arrives while the outcome is being recorded has it recorded once more.
    assert {call.status for call in engine.recorder.closed} == {"cancelled"}
