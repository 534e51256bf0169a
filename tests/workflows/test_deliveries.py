"""A task that waits for the outside: registered first, woken by a signal that carries no data."""

from contextlib import suppress

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from contracts.messages import DeliveryNotice, TaskCall, TaskState
from contracts.names import ADMITTED, DELIVERED
from tests.support.engine import Engine, Handle, a_flow, effect, instant, receiver, wait
from tests.support.eventually import eventually
from tests.support.recording_worker import Behaviour
from tests.workflows.test_cancellation import cancel_and_wait

TWO = a_flow(receiver("left"), receiver("right"), instant("join", ["{{left}}", "{{right}}"]))


async def deliver(
    engine: Engine, handle: Handle, task_name: str, data: JsonValue, *, signals: int = 1
) -> None:
    """Store data for a task and wake it, in this order; the flow may end before the last signal."""
    engine.recorder.come[task_name] = data
    notice = DeliveryNotice(task_name=task_name)
    await handle.signal(DELIVERED, notice)
    for _ in range(1, signals):
        with suppress(RPCError):
            await handle.signal(DELIVERED, notice)


async def waiting(engine: Engine, count: int = 1) -> None:
    """Wait until so many tasks wait, and nothing else is under way."""
    await eventually(lambda: len(engine.recorder.waits) == count and bool(engine.recorder.parked))


async def kinds(handle: Handle) -> list[str]:
    """Return what a history consists of."""
    return [event.WhichOneof("attributes") or "" async for event in handle.fetch_history_events()]


async def test_what_came_becomes_the_output(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask"), instant("after", "{{ask.n}}")))
    await waiting(engine)

    await deliver(engine, handle, "ask", {"n": 1})

    result = await handle.result()
    assert result.outputs["after"] == {"value": 1}
    assert engine.recorder.waits[0].workflow_id == handle.id


async def test_what_came_before_the_task_is_found_without_a_signal(engine: Engine) -> None:
    engine.recorder.come["ask"] = {"n": 1}

    result = await engine.run(a_flow(receiver("ask")))

    assert result.outputs["ask"] == {"n": 1}
    assert engine.recorder.looks == 0


async def test_a_signal_for_which_nothing_is_stored_changes_nothing(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask")))
    await waiting(engine)

    await handle.signal(DELIVERED, DeliveryNotice(task_name="ask"))
    await handle.signal(DELIVERED, DeliveryNotice(task_name="nobody", item=3))
    await eventually(lambda: engine.recorder.looks == 1)

    await deliver(engine, handle, "ask", {"n": 1}, signals=5)
    assert (await handle.result()).outputs["ask"] == {"n": 1}


async def test_parallel_receivers_are_told_apart(engine: Engine) -> None:
    handle = await engine.start(TWO)
    await waiting(engine, 2)

    await deliver(engine, handle, "right", {"n": 2})
    await eventually(lambda: engine.recorder.called("right"))
    assert engine.recorder.called("left") == []

    await deliver(engine, handle, "left", {"n": 1})
    assert (await handle.result()).outputs["join"] == {"value": [{"n": 1}, {"n": 2}]}


async def test_cancelling_is_prompt_while_waiting(engine: Engine) -> None:
    handle = await engine.start(TWO)
    await waiting(engine, 2)

    await cancel_and_wait(handle)

    assert engine.recorder.closed[-1].status == "cancelled"
    assert engine.recorder.word_on("left").state is TaskState.CANCELLED
    assert engine.recorder.word_on("right").state is TaskState.CANCELLED


async def test_a_store_that_is_down_delays_a_delivery_and_loses_none(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask")))
    await waiting(engine)

    engine.recorder.store_faults = 3
    await deliver(engine, handle, "ask", {"n": 1})

    assert (await handle.result()).outputs["ask"] == {"n": 1}
    assert engine.recorder.word_on("ask").attempt == 1


async def test_nothing_in_time_fails_the_task(engine: Engine) -> None:
    with pytest.raises(WorkflowFailureError):
        await engine.run(a_flow(receiver("ask", timeout_seconds=0.2)))

    error = engine.recorder.word_on("ask").error
    assert error is not None
    assert (error.type, error.message) == ("NotDelivered", "nothing came within 0.2 seconds")


async def test_what_was_stored_without_a_signal_is_found_when_time_is_up(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask", timeout_seconds=1)))
    await waiting(engine)

    engine.recorder.come["ask"] = {"n": 1}

    assert (await handle.result()).outputs["ask"] == {"n": 1}


async def test_parameters_that_do_not_fit_fail_the_task(engine: Engine) -> None:
    with pytest.raises(WorkflowFailureError):
        await engine.run(a_flow(receiver("ask", timeout_seconds="{{start.n}}")), {"n": "soon"})

    error = engine.recorder.word_on("ask").error
    assert error is not None
    assert error.type == "InvalidParameters"


async def test_what_may_not_wait_fails_at_once(engine: Engine) -> None:
    engine.recorder.refuses = {"ask"}

    with pytest.raises(WorkflowFailureError):
        await engine.run(a_flow(receiver("ask")))

    error = engine.recorder.word_on("ask").error
    assert error is not None
    assert (error.type, engine.recorder.asked) == ("UnknownWorkerGroup", ["ask"])


async def test_a_run_that_was_replaced_stops_before_it_waits(engine: Engine) -> None:
    engine.recorder.supersedes = True
    handle = await engine.start(a_flow(receiver("ask")))

    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()

    assert getattr(caught.value.cause, "type", "") == "superseded"


async def test_a_flow_says_that_all_of_it_waits_only_when_all_of_it_does(engine: Engine) -> None:
    flow = a_flow(receiver("ask"), effect("work"), wait("pause", 3_600))
    engine.recorder.behaviours["work"] = _until_stored(engine, "go")
    handle = await engine.start(flow)
    await eventually(lambda: engine.recorder.waits and engine.recorder.begun("pause"))
    assert engine.recorder.parked == []

    engine.recorder.come["go"] = None
    await eventually(lambda: engine.recorder.parked)

    assert engine.recorder.parked[0].workflow_id == handle.id
    await handle.terminate()


async def test_time_alone_is_not_said(engine: Engine) -> None:
    await engine.run(a_flow(wait("pause", 0.2)))

    assert engine.recorder.parked == []
    assert engine.recorder.woken == []


async def test_what_is_woken_asks_before_anything_is_begun(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask"), effect("after", "{{ask}}")))
    await waiting(engine)
    engine.recorder.refused_admissions = 2

    await deliver(engine, handle, "ask", {"n": 1})
    await eventually(lambda: len(engine.recorder.woken) == 1)
    await handle.signal(ADMITTED)
    await eventually(lambda: len(engine.recorder.woken) == 2)
    assert engine.recorder.called("ask") == []
    await handle.signal(ADMITTED)

    await handle.result()
    assert len(engine.recorder.woken) == 3
    assert len(engine.recorder.parked) == 1


async def test_a_timer_that_ends_asks_as_well(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask"), wait("pause", 1.5)))
    await waiting(engine)

    await eventually(lambda: engine.recorder.woken)

    await eventually(lambda: len(engine.recorder.parked) == 2)
    await handle.terminate()


async def test_a_history_of_waiting_is_small(engine: Engine) -> None:
    handle = await engine.start(a_flow(receiver("ask")))
    await waiting(engine)
    await deliver(engine, handle, "ask", {"n": 1})
    await handle.result()

    found = await kinds(handle)
    assert len(found) <= 20, found
    assert not any("activity_task" in kind for kind in found)


def _until_stored(engine: Engine, name: str) -> Behaviour:
    async def work(call: TaskCall) -> JsonValue:
        await eventually(lambda: name in engine.recorder.come)
        return None

    return work
