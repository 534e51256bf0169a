"""Waits of hours and days, on a server whose clock jumps."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from contracts.messages import TaskCall
from flows.model import RetryPolicy, Task
from runtime.binaries import test_server_binary as server_binary
from runtime.temporal import data_converter
from tests.support.engine import (
    Engine,
    a_flow,
    effect,
    instant,
    receiver,
    running_engine,
    wait,
)
from tests.support.recording_worker import failure

DAY = timedelta(days=1)


@pytest.fixture
async def time_server() -> AsyncIterator[WorkflowEnvironment]:
    """A server that skips whatever nobody works in."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(server_binary()), data_converter=data_converter(None)
    ) as environment:
        yield environment


@pytest.fixture
async def skipping(time_server: WorkflowEnvironment, task_queue: str) -> AsyncIterator[Engine]:
    """An engine on that server."""
    async with running_engine(time_server.client, task_queue) as running:
        yield running


@pytest.mark.parametrize("make", [effect, instant])
async def test_a_retry_waits_as_long_as_the_author_says(skipping: Engine, make: object) -> None:
    async def fail_twice(call: TaskCall) -> JsonValue:
        if len(skipping.recorder.calls) < 3:
            raise failure("not yet", retryable=True)
        return "done"

    skipping.recorder.behaviours = {"t": fail_twice}
    policy = RetryPolicy(
        max_attempts=3, initial_interval_seconds=DAY.total_seconds() / 2, backoff_coefficient=2
    )
    task: Task = make("t", retry_policy=policy)  # type: ignore[operator]  # builder

    handle = await skipping.start(a_flow(task))
    await handle.result()

    events = [event async for event in handle.fetch_history_events()]
    waited = events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()
    assert timedelta(hours=36) <= waited < timedelta(hours=37)
    assert skipping.recorder.word_on("t").attempt == 3


async def test_a_store_that_is_down_for_days_is_told_in_the_end(skipping: Engine) -> None:
    skipping.recorder.store_faults = 200

    handle = await skipping.start(a_flow(instant("t")))
    await handle.result()

    events = [event async for event in handle.fetch_history_events()]
    assert [call.status for call in skipping.recorder.closed] == ["completed"]
    assert len(events) < 20


async def test_a_wait_of_days_takes_days(skipping: Engine) -> None:
    handle = await skipping.start(a_flow(wait("pause", 3 * DAY.total_seconds()), instant("after")))
    await handle.result()

    events = [event async for event in handle.fetch_history_events()]
    waited = events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()
    assert timedelta(days=3) <= waited < timedelta(days=3, hours=1)


async def test_nothing_within_weeks_fails_the_task(skipping: Engine) -> None:
    flow = a_flow(receiver("ask", timeout_seconds=30 * DAY.total_seconds()))
    handle = await skipping.start(flow)

    with pytest.raises(WorkflowFailureError):
        await handle.result()

    events = [event async for event in handle.fetch_history_events()]
    waited = events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()
    assert timedelta(days=30) <= waited < timedelta(days=30, hours=1)
    assert len(events) < 20
    error = skipping.recorder.word_on("ask").error
    assert error is not None
    assert error.type == "NotDelivered"


async def test_what_was_stored_meanwhile_counts_when_time_is_up(skipping: Engine) -> None:
    async def store(call: TaskCall) -> JsonValue:
        skipping.recorder.come["ask"] = {"n": 1}
        return None

    skipping.recorder.behaviours = {"stored": store}
    pause = wait("pause", DAY.total_seconds())
    asked = receiver("ask", timeout_seconds=2 * DAY.total_seconds())

    await skipping.run(a_flow(asked, pause, effect("stored", "{{pause}}")))

    assert skipping.recorder.word_on("ask").output_digest
