"""What goes on after a caller got the answer."""

import asyncio
import logging

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client

from operations.background import Background
from runtime.gateway import RunStatus
from store.models import ExecutionStatus
from tests.support.effect_flows import INPUT
from tests.support.operations import Operations, operations_on


@pytest.fixture
def background() -> Background:
    return Background()


@pytest.fixture
async def answering(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str, background: Background
) -> Operations:
    """Use cases that stamp after the answer, as an API process has them."""
    return await operations_on(database, temporal_client, task_queue, background=background)


async def test_an_execution_is_stamped_after_the_answer_before_the_process_ends(
    answering: Operations, background: Background
) -> None:
    flow_id = await answering.a_flow()
    record = await answering.executions.create(answering.caller, flow_id, INPUT)
    described = await answering.described(record)

    await background.drain()

    now = await answering.now(record)
    assert record.started_generation == 0
    assert described is not None
    assert (now.started_generation, now.run_id) == (1, described.run_id)
    assert now.status is ExecutionStatus.RUNNING


async def test_a_process_that_dies_after_the_answer_leaves_the_stamp_to_the_reconciler(
    answering: Operations, background: Background
) -> None:
    flow_id = await answering.a_flow()
    others = asyncio.all_tasks()
    record = await answering.executions.create(answering.caller, flow_id, INPUT)
    for task in asyncio.all_tasks() - others:
        task.cancel()
    await background.drain()
    unstamped, before = await answering.now(record), await answering.described(record)

    assert await answering.reconcile() == {"looked_at": 1, "started": 1}

    stamped, after = await answering.now(record), await answering.described(record)
    assert before is not None
    assert after is not None
    assert after.run_id == before.run_id == stamped.run_id
    assert (unstamped.started_generation, stamped.started_generation) == (0, 1)


async def test_a_cancellation_between_answer_and_stamp_ends_the_workflow(
    answering: Operations, background: Background
) -> None:
    flow_id = await answering.a_flow()
    record = await answering.executions.create(answering.caller, flow_id, INPUT)
    await answering.executions.cancel(answering.caller, record.id)

    await background.drain()

    described = await answering.described(record)
    now = await answering.now(record)
    assert described is not None
    assert (described.status, now.status) in {
        (RunStatus.TERMINATED, ExecutionStatus.CANCELLED),
        (RunStatus.RUNNING, ExecutionStatus.CANCEL_REQUESTED),
    }


async def test_what_fails_in_the_background_is_logged_and_stops_nothing(
    background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    done = []

    async def fails() -> None:
        raise RuntimeError("broken")

    async def works() -> None:
        done.append(1)

    background.do(fails())
    background.do(works())
    with caplog.at_level(logging.ERROR):
        await background.drain()

    assert done == [1]
    assert "work in the background failed" in caplog.text
