"""A run whose last workflow task was thrown away settles once more, and then otherwise."""

from contracts.messages import TaskState
from store.models import ExecutionStatus
from tests.support.stores import ORGANIZATION, Running, Stores, said


async def test_a_run_that_was_cancelled_after_all_is_shown_so(run: Running) -> None:
    await run.close("t", output=1, executor="format_data")
    await run.settle(said("in", output={"a": 1}), said("t", output=1, attempt=1))

    reply = await run.settle(said("in", output={"a": 1}), status="cancelled", unreached=["t"])

    assert not reply.superseded
    record = await run.record()
    assert (record.status, record.is_open) == (ExecutionStatus.CANCELLED, False)
    assert {row.task_name for row in await run.rows()} == {"in"}
    outputs = await run.stores.task_outputs.of_execution(ORGANIZATION, run.id)
    assert {output.task_name for output in outputs} == {"in"}


async def test_settling_the_same_outcome_again_changes_nothing(run: Running) -> None:
    await run.close("t", output=1)
    words = (said("in", output={"a": 1}), said("t", output=1, attempt=1))
    await run.settle(*words)
    first = await run.record()

    await run.settle(*words)

    assert await run.record() == first
    assert {row.task_name for row in await run.rows()} == {"in", "t"}


async def test_what_a_person_made_of_a_settled_execution_stands(run: Running) -> None:
    await run.settle(said("in", output={"a": 1}))
    await run.stores.executions.set_status(ORGANIZATION, run.id, ExecutionStatus.STALE, "person")

    await run.settle(said("in", output={"a": 1}), status="cancelled")

    assert (await run.record()).status is ExecutionStatus.STALE


async def test_results_of_earlier_generations_stay_where_a_run_never_came(
    stores: Stores,
) -> None:
    first = await stores.running()
    await first.close("t", output=1)
    await first.settle(said("in", output={"a": 1}), said("t", output=1, attempt=1))
    again = await first.again("stale")

    await again.settle(
        said("in", output={"a": 1}, state=TaskState.COMPLETED), status="failed", unreached=["t"]
    )

    assert (await again.row("t")).output == 1


async def test_a_deleted_execution_is_settled_otherwise_as_well(run: Running) -> None:
    await run.close("t", output=1, executor="format_data")
    await run.settle(said("in", output={"a": 1}), said("t", output=1, attempt=1))
    await run.stores.executions.delete(ORGANIZATION, run.id, "person")

    reply = await run.settle(said("in", output={"a": 1}), status="cancelled", unreached=["t"])

    assert not reply.superseded
    assert (await run.record()).status is ExecutionStatus.DELETED
    assert {row.task_name for row in await run.rows()} == {"in"}
