"""Tasks that somebody else's worker runs, beside the engine on the same server."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import pytest
from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from contracts.messages import TaskError, TaskState
from flows.model import Flow, RetryPolicy
from tests.support.engine import Engine, a_flow, instant, remote
from tests.support.eventually import eventually
from tests.workflows.test_cancellation import cancel_and_wait

QUICK = RetryPolicy(max_attempts=3, initial_interval_seconds=0.05)


def theirs(
    client: Client, queue: str, *functions: Callable[..., Any]
) -> AbstractAsyncContextManager[Worker]:
    return Worker(client, task_queue=queue, activities=functions)


@pytest.fixture
def queue() -> str:
    return f"theirs-{uuid4().hex}"


async def error_of(engine: Engine, flow: Flow, name: str = "work") -> TaskError:
    """Run a flow that fails, and return what is shown of its task."""
    with pytest.raises(WorkflowFailureError):
        await engine.run(flow, {"n": 1})
    error = engine.recorder.word_on(name).error
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("arguments", "received"),
    [([1, "{{start.n}}"], (1, 7)), ({"n": "{{start.n}}"}, ({"n": 7},)), (None, ())],
)
async def test_it_gets_its_arguments_and_its_answer_is_the_output(
    engine: Engine, queue: str, arguments: JsonValue, received: tuple[JsonValue, ...]
) -> None:
    seen: list[tuple[JsonValue, ...]] = []

    @activity.defn(name="work")
    async def work(*given: JsonValue) -> JsonValue:
        seen.append(given)
        return {"done": True}

    async with theirs(engine.client, queue, work):
        result = await engine.run(
            a_flow(remote("work", queue, arguments), instant("after", "{{work.done}}")), {"n": 7}
        )

    assert seen == [received]
    assert result.outputs["after"] == {"value": True}
    assert [ended.error for ended in engine.recorder.ended] == [None]
    assert engine.recorder.word_on("work").state is TaskState.COMPLETED


@pytest.mark.parametrize("answer", [None, 5, "text", [1, 2]])
async def test_an_answer_that_is_no_object_stands_under_value(
    engine: Engine, queue: str, answer: JsonValue
) -> None:
    @activity.defn(name="work")
    async def work() -> JsonValue:
        return answer

    async with theirs(engine.client, queue, work):
        result = await engine.run(a_flow(remote("work", queue)))

    assert result.outputs["work"] == {"value": answer}


async def test_every_attempt_is_shown_as_it_was(engine: Engine, queue: str) -> None:
    keys: list[str] = []

    @activity.defn(name="work")
    async def work() -> JsonValue:
        keys.append(activity.info().activity_id)
        if len(keys) < 3:
            raise ApplicationError("not yet", {"message": "x", "type": "y"}, 9, type="Busy")
        return "done"

    async with theirs(engine.client, queue, work):
        await engine.run(a_flow(remote("work", queue, retry_policy=QUICK)))

    opened, ended = engine.recorder.opened, engine.recorder.ended
    assert [opening.attempt for opening in opened] == [1, 2, 3]
    assert [(end.attempt, end.error and end.error.type) for end in ended] == [
        (1, "Busy"),
        (2, "Busy"),
        (3, None),
    ]
    assert engine.recorder.word_on("work").attempt == 3
    assert set(keys) == {opened[0].call.effect_key}


@pytest.mark.parametrize(
    ("policy", "is_final", "attempts"),
    [
        (QUICK, False, 3),
        (QUICK, True, 1),
        (QUICK.model_copy(update={"non_retryable_error_types": ("Broken",)}), False, 1),
        (QUICK.model_copy(update={"max_attempts": 1}), False, 1),
    ],
)
async def test_a_failure_keeps_type_and_message(
    engine: Engine, queue: str, policy: RetryPolicy, is_final: bool, attempts: int
) -> None:
    @activity.defn(name="work")
    async def work() -> None:
        raise ApplicationError("no luck", type="Broken", non_retryable=is_final)

    async with theirs(engine.client, queue, work):
        error = await error_of(engine, a_flow(remote("work", queue, retry_policy=policy)))

    assert (error.type, error.message) == ("Broken", "no luck")
    assert engine.recorder.word_on("work").attempt == attempts


async def test_without_a_worker_it_fails_soon_and_clearly(engine: Engine, queue: str) -> None:
    flow = a_flow(remote("work", queue, parameters={"schedule_to_start_seconds": 0.5}))

    error = await error_of(engine, flow)

    assert (error.type, error.message) == ("NoWorker", "no worker took the task in time")
    assert len(engine.recorder.opened) == 1


async def test_a_worker_that_falls_silent_is_lost(engine: Engine, queue: str) -> None:
    @activity.defn(name="work")
    async def work() -> None:
        await asyncio.sleep(20)

    once = RetryPolicy(max_attempts=1)
    flow = a_flow(remote("work", queue, parameters={"heartbeat_seconds": 0.5}, retry_policy=once))
    async with theirs(engine.client, queue, work):
        error = await error_of(engine, flow)

    assert error.type == "WorkerLost"


async def test_it_hears_of_a_cancellation_when_it_heartbeats(engine: Engine, queue: str) -> None:
    heard = asyncio.Event()

    @activity.defn(name="work")
    async def work() -> None:
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            heard.set()
            raise

    flow = a_flow(remote("work", queue, parameters={"heartbeat_seconds": 1}))
    async with theirs(engine.client, queue, work):
        handle = await engine.start(flow)
        await eventually(lambda: engine.recorder.opened)

        await cancel_and_wait(handle)
        await asyncio.wait_for(heard.wait(), 10)

    assert engine.recorder.word_on("work").state is TaskState.CANCELLED


async def test_each_item_is_an_activity_of_its_own(engine: Engine, queue: str) -> None:
    @activity.defn(name="work")
    async def work(n: int) -> int:
        return n * n

    flow = a_flow(
        remote("work", queue, ["{{start.n}}"], reference_modes={"arguments": "single"}),
        instant("all", "{{work.value}}"),
    )
    async with theirs(engine.client, queue, work):
        result = await engine.run(flow, {"n": [1, 2, 3]})

    assert result.outputs["all"] == {"value": [1, 4, 9]}


async def test_a_store_that_is_down_meanwhile_costs_no_attempt(engine: Engine, queue: str) -> None:
    ran: list[int] = []

    @activity.defn(name="work")
    async def work() -> None:
        ran.append(1)

    engine.recorder.store_faults = 4
    async with theirs(engine.client, queue, work):
        await engine.run(a_flow(remote("work", queue)))

    assert ran == [1]
    assert engine.recorder.word_on("work").state is TaskState.COMPLETED


async def test_what_is_not_plain_json_fails_the_task(engine: Engine, queue: str) -> None:
    @activity.defn(name="work")
    async def work() -> bytes:
        return b"raw"

    async with theirs(engine.client, queue, work):
        error = await error_of(engine, a_flow(remote("work", queue)))

    assert error.type == "UnreadableOutput"
    assert "binary/plain" in error.message


async def test_arguments_that_cannot_stay_in_the_history_are_refused(
    engine: Engine, queue: str
) -> None:
    error = await error_of(engine, a_flow(remote("work", queue, ["x" * 1_000_001])))

    assert error.type == "ArgumentsTooLarge"
    assert engine.recorder.opened == []


@pytest.mark.parametrize("named", ["the platform's queue", "settle_execution", "open_task"])
async def test_the_platform_itself_cannot_be_called(engine: Engine, queue: str, named: str) -> None:
    is_queue = named == "the platform's queue"
    task = remote("work", engine.task_queue if is_queue else queue)
    if not is_queue:
        task = task.model_copy(update={"parameters": {**task.parameters, "activity_type": named}})

    error = await error_of(engine, a_flow(task))

    assert error.type == ("TaskQueueRefused" if is_queue else "ActivityRefused")
    assert engine.recorder.opened == []
