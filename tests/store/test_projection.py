"""Reports of running tasks, in and out of order."""

import asyncio
from contextlib import suppress

import pytest

from flows.errors import ExecutionSupersededError
from store.models import ExecutionStatus, ProcessingStatus
from store.rows import REPORTED, RUNNING
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said


async def test_an_attempt_is_shown_as_running_before_it_does_anything(run: Running) -> None:
    await run.open("t")

    row = await run.row("t")
    assert row.processing_status is ProcessingStatus.RUNNING
    assert (row.input, row.output, row.rank) == ({"of": "t"}, None, RUNNING)
    assert row.task_execution_idx == 0
    assert (await run.output("t")).processing_status is ProcessingStatus.RUNNING


async def test_the_first_task_moves_the_execution_to_in_progress(run: Running) -> None:
    assert (await run.record()).status is ExecutionStatus.RUNNING

    await run.open("t")

    assert (await run.record()).status is ExecutionStatus.IN_PROGRESS


async def test_a_start_stamped_after_the_first_task_does_not_move_the_status_back(
    stores: Stores,
) -> None:
    record = await stores.created()
    run = stores.run_of(record)
    await run.open("t")

    assert await stores.executions.mark_started(
        ORGANIZATION, record.id, 1, "run", record.created_at
    )

    assert (await run.record()).status is ExecutionStatus.IN_PROGRESS
    assert (await run.record()).started_generation == 1


async def test_the_input_task_is_completed_once_the_start_is_known(run: Running) -> None:
    row = await run.row("in")

    assert row.processing_status is ProcessingStatus.COMPLETED
    assert row.output == {"a": 1}
    assert (await run.output("in")).output == {"a": 1}


async def test_the_end_of_an_attempt_and_its_output_are_one_write(run: Running) -> None:
    await run.open("t")
    await run.close("t", output={"x": [1, 2]}, was_opened=True)

    row = await run.row("t")
    assert (row.processing_status, row.output) == (ProcessingStatus.COMPLETED, {"x": [1, 2]})
    assert row.input == {"of": "t"}
    assert row.rank == REPORTED
    assert (await run.output("t")).output == {"x": [1, 2]}


async def test_instant_work_is_written_whole_at_its_end(run: Running) -> None:
    await run.close("t", output=1, executor="format_data")

    row = await run.row("t")
    assert (row.input, row.output, row.run_id) == ({"of": "t"}, 1, "run")
    assert row.started_at is not None


async def test_a_late_opening_does_not_undo_the_end(run: Running) -> None:
    await run.open("t")
    await run.close("t", output=1, was_opened=True)

    await run.open("t")

    assert (await run.row("t")).processing_status is ProcessingStatus.COMPLETED


async def test_a_second_end_does_not_replace_the_first(run: Running) -> None:
    await run.close("t", output=1)

    await run.close("t", error="late")

    assert (await run.row("t")).output == 1


async def test_a_retry_is_a_row_of_its_own_and_the_task_still_runs_between(run: Running) -> None:
    await run.open("t")
    await run.close("t", error="no", was_opened=True)

    assert (await run.output("t")).processing_status is ProcessingStatus.RUNNING

    await run.open("t", attempt=2)
    await run.close("t", attempt=2, output=1, was_opened=True)

    rows = await run.rows(task_name="t")
    assert [(row.task_execution_idx, row.processing_status) for row in rows] == [
        (0, ProcessingStatus.FAILED),
        (1, ProcessingStatus.COMPLETED),
    ]
    assert rows[0].error == {"message": "no", "type": "Broken", "traceback": None}
    assert (await run.output("t")).output == 1


async def test_a_newer_attempt_closes_those_that_never_reported_as_lost(run: Running) -> None:
    await run.open("t")

    await run.open("t", attempt=3)

    first, second, third = await run.rows(task_name="t")
    assert first.error is not None
    assert first.error["type"] == "WorkerLost"
    assert second.error == first.error
    assert [row.task_execution_idx for row in (first, second, third)] == [0, 1, 2]
    assert third.processing_status is ProcessingStatus.RUNNING


async def test_a_report_of_a_lost_attempt_comes_too_late(run: Running) -> None:
    await run.open("t")
    await run.open("t", attempt=2)

    await run.close("t", output="late", was_opened=True)

    first, second = await run.rows(task_name="t")
    assert first.processing_status is ProcessingStatus.FAILED
    assert second.processing_status is ProcessingStatus.RUNNING


async def test_an_attempt_of_an_older_generation_is_stopped_before_its_effect(
    run: Running,
) -> None:
    await run.open("t")
    newer = await run.again()

    with pytest.raises(ExecutionSupersededError):
        await run.open("u")

    assert not await newer.rows(task_name="u")


async def test_an_end_that_comes_for_an_older_generation_changes_nothing(run: Running) -> None:
    await run.open("t")
    newer = await run.again("stale")

    await run.close("t", output=1, was_opened=True)

    row = await newer.row("t")
    assert (row.processing_status, row.output) == (ProcessingStatus.CANCELLED, None)


async def test_an_attempt_of_a_closed_execution_is_stopped(run: Running) -> None:
    await run.settle()

    with pytest.raises(ExecutionSupersededError):
        await run.open("t")


async def test_an_attempt_of_an_execution_that_nobody_knows_is_stopped(stores: Stores) -> None:
    record = await stores.created()
    unknown = stores.run_of(record)
    unknown.context.flow_execution_id = "nobody's"

    with pytest.raises(ExecutionSupersededError):
        await unknown.open("t")


async def test_an_attempt_that_claims_another_organization_is_stopped(stores: Stores) -> None:
    run = await stores.running()
    run.context.organization_id = "organization-b"

    with pytest.raises(ExecutionSupersededError):
        await run.open("t")


async def test_attempts_of_a_deleted_execution_go_on(stores: Stores, run: Running) -> None:
    await stores.executions.delete(ORGANIZATION, run.id, AUTHOR)

    await run.open("t")

    assert (await run.row("t")).processing_status is ProcessingStatus.RUNNING
    assert (await run.record()).status is ExecutionStatus.DELETED


async def test_the_first_row_of_a_generation_hides_the_tasks_older_rows(run: Running) -> None:
    await run.close("t", error="no")
    await run.close("t", attempt=2, output=1)
    await run.close("u", output=2)
    newer = await run.again("stale")

    await newer.open("t")

    (row,) = await newer.rows(task_name="t")
    assert row.generation == 2
    assert (await newer.row("u")).generation == 1


async def test_a_full_generation_hides_everything_before_it_begins(run: Running) -> None:
    await run.close("t", output=1)
    await run.close("u", item=0, item_count=1, output=2)
    await run.settle(said("t", output=1), said("u", item=0, output=2), said("u", item_count=1))

    newer = await run.again()

    assert [(row.task_name, row.generation) for row in await newer.rows()] == [("in", 2)]
    outputs = await run.stores.task_outputs.of_execution(ORGANIZATION, run.id)
    assert [output.task_name for output in outputs] == ["in"]
    await newer.open("t")
    (row,) = await newer.rows(task_name="t")
    assert (row.generation, row.task_execution_idx) == (2, 0)
    assert (await newer.output("t")).processing_status is ProcessingStatus.RUNNING


async def test_a_late_end_of_what_a_full_generation_hid_shows_nothing(run: Running) -> None:
    await run.open("t")
    newer = await run.again()

    with suppress(ExecutionSupersededError):
        await run.close("t", output=1, was_opened=True)

    assert [row.task_name for row in await newer.rows()] == ["in"]


async def test_items_take_their_position_and_retries_the_next_free_number(run: Running) -> None:
    for item in range(3):
        await run.open("t", item=item, item_count=3)
    await run.close("t", item=2, item_count=3, error="no", was_opened=True)
    await run.close("t", item=0, item_count=3, error="no", was_opened=True)

    await run.open("t", attempt=2, item=2, item_count=3)
    await run.open("t", attempt=2, item=0, item_count=3)
    await run.open("t", attempt=2, item=2, item_count=3)  # the acknowledgement was lost

    rows = await run.rows(task_name="t")
    assert {(row.item, row.attempt): row.task_execution_idx for row in rows} == {
        (0, 1): 0,
        (1, 1): 1,
        (2, 1): 2,
        (2, 2): 3,
        (0, 2): 4,
    }


async def test_a_retried_item_closes_its_lost_attempt(run: Running) -> None:
    await run.open("t", item=1, item_count=2)

    await run.open("t", attempt=2, item=1, item_count=2)

    first, second = await run.rows(task_name="t")
    assert first.error is not None
    assert first.error["type"] == "WorkerLost"
    assert second.processing_status is ProcessingStatus.RUNNING


async def test_an_iteration_shows_the_last_attempts_of_its_items_in_order(run: Running) -> None:
    await run.close("t", item=1, item_count=2, error="no")
    await run.close("t", item=1, item_count=2, attempt=2, output="b")
    assert (await run.output("t")).processing_status is ProcessingStatus.RUNNING

    await run.close("t", item=0, item_count=2, output="a")

    output = await run.output("t")
    assert output.processing_status is ProcessingStatus.COMPLETED
    assert (output.output, output.item_count) == (["a", "b"], 2)


async def test_a_longer_list_finds_its_numbers_free_although_a_retry_once_took_them(
    run: Running,
) -> None:
    await run.close("t", item=0, item_count=1, error="no")
    await run.close("t", item=0, item_count=1, attempt=2, output="old")
    newer = await run.again("stale")

    await newer.open("t", item=1, item_count=2)

    kept = [row for row in await newer.rows(task_name="t") if row.item == 0]
    (added,) = [row for row in await newer.rows(task_name="t") if row.item == 1]
    assert added.task_execution_idx == 1
    assert [row.output for row in kept if row.attempt == 2] == ["old"]
    assert len({row.task_execution_idx for row in (*kept, added)}) == 3


async def test_many_reports_at_once_are_all_written(run: Running) -> None:
    await asyncio.gather(*(run.open(f"t{number}") for number in range(60)))
    await asyncio.gather(
        *(run.close(f"t{number}", output=number, was_opened=True) for number in range(60))
    )

    outputs = {row.task_name: row.output for row in await run.rows() if row.task_name != "in"}
    assert outputs == {f"t{number}": number for number in range(60)}


async def test_what_one_execution_may_not_write_does_not_hold_up_others(stores: Stores) -> None:
    old, other = await stores.running(), await stores.running()
    await old.again()

    answers = await asyncio.gather(old.open("t"), other.open("t"), return_exceptions=True)

    assert isinstance(answers[0], ExecutionSupersededError)
    assert answers[1] is None
    assert (await other.row("t")).processing_status is ProcessingStatus.RUNNING
