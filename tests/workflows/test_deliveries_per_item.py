"""Items of an iteration that wait for the outside, in child workflows."""

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue
from temporalio.client import Client

from contracts.messages import DeliveryNotice, TaskState
from contracts.names import DELIVERED
from tests.support.asking_executor import ask_each, asking_known
from tests.support.engine import Engine, Handle, a_flow, instant, receiver, running_engine
from tests.support.eventually import eventually
from tests.workflows.test_cancellation import cancel_and_wait


@pytest.fixture
async def engine(temporal_client: Client, task_queue: str) -> AsyncIterator[Engine]:
    """A worker that knows the executor."""
    with asking_known():
        async with running_engine(temporal_client, task_queue) as running:
            yield running


async def answer(engine: Engine, item: int, data: JsonValue) -> None:
    """Store an answer for an item and wake the workflow that it names."""
    (wait,) = [each for each in engine.recorder.waits if each.call.item == item]
    engine.recorder.come[f"each#{item}"] = data
    handle = engine.client.get_workflow_handle(wait.workflow_id)
    await handle.signal(DELIVERED, DeliveryNotice(task_name="each", item=item))


async def waiting(engine: Engine, items: int) -> None:
    """Wait until so many items wait."""
    await eventually(lambda: len(engine.recorder.waits) == items)


def whole(engine: Engine, handle: Handle) -> bool:
    """Tell whether the last words of the flow's workflow and of its children make a whole."""
    parked = {call.workflow_id: call for call in engine.recorder.parked}
    own = parked.get(handle.id)
    woken = {call.workflow_id for call in engine.recorder.woken}
    return own is not None and not woken and set(own.children) == parked.keys() - {handle.id}


async def test_items_are_answered_in_any_order(engine: Engine) -> None:
    handle = await engine.start(a_flow(ask_each()), {"n": [1, 2, 3]})
    await waiting(engine, 3)

    for item in (2, 0, 1):
        await answer(engine, item, {"was": item})

    assert (await handle.result()).outputs["each"] == [{"was": item} for item in range(3)]


async def test_no_more_items_wait_at_once_than_the_window_lets(engine: Engine) -> None:
    handle = await engine.start(a_flow(ask_each(concurrency=2)), {"n": [1, 2, 3]})
    await waiting(engine, 2)
    await eventually(lambda: whole(engine, handle))

    for item in range(3):
        await waiting(engine, min(item + 2, 3))
        await answer(engine, item, item)

    assert (await handle.result()).outputs["each"] == [0, 1, 2]


async def test_flow_and_children_say_each_for_itself_that_all_waits(engine: Engine) -> None:
    flow = a_flow(ask_each(concurrency=50), receiver("ask"))
    handle = await engine.start(flow, {"n": list(range(510))})

    await eventually(lambda: whole(engine, handle), 30)

    (own,) = [call for call in engine.recorder.parked if call.workflow_id == handle.id]
    assert len(own.children) == 2
    await cancel_and_wait(handle)


async def test_an_answered_item_asks_before_the_next_one_begins(engine: Engine) -> None:
    handle = await engine.start(a_flow(ask_each(concurrency=1)), {"n": [1, 2]})
    await waiting(engine, 1)
    await eventually(lambda: whole(engine, handle))

    await answer(engine, 0, "yes")
    await waiting(engine, 2)

    asked = engine.recorder.woken[0].workflow_id
    assert asked == engine.recorder.waits[0].workflow_id != handle.id
    await answer(engine, 1, "no")
    await handle.result()
    assert engine.recorder.woken[-1].workflow_id == handle.id


async def test_cancelling_is_prompt_while_items_wait(engine: Engine) -> None:
    handle = await engine.start(a_flow(ask_each()), {"n": list(range(20))})
    await waiting(engine, 20)

    await cancel_and_wait(handle)

    assert engine.recorder.closed[-1].status == "cancelled"
    assert engine.recorder.word_on("each", 7).state is TaskState.CANCELLED


async def test_the_history_of_an_item_is_short(engine: Engine) -> None:
    handle = await engine.start(
        a_flow(ask_each(concurrency=1), instant("all", "{{each}}")), {"n": list(range(10))}
    )
    for item in range(10):
        await waiting(engine, item + 1)
        await answer(engine, item, item)
    await handle.result()

    child = engine.client.get_workflow_handle(engine.recorder.waits[0].workflow_id)
    length = (await child.describe()).history_length
    assert length < 20 * 10
    assert (await handle.describe()).history_length < 30
