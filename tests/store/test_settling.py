"""The workflow's word, written over what was reported."""

from os import urandom
from typing import Any

import pytest
from pydantic import JsonValue

from contracts.messages import SettleTasksCall, TaskError, TaskState
from flows.canonical import digest
from flows.errors import ExecutionSupersededError
from store.models import ExecutionStatus, ProcessingStatus
from store.rows import SETTLED
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said


def the_input(value: JsonValue = None) -> Any:
    return said("in", output={"a": 1} if value is None else value)


async def test_closing_an_execution_needs_no_output_that_the_store_holds(run: Running) -> None:
    await run.close("t", output=[1, 2])

    reply = await run.settle(the_input(), said("t", output=[1, 2], attempt=1))

    record = await run.record()
    assert reply.missing == []
    assert (record.status, record.is_open) == (ExecutionStatus.COMPLETED, False)
    assert record.closed_at is not None
    assert record.modified_by == "system"
    assert (await run.output("t")).output == [1, 2]


async def test_an_output_that_the_store_lacks_is_asked_for_and_nothing_is_closed(
    run: Running,
) -> None:
    await run.close("t", output="reported")

    reply = await run.settle(the_input(), said("t", output="true", attempt=1), said("u", output=2))

    assert reply.missing == [1, 2]
    assert (await run.record()).is_open


async def test_what_was_asked_for_overwrites_what_was_reported(run: Running) -> None:
    await run.close("t", output="reported")

    reply = await run.settle(said("t", output="true", attempt=1, has_output=True))

    row = await run.row("t")
    assert reply.missing == []
    assert (row.output, row.rank) == ("true", SETTLED)
    assert row.input == {"of": "t"}


async def test_settling_twice_is_settling_once(run: Running) -> None:
    await run.open("t")
    words = (the_input(), said("t", output=1, attempt=1, has_output=True))
    await run.settle(*words)
    rows, record = await run.rows(), await run.record()

    reply = await run.settle(*words)

    assert (reply.missing, reply.superseded) == ([], False)
    assert (await run.rows(), await run.record()) == (rows, record)


async def test_the_inputs_row_is_written_from_the_execution_itself(stores: Stores) -> None:
    run = stores.run_of(await stores.created())

    reply = await run.settle(the_input())

    assert reply.missing == []
    assert (await run.row("in")).output == {"a": 1}
    assert (await run.record()).started_generation == 1


async def test_an_end_that_was_never_reported_is_written(run: Running) -> None:
    await run.open("t")

    await run.settle(the_input(), said("t", output=1, attempt=1, has_output=True))

    assert (await run.row("t")).output == 1
    assert (await run.output("t")).processing_status is ProcessingStatus.COMPLETED


async def test_attempts_that_never_opened_are_not_missing_from_the_list(run: Running) -> None:
    await run.settle(the_input(), said("t", output=1, attempt=3, has_output=True))

    rows = await run.rows(task_name="t")
    assert [row.task_execution_idx for row in rows] == [0, 1, 2]
    assert [row.processing_status.value for row in rows] == ["failed", "failed", "completed"]


async def test_a_failure_says_which_task_and_why(run: Running) -> None:
    await run.close("t", error="no")
    error = TaskError(message="no", type="Broken")

    await run.settle(
        the_input(),
        said("t", TaskState.FAILED, attempt=1, error=error),
        status="failed",
        error=error,
        failed_task="t",
    )

    record, row = await run.record(), await run.row("t")
    assert record.status is ExecutionStatus.FAILED
    assert record.error == {"message": "no", "type": "Broken", "traceback": None, "task_name": "t"}
    assert (row.error, row.rank) == (error.model_dump(), SETTLED)
    assert (await run.output("t")).processing_status is ProcessingStatus.FAILED


async def test_a_cancelled_execution_leaves_no_attempt_open(run: Running) -> None:
    await run.open("t")
    await run.open("u")

    await run.settle(the_input(), said("t", TaskState.CANCELLED, attempt=1), status="cancelled")

    assert (await run.row("t")).processing_status is ProcessingStatus.CANCELLED
    assert (await run.row("u")).processing_status is ProcessingStatus.CANCELLED
    assert (await run.record()).status is ExecutionStatus.CANCELLED


async def test_an_attempt_that_nobody_spoke_of_is_closed_as_lost(run: Running) -> None:
    await run.open("t")

    await run.settle(the_input())

    row = await run.row("t")
    assert row.error is not None
    assert row.error["type"] == "WorkerLost"


async def test_a_task_that_was_cancelled_before_it_began_has_no_row(run: Running) -> None:
    await run.settle(
        the_input(),
        said("t", TaskState.CANCELLED),
        said("u", TaskState.PENDING),
        status="cancelled",
    )

    assert [row.task_name for row in await run.rows()] == ["in"]


async def test_skipped_tasks_show_nothing(run: Running) -> None:
    await run.close("t", output=1)
    newer = await run.again("stale")

    await newer.settle(the_input(), said("u", TaskState.SKIPPED), skipped=["t"])

    assert [row.task_name for row in await newer.rows()] == ["in"]
    outputs = await newer.stores.task_outputs.of_execution(ORGANIZATION, newer.id)
    assert [output.task_name for output in outputs] == ["in"]


async def test_a_reused_result_keeps_its_row(run: Running) -> None:
    await run.close("t", output=1)
    before = await run.row("t")
    newer = await run.again("stale")

    reply = await newer.settle(the_input(), said("t", TaskState.REUSED, output=1))

    assert reply.missing == []
    assert await newer.row("t") == before
    assert (await newer.output("t")).output == 1


async def test_a_reused_result_whose_row_is_gone_is_written_again(run: Running) -> None:
    newer = await run.again("stale")
    word = said("t", TaskState.REUSED, output=1)
    assert (await newer.settle(the_input(), word)).missing == [1]

    await newer.settle(the_input(), word.model_copy(update={"has_output": True, "output": 1}))

    assert (await newer.row("t")).output == 1


async def test_a_full_run_discards_what_it_never_came_to(run: Running) -> None:
    await run.close("t", output=1)
    await run.close("u", output=2)
    newer = await run.again("full")

    await newer.close("t", output=3)
    await newer.settle(the_input(), said("t", output=3, attempt=1), status="failed")

    assert [(row.task_name, row.output) for row in await newer.rows()] == [
        ("in", {"a": 1}),
        ("t", 3),
    ]


async def test_a_stale_run_keeps_what_it_never_came_to(run: Running) -> None:
    await run.close("u", output=2)
    newer = await run.again("stale")

    await newer.settle(the_input(), said("u", TaskState.PENDING), status="failed")

    assert (await newer.row("u")).output == 2


async def test_an_attempt_left_open_by_an_ended_generation_is_closed_by_the_next(
    run: Running,
) -> None:
    await run.open("u")
    newer = await run.again("stale")

    await newer.settle(the_input(), said("u", TaskState.PENDING), status="failed")

    assert (await newer.row("u")).processing_status is ProcessingStatus.CANCELLED


async def test_what_a_person_edited_is_never_touched(stores: Stores, run: Running) -> None:
    await run.close("t", output="engine's")
    row = await run.row("t")
    edited = {"edited_status": "edited_not_reexecuted", "modified_by": AUTHOR}
    await stores.database["task_executions"].update_one({"_id": row.id}, {"$set": edited})

    reply = await run.settle(the_input(), said("t", output="other", attempt=1, has_output=True))

    assert reply.missing == []
    kept = await run.row("t")
    assert (kept.output, kept.modified_by) == ("engine's", AUTHOR)
    assert (await run.output("t")).edited_status == "edited"


async def test_deleted_stays_deleted_although_the_workflow_ends(
    stores: Stores, run: Running
) -> None:
    await stores.executions.delete(ORGANIZATION, run.id, AUTHOR)

    await run.settle(the_input())

    record = await run.record()
    assert (record.status, record.is_open) == (ExecutionStatus.DELETED, False)


async def test_an_older_generation_settles_nothing(run: Running) -> None:
    await run.close("t", output=1)
    newer = await run.again()

    reply = await run.settle(the_input(), said("t", output=1, attempt=1))

    assert reply.superseded
    assert (await newer.record()).is_open
    with pytest.raises(ExecutionSupersededError):
        await run.stores.projection.settle_tasks(
            SettleTasksCall(context=run.context, tasks=[said("t", output=1)])
        )


async def test_a_run_closed_before_it_started_settles_nothing(stores: Stores) -> None:
    run = stores.run_of(await stores.created())
    assert await stores.executions.close_unstarted(
        ORGANIZATION, run.id, 1, ExecutionStatus.CANCELLED
    )

    assert (await run.settle(the_input())).superseded

    assert (await run.record()).status is ExecutionStatus.CANCELLED


async def test_items_are_settled_by_whoever_ran_them(run: Running) -> None:
    await run.close("t", item=0, item_count=3, output="a")
    await run.open("t", item=1, item_count=3)

    reply = await run.stores.projection.settle_tasks(
        SettleTasksCall(
            context=run.context,
            tasks=[
                said("t", item=0, output="a", attempt=1),
                said("t", item=1, output="b", attempt=1, has_output=True),
                said("t", item=2, output="c", attempt=2, has_output=True),
            ],
        )
    )
    await run.settle(the_input(), said("t", item_count=3))

    assert reply.missing == []
    assert (await run.output("t")).output == ["a", "b", "c"]
    ranks = {(row.item, row.attempt): row.rank for row in await run.rows(task_name="t")}
    assert (ranks[0, 1], ranks[1, 1], ranks[2, 2]) == (SETTLED, SETTLED, SETTLED)


async def test_an_iteration_over_nothing_is_complete_and_empty(run: Running) -> None:
    await run.settle(the_input(), said("t", item_count=0))

    output = await run.output("t")
    assert (output.processing_status, output.output) == (ProcessingStatus.COMPLETED, [])
    assert not await run.rows(task_name="t")


async def test_a_shorter_list_leaves_no_row_of_the_longer_one(run: Running) -> None:
    for item in range(3):
        await run.close("t", item=item, item_count=3, output=item)
    newer = await run.again("stale")
    words = [said("t", TaskState.REUSED, item=item, output=item) for item in range(2)]

    await newer.settle(the_input(), *words, said("t", item_count=2))

    assert [row.item for row in await newer.rows(task_name="t")] == [0, 1]
    assert (await newer.output("t")).output == [0, 1]


async def test_an_iteration_that_became_a_single_task_shows_only_that(run: Running) -> None:
    await run.close("t", item=0, item_count=1, output="item")
    newer = await run.again("full")
    await newer.close("t", output="single")

    await newer.settle(the_input(), said("t", output="single", attempt=1))

    assert (await newer.row("t")).output == "single"
    assert (await newer.output("t")).output == "single"


async def test_a_value_too_large_for_a_document_survives(stores: Stores, run: Running) -> None:
    output = urandom(4 * 1024 * 1024).hex()
    await run.close("t", output=output, parameters={"large": output})

    row = await run.row("t")

    assert (row.output, row.input) == (output, {"large": output})
    assert await stores.database["values.files"].count_documents({}) == 2


@pytest.mark.parametrize(
    "output",
    [
        {"$set": {"a.b": 1}, "": None},
        10**40,
        "\ud800",
        [None, True, 1.5, -0.0],
        "x" * 100_000,
        "y" * (5 * 1024 * 1024) + "z",
    ],
    ids=["operators", "big integer", "surrogate", "mixed", "compressed", "compressed large"],
)
async def test_any_json_value_survives(run: Running, output: JsonValue) -> None:
    await run.close("t", output=output)

    reply = await run.settle(the_input(), said("t", output=output, attempt=1))

    row = await run.row("t")
    assert reply.missing == []
    assert row.output == output
    assert row.output_digest == digest(output)
