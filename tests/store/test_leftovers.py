"""Attempts that begin or end while their workflow gives them up do not contradict it."""

import asyncio

import pytest

from contracts.messages import SettleTasksCall, TaskState
from flows.errors import ExecutionSupersededError
from store.models import ExecutionStatus, ProcessingStatus
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said

CANCELLED, FAILED = ProcessingStatus.CANCELLED, ProcessingStatus.FAILED
COMPLETED = ProcessingStatus.COMPLETED
OPEN = {ProcessingStatus.QUEUED, ProcessingStatus.RUNNING, ProcessingStatus.CANCEL_REQUESTED}


async def statuses(run: Running, task_name: str) -> list[ProcessingStatus]:
    return [row.processing_status for row in await run.rows(task_name=task_name)]


async def test_it_is_the_last_attempt_that_was_cancelled(run: Running) -> None:
    await run.open("t")
    await run.close("t", error="not yet", was_opened=True)
    await run.open("t", 2)

    await run.settle(said("t", TaskState.CANCELLED), status="cancelled")

    assert await statuses(run, "t") == [FAILED, CANCELLED]
    assert (await run.output("t")).processing_status is CANCELLED


async def test_a_completion_that_the_workflow_never_heard_of_is_taken_back(run: Running) -> None:
    await run.open("t")
    await run.close("t", output=1, was_opened=True)

    await run.settle(said("t", TaskState.CANCELLED), status="cancelled")

    row = await run.row("t")
    assert (row.processing_status, row.output) == (CANCELLED, None)


async def test_items_that_end_after_their_child_settled_are_taken_back(run: Running) -> None:
    """Two items: one completed and heard of, one that completes after it was given up."""
    await run.close("t", item=0, item_count=2, output="a")
    await run.open("t", item=1, item_count=2)
    words = [said("t", item=0, output="a", attempt=1), said("t", TaskState.CANCELLED, item=1)]
    await run.stores.projection.settle_tasks(SettleTasksCall(context=run.context, tasks=words))
    await run.open("t", 2, item=1, item_count=2)
    await run.close("t", 2, item=1, item_count=2, output="b", was_opened=True)

    await run.settle(said("t", TaskState.CANCELLED, item_count=2), status="cancelled")

    assert await statuses(run, "t") == [COMPLETED, CANCELLED, CANCELLED]


async def test_an_attempt_that_opens_while_its_execution_closes_is_refused_or_closed(
    stores: Stores,
) -> None:
    """Whichever comes first; what must not be is a row that stays open."""
    for _ in range(30):
        run = await stores.running()
        opened, _settled = await asyncio.gather(
            run.open("t"), run.settle(status="cancelled"), return_exceptions=True
        )
        assert opened is None or isinstance(opened, ExecutionSupersededError)
        assert not OPEN & set(await statuses(run, "t"))


async def test_a_failure_that_comes_while_its_execution_closes_is_a_cancellation(
    stores: Stores,
) -> None:
    """However far the failed attempt gets: its task was given up, and nothing tries it again."""
    for turn in range(40):
        run = await stores.running()
        await run.open("t")

        async def fail_late(run: Running = run, turn: int = turn) -> None:
            await asyncio.sleep(turn / 10_000)
            await run.close("t", error="not yet", was_opened=True)

        await asyncio.gather(
            fail_late(),
            run.settle(said("t", TaskState.CANCELLED), status="cancelled"),
            return_exceptions=True,
        )
        assert await statuses(run, "t") == [CANCELLED]
        assert (await run.output("t")).processing_status is CANCELLED


async def test_a_retry_that_fails_while_its_execution_closes_is_a_cancellation(
    stores: Stores,
) -> None:
    for turn in range(40):
        run = await stores.running()
        await run.open("t")
        await run.close("t", error="not yet", was_opened=True)

        async def try_again(run: Running = run, turn: int = turn) -> None:
            await asyncio.sleep(turn / 10_000)
            await run.open("t", 2)
            await run.close("t", 2, error="not yet", was_opened=True)

        await asyncio.gather(
            try_again(),
            run.settle(said("t", TaskState.CANCELLED), status="cancelled"),
            return_exceptions=True,
        )
        assert (await statuses(run, "t"))[-1] is CANCELLED
        assert (await run.output("t")).processing_status is CANCELLED


async def test_a_row_left_open_by_a_failed_run_counts_as_failed_for_good(run: Running) -> None:
    await run.open("t")

    await run.settle(status="failed")

    assert await statuses(run, "t") == [FAILED]
    assert (await run.output("t")).processing_status is FAILED


async def test_the_end_of_an_attempt_after_its_run_settled_is_dropped(run: Running) -> None:
    """As when a worker dies between settling and telling Temporal, and the run's end repeats."""
    await run.close("t", output=1, executor="format_data")
    await run.settle(said("t", output=1, attempt=1))
    before = await run.row("t")

    await run.close("t", output=1, executor="format_data")

    assert await run.row("t") == before
    with pytest.raises(ExecutionSupersededError):
        await run.open("other")


@pytest.mark.parametrize(("mode", "expected"), [("full", []), ("stale", [CANCELLED])])
async def test_a_generation_closed_unstarted_leaves_no_older_row_open(
    run: Running, mode: str, expected: list[ProcessingStatus]
) -> None:
    await run.open("t")
    executions = run.stores.executions
    record = await executions.begin_generation(
        ORGANIZATION, run.id, 1, "full" if mode == "full" else "stale", 1, AUTHOR
    )

    closed = await executions.close_unstarted(
        ORGANIZATION, run.id, record.generation, ExecutionStatus.CANCELLED
    )

    assert closed
    assert await statuses(run, "t") == expected
