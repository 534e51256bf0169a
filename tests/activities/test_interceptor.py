"""What the interceptor shows of an attempt, and how it says failures."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError

from activities.interceptor import TRAVELS_THROUGH_STORE_BYTES
from contracts.messages import TaskCall, TaskReply
from flows.canonical import digest
from flows.errors import (
    FlowNotFoundError,
    RateLimitedError,
    StoreUnavailableError,
    TaskFailedError,
    UnavailableError,
)
from runtime.embedded import EmbeddedMongo
from runtime.mongo import Mongo
from runtime.readiness import free_port
from store.indexes import ensure_indexes
from store.models import ProcessingStatus
from store.projection import Projection
from tests.support.attempts import Attempt
from tests.support.eventually import eventually
from tests.support.stores import Running, Stores


def answering(output: JsonValue) -> Any:
    async def body(call: TaskCall) -> JsonValue:
        return output

    return body


def failing(error: Exception) -> Any:
    async def body(call: TaskCall) -> JsonValue:
        raise error

    return body


async def failure_of(run: Running, error: Exception, number: int = 1, **call: Any) -> Any:
    """Return what Temporal is told of an attempt that failed."""
    attempt = Attempt(run.stores.projection, failing(error), number=number)
    with pytest.raises(ApplicationError) as caught:
        await attempt.run(run.call("t", **call))
    return caught.value


async def test_an_effect_finds_its_row_open_and_leaves_it_completed(run: Running) -> None:
    seen = []

    async def body(call: TaskCall) -> JsonValue:
        seen.append((await run.row("t")).processing_status)
        return {"a": 1}

    reply = await Attempt(run.stores.projection, body).run(run.call("t"))

    row = await run.row("t")
    assert seen == [ProcessingStatus.RUNNING]
    assert isinstance(reply, TaskReply)
    assert (reply.output, reply.output_digest, reply.attempt) == ({"a": 1}, digest({"a": 1}), 1)
    assert (row.processing_status, row.output, row.run_id) == (
        ProcessingStatus.COMPLETED,
        {"a": 1},
        "run",
    )
    assert row.output_digest == reply.output_digest


async def test_instant_work_has_no_row_before_its_end(run: Running) -> None:
    seen = []

    async def body(call: TaskCall) -> JsonValue:
        seen.append(await run.rows(task_name="t"))
        return 1

    attempt = Attempt(run.stores.projection, body, is_local=True)
    await attempt.run(run.call("t", executor="format_data"))

    assert seen == [[]]
    assert [row.output for row in await run.shown("t")] == [1]
    assert attempt.heartbeats == 0


async def test_an_output_that_no_workflow_could_read_fails_its_attempt(run: Running) -> None:
    output: JsonValue = "deep"
    for _ in range(300):
        output = [output]

    with pytest.raises(ApplicationError) as caught:
        await Attempt(run.stores.projection, answering(output)).run(run.call("t"))

    row = await run.row("t")
    assert (caught.value.type, caught.value.non_retryable) == ("InvalidValue", True)
    assert row.processing_status is ProcessingStatus.FAILED
    assert row.error is not None
    assert row.error["type"] == "InvalidValue"


async def test_an_effect_heartbeats_while_it_runs(run: Running) -> None:
    attempt: Attempt

    async def body(call: TaskCall) -> JsonValue:
        await eventually(lambda: attempt.heartbeats >= 3)
        return None

    attempt = Attempt(run.stores.projection, body, heartbeat_timeout=timedelta(milliseconds=150))
    await attempt.run(run.call("t"))

    beats = attempt.heartbeats
    assert beats >= 3


async def test_a_superseded_effect_never_happens(run: Running) -> None:
    await run.again()
    happened = []

    async def body(call: TaskCall) -> JsonValue:
        happened.append(call)
        return None

    with pytest.raises(ApplicationError) as caught:
        await Attempt(run.stores.projection, body).run(run.call("t"))

    assert happened == []
    assert (caught.value.type, caught.value.non_retryable) == ("superseded", True)


async def test_superseded_instant_work_is_not_shown(run: Running) -> None:
    await run.again()
    attempt = Attempt(run.stores.projection, answering(1), is_local=True)

    await attempt.run(run.call("t", executor="format_data"))

    assert await run.shown("t") == []


async def test_a_superseded_large_result_of_instant_work_ends_its_run(run: Running) -> None:
    await run.again()
    large = "x" * TRAVELS_THROUGH_STORE_BYTES
    attempt = Attempt(run.stores.projection, answering(large), is_local=True)

    with pytest.raises(ApplicationError) as caught:
        await attempt.run(run.call("t", executor="format_data"))

    assert caught.value.type == "superseded"


async def test_an_effect_superseded_while_it_ran_keeps_its_result(run: Running) -> None:
    async def body(call: TaskCall) -> JsonValue:
        await run.again()
        return "done"

    reply = await Attempt(run.stores.projection, body).run(run.call("t"))

    assert reply.output == "done"


async def test_a_failed_task_says_its_type_and_shows_it(run: Running) -> None:
    error = TaskFailedError("no", type="NoSuchPage", traceback="line 3", retryable=True)

    failure = await failure_of(run, error)

    shown = {"message": "no", "type": "NoSuchPage", "traceback": "line 3"}
    assert (failure.message, failure.type, failure.non_retryable) == ("no", "NoSuchPage", False)
    assert failure.details == (shown, 1)
    assert (await run.row("t")).error == shown


@pytest.mark.parametrize(
    ("error", "type", "is_final", "delay"),
    [
        (TaskFailedError("x", type="Broken"), "Broken", True, None),
        (FlowNotFoundError("x"), "not_found", True, None),
        (UnavailableError("x"), "unavailable", False, timedelta(seconds=2)),
        (
            RateLimitedError("x", retry_after=timedelta(seconds=9)),
            "rate_limited",
            False,
            timedelta(seconds=9),
        ),
        (ZeroDivisionError("x"), "ZeroDivisionError", False, None),
        (ApplicationError("x", type="Own", non_retryable=True), "Own", True, None),
        (ApplicationError("x", type="Own"), "Own", False, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_failures_keep_what_they_say_about_retries(
    run: Running, error: Exception, type: str, is_final: bool, delay: timedelta | None
) -> None:
    failure = await failure_of(run, error)

    assert (failure.type, failure.non_retryable) == (type, is_final)
    assert failure.next_retry_delay == delay


async def test_what_nobody_foresaw_shows_where_it_happened(run: Running) -> None:
    await failure_of(run, ZeroDivisionError("division by zero"))

    error = (await run.row("t")).error
    assert error is not None
    assert "ZeroDivisionError: division by zero" in str(error["traceback"])


@pytest.mark.parametrize(
    ("executor", "number", "is_final"),
    [
        ("python_code", 1, False),
        ("python_code", 2, True),
        ("python_code", 3, True),
        ("http_request", 2, False),
    ],
)
async def test_the_authors_number_of_failures_ends_pure_work(
    run: Running, executor: str, number: int, is_final: bool
) -> None:
    error = TaskFailedError("x", type="Broken", retryable=True)

    failure = await failure_of(run, error, number, executor=executor, max_attempts=2)

    assert failure.non_retryable is is_final
    assert failure.details[1] == number


async def test_other_activities_are_left_alone_but_for_their_failures(stores: Stores) -> None:
    async def body(value: int) -> int:
        if value < 0:
            raise StoreUnavailableError("down")
        return value * 2

    assert await Attempt(stores.projection, body).run(2) == 4
    with pytest.raises(ApplicationError) as caught:
        await Attempt(stores.projection, body).run(-1)
    assert (caught.value.type, caught.value.non_retryable) == ("StoreUnavailable", False)


class Waiting:
    """A body that waits to be cancelled."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def __call__(self, call: TaskCall) -> JsonValue:
        self.began.set()
        await asyncio.Event().wait()
        return None


async def test_a_cancelled_attempt_is_shown_as_cancelled(run: Running) -> None:
    body = Waiting()
    attempt = Attempt(run.stores.projection, body)
    running = asyncio.create_task(attempt.run(run.call("t")))
    await body.began.wait()

    attempt.environment.cancel(
        cancellation_details=ActivityCancellationDetails(cancel_requested=True)
    )

    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await run.row("t")).processing_status is ProcessingStatus.CANCELLED


async def test_a_worker_that_shuts_down_hands_its_attempt_back(run: Running) -> None:
    body = Waiting()
    attempt = Attempt(run.stores.projection, body)
    running = asyncio.create_task(attempt.run(run.call("t")))
    await body.began.wait()

    attempt.environment.cancel(
        cancellation_details=ActivityCancellationDetails(worker_shutdown=True)
    )

    with pytest.raises(ApplicationError) as caught:
        await running
    assert (caught.value.type, caught.value.non_retryable) == ("WorkerLost", False)
    assert (await run.row("t")).processing_status is ProcessingStatus.FAILED


@pytest.fixture
async def down() -> Any:
    """The projection of a process whose store does not answer."""
    mongo = Mongo(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=50", "gone")
    yield Projection(mongo.database)
    mongo.close()


async def test_without_the_store_no_effect_happens(run: Running, down: Projection) -> None:
    happened = []

    async def body(call: TaskCall) -> JsonValue:
        happened.append(call)
        return None

    attempt = Attempt(down, body, timeout=timedelta(seconds=2))
    with pytest.raises(ApplicationError) as caught:
        await attempt.run(run.call("t", max_attempts=1))

    assert happened == []
    assert (caught.value.type, caught.value.non_retryable) == ("StoreUnavailable", False)


async def test_without_the_store_instant_work_goes_on(run: Running, down: Projection) -> None:
    attempt = Attempt(down, answering(1), is_local=True, timeout=timedelta(seconds=2))

    assert (await attempt.run(run.call("t", executor="format_data"))).output == 1


async def test_a_large_result_waits_for_the_store_that_it_travels_through(
    run: Running, down: Projection
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    attempt = Attempt(down, answering("x" * 20_000), is_local=True, timeout=timedelta(seconds=3))

    await attempt.run(run.call("t", executor="format_data"))

    assert loop.time() - began > 0.5


async def test_a_store_that_comes_back_costs_no_attempt(tmp_path: Path) -> None:
    server = EmbeddedMongo(tmp_path, free_port(), cache_mb=256)
    await server.start()
    mongo = Mongo(f"{server.uri}&serverSelectionTimeoutMS=200", "test")
    await ensure_indexes(mongo.database)
    run = await Stores(mongo.database).running()
    try:
        await server.stop()
        attempt = Attempt(run.stores.projection, answering("done"))
        running = asyncio.create_task(attempt.run(run.call("t")))
        await eventually(lambda: attempt.heartbeats > 0)

        await server.start()

        reply = await running
        row = await run.row("t")
        assert (reply.output, reply.attempt) == ("done", 1)
        assert (row.processing_status, row.task_execution_idx) == (ProcessingStatus.COMPLETED, 0)
    finally:
        mongo.close()
        await server.stop()
