"""Writes of a Temporal run that the execution does not know."""

from collections.abc import Sequence

import pytest

from contracts.messages import RunContext, TaskSettlement, TaskState
from flows.errors import ExecutionSupersededError
from store.adoption import Adoption
from store.clock import now
from store.models import ExecutionStatus, ProcessingStatus
from store.projection import Projection
from tests.support.stores import ORGANIZATION, STRANGER, Running, Stores, said

OTHER_RUN = "another run"


def adopting(stores: Stores, *words: TaskSettlement) -> Projection:
    """Return a projection that takes the other run for the current one."""

    async def adopt(context: RunContext, run_id: str) -> Sequence[TaskSettlement] | None:
        adoption = Adoption(stores.database)
        await adoption.adopt(
            context.organization_id, context.flow_execution_id, context.generation, run_id
        )
        return words

    return Projection(stores.database, adopt)


async def test_another_run_may_not_write_unless_it_is_the_current_one(run: Running) -> None:
    with pytest.raises(ExecutionSupersededError):
        await run.stores.projection.open_attempt(run.call("t"), 1, OTHER_RUN, now())

    assert await run.rows(task_name="t") == []


async def test_a_closed_execution_opens_for_its_current_run(run: Running) -> None:
    await run.open("t")
    await run.close("t", error="no", was_opened=True)
    await run.settle(said("t", TaskState.FAILED, attempt=1), status="failed")

    await adopting(run.stores).open_attempt(run.call("t"), 1, OTHER_RUN, now())

    record, row = await run.record(), await run.row("t")
    assert (record.status, record.is_open) == (ExecutionStatus.IN_PROGRESS, True)
    assert (record.run_id, record.error) == (OTHER_RUN, None)
    assert (row.processing_status, row.run_id) == (ProcessingStatus.RUNNING, OTHER_RUN)


async def test_what_the_current_run_took_over_stays(run: Running) -> None:
    await run.open("t")
    await run.close("t", output=1, was_opened=True)
    await run.settle(said("t", output=1, attempt=1), status="failed")
    taken_over = said("t", output=1, attempt=1).model_copy(update={"output": 1, "has_output": True})

    await adopting(run.stores, taken_over).open_attempt(run.call("u"), 1, OTHER_RUN, now())

    row = await run.row("t")
    assert (row.processing_status, row.output) == (ProcessingStatus.COMPLETED, 1)


async def test_adopting_twice_discards_nothing_of_the_adopted_run(run: Running) -> None:
    await adopting(run.stores).open_attempt(run.call("t"), 1, OTHER_RUN, now())

    adoption = Adoption(run.stores.database)
    assert await adoption.adopt(ORGANIZATION, run.id, 1, OTHER_RUN)

    assert len(await run.rows(task_name="t")) == 1


async def test_nobody_adopts_for_another_organization_or_generation(run: Running) -> None:
    await run.open("t")
    adoption = Adoption(run.stores.database)

    assert not await adoption.adopt(STRANGER, run.id, 1, OTHER_RUN)
    assert not await adoption.adopt(ORGANIZATION, run.id, 2, OTHER_RUN)

    assert len(await run.rows(task_name="t")) == 1


async def test_a_deleted_execution_stays_deleted(run: Running) -> None:
    await run.settle(status="failed")
    await run.stores.executions.delete(ORGANIZATION, run.id, "somebody")

    await adopting(run.stores).open_attempt(run.call("t"), 1, OTHER_RUN, now())

    record = await run.record()
    assert (record.status, record.is_open) == (ExecutionStatus.DELETED, True)


async def test_the_run_that_was_replaced_is_refused_from_then_on(run: Running) -> None:
    await adopting(run.stores).open_attempt(run.call("t"), 1, OTHER_RUN, now())

    with pytest.raises(ExecutionSupersededError):
        await run.open("u")
    await run.close("t", output="late", was_opened=True)

    row = await run.row("t")
    assert (row.processing_status, row.output) == (ProcessingStatus.RUNNING, None)
