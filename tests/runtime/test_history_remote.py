"""What a history says about tasks that somebody else's worker ran."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from contracts.messages import TaskState
from flows.model import RetryPolicy
from runtime.history import HistoryReader
from tests.support.engine import Engine, a_flow, remote, running_engine
from tests.support.eventually import eventually


@pytest.fixture
async def engine(temporal_client: Client, task_queue: str) -> AsyncIterator[Engine]:
    async with running_engine(temporal_client, task_queue) as running:
        yield running


@activity.defn(name="done")
async def second_time_lucky() -> int:
    """Fail once."""
    if not _TRIED:
        _TRIED.append(1)
        raise ApplicationError("not yet", {"message": "m", "type": "t"}, 9, type="Busy")
    return 5


_TRIED: list[int] = []


async def test_attempts_answers_and_what_is_under_way(engine: Engine) -> None:
    queue = f"theirs-{uuid4().hex}"
    quick = RetryPolicy(max_attempts=2, initial_interval_seconds=0.05)
    flow = a_flow(remote("done", queue, retry_policy=quick), remote("work", "nobody's"))
    async with Worker(engine.client, task_queue=queue, activities=[second_time_lucky]):
        handle = await engine.start(flow)
        await eventually(lambda: [end for end in engine.recorder.ended if end.error is None])
    await handle.terminate()

    run = await HistoryReader(engine.client).read(handle.id)

    assert run is not None
    done, work = run.tasks["done", None], run.tasks["work", None]
    assert done.reply is not None
    assert (done.state, done.attempt) == (TaskState.COMPLETED, 2)
    assert (done.reply.output, done.reply.attempt) == ({"value": 5}, 2)
    assert (work.state, work.attempt) == (TaskState.RUNNING, 1)
