"""Executions: run numbers, idempotency keys, generations, cancelling and deleting."""

import asyncio
from datetime import timedelta

import pytest

from flows.errors import (
    ConflictError,
    FlowExecutionNotFoundError,
    IdempotencyConflictError,
)
from store.clock import now
from store.models import ExecutionStatus, ProcessingStatus
from store.status import ACTIVE
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, a_flow, an_execution


async def test_what_was_created_is_what_is_read(stores: Stores) -> None:
    draft = an_execution(input={"$a.b": [1, {"c": 2**70}]})

    record = await stores.executions.create(draft)

    assert record.run_number == 1
    assert await stores.executions.get(ORGANIZATION, record.id) == record


async def test_parallel_creations_get_distinct_consecutive_run_numbers(stores: Stores) -> None:
    others = Stores(stores.database)

    records = await asyncio.gather(
        *(each.created(f"flow {number % 2}") for number in range(20) for each in (stores, others))
    )

    for flow_id in ("flow 0", "flow 1"):
        numbers = [record.run_number for record in records if record.flow_id == flow_id]
        assert sorted(numbers) == list(range(1, 21))


async def test_run_numbers_count_deleted_executions_and_no_re_executions(stores: Stores) -> None:
    first = await stores.running()
    await first.again()
    await stores.executions.delete(ORGANIZATION, first.id, AUTHOR)

    assert (await stores.created()).run_number == 2
    assert (await first.record()).run_number == 1


async def test_a_key_used_twice_gives_one_execution(stores: Stores) -> None:
    first = await stores.executions.create(an_execution(), ("key", "body"))

    again = await stores.executions.create(an_execution(), ("key", "body"))

    assert again == first
    assert (await stores.created()).run_number == 2


async def test_a_key_used_by_many_at_once_gives_one_execution(stores: Stores) -> None:
    others = Stores(stores.database)

    records = await asyncio.gather(
        *(each.executions.create(an_execution(), ("key", "body")) for each in (stores, others) * 8)
    )

    assert len({record.id for record in records}) == 1
    assert {record.run_number for record in records} == {1}
    assert await stores.database["flow_executions"].count_documents({}) == 1


async def test_a_key_with_another_body_is_refused_and_takes_no_number(stores: Stores) -> None:
    await stores.executions.create(an_execution(), ("key", "body"))

    with pytest.raises(IdempotencyConflictError):
        await stores.executions.create(an_execution(), ("key", "other"))

    assert (await stores.created()).run_number == 2


async def test_a_refused_key_does_not_hold_up_other_creations(stores: Stores) -> None:
    await stores.executions.create(an_execution(), ("key", "body"))

    refused, plain = await asyncio.gather(
        stores.executions.create(an_execution(), ("key", "other")),
        stores.executions.create(an_execution()),
        return_exceptions=True,
    )

    assert isinstance(refused, IdempotencyConflictError)
    assert not isinstance(plain, BaseException)
    assert plain.run_number == 2


async def test_organizations_do_not_share_keys(stores: Stores) -> None:
    first = await stores.executions.create(an_execution(), ("key", "body"))

    other = await stores.executions.create(
        an_execution("other", organization_id="organization-b"), ("key", "body")
    )

    assert other.id != first.id


async def test_a_key_is_free_again_after_a_day(stores: Stores) -> None:
    first = await stores.executions.create(an_execution(), ("key", "body"))
    yesterday = {"$set": {"created_at": now() - timedelta(hours=25)}}
    await stores.database["idempotency_keys"].update_one({}, yesterday)

    second = await stores.executions.create(an_execution(), ("key", "other"))

    assert second.id != first.id
    assert await stores.executions.create(an_execution(), ("key", "other")) == second


async def test_a_start_is_stamped_once_and_unwanted_once_closed(stores: Stores) -> None:
    record = await stores.created()
    at = now()
    assert await stores.executions.mark_started(ORGANIZATION, record.id, 1, "run", at)

    stamped = await stores.executions.get(ORGANIZATION, record.id)

    assert (stamped.status, stamped.started_generation) == (ExecutionStatus.RUNNING, 1)
    assert (stamped.run_id, stamped.started_at) == ("run", at)
    assert await stores.executions.mark_started(ORGANIZATION, record.id, 1, None, now())
    assert await stores.executions.get(ORGANIZATION, record.id) == stamped


async def test_a_start_of_an_older_generation_is_unwanted(run: Running) -> None:
    await run.again()

    assert not await run.stores.executions.mark_started(ORGANIZATION, run.id, 1, "run", now())


async def test_a_start_that_lost_to_a_cancellation_is_unwanted(stores: Stores) -> None:
    record = await stores.created()
    closed = await stores.executions.close_unstarted(
        ORGANIZATION, record.id, 1, ExecutionStatus.CANCELLED
    )

    assert closed
    assert not await stores.executions.mark_started(ORGANIZATION, record.id, 1, "run", now())
    status = (await stores.executions.get(ORGANIZATION, record.id)).status
    assert status is ExecutionStatus.CANCELLED


async def test_what_started_cannot_be_closed_as_unstarted(run: Running) -> None:
    assert not await run.stores.executions.close_unstarted(
        ORGANIZATION, run.id, 1, ExecutionStatus.CANCELLED
    )


async def test_a_start_stamped_after_the_end_changes_no_status(stores: Stores) -> None:
    run = stores.run_of(await stores.created())
    await run.settle(status="failed")

    assert await stores.executions.mark_started(ORGANIZATION, run.id, 1, "run", now())

    record = await run.record()
    assert (record.status, record.run_id, record.is_open) == (ExecutionStatus.FAILED, "run", False)


async def test_cancelling_marks_the_execution_and_its_open_attempts(run: Running) -> None:
    await run.open("t")
    await run.close("u", output=1)

    record = await run.stores.executions.request_cancel(ORGANIZATION, run.id, AUTHOR)

    assert record.status is ExecutionStatus.CANCEL_REQUESTED
    assert record.cancel_requested_at is not None
    assert record.modified_by == AUTHOR
    assert (await run.row("t")).processing_status is ProcessingStatus.CANCEL_REQUESTED
    assert (await run.row("u")).processing_status is ProcessingStatus.COMPLETED
    assert await run.stores.executions.request_cancel(ORGANIZATION, run.id, "late") == record


async def test_cancelling_what_has_ended_changes_nothing(run: Running) -> None:
    await run.settle()
    before = await run.record()

    assert await run.stores.executions.request_cancel(ORGANIZATION, run.id, AUTHOR) == before


async def test_a_generation_begins_open_queued_and_clean(run: Running) -> None:
    await run.settle(status="failed")

    record = await run.stores.executions.begin_generation(
        ORGANIZATION, run.id, 1, "stale", 2, AUTHOR
    )

    assert (record.generation, record.mode, record.flow_version) == (2, "stale", 2)
    assert (record.status, record.is_open) == (ExecutionStatus.QUEUED, True)
    assert record.started_generation == 1
    assert (record.closed_at, record.run_id, record.error) == (None, None, None)
    assert record.modified_by == AUTHOR


async def test_of_two_re_executions_at_once_one_is_refused(run: Running) -> None:
    answers = await asyncio.gather(
        *(
            run.stores.executions.begin_generation(ORGANIZATION, run.id, 1, "full", 1, AUTHOR)
            for _ in range(2)
        ),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == [
        "ConflictError",
        "ExecutionRecord",
    ]
    assert (await run.record()).generation == 2
    with pytest.raises(ConflictError):
        await run.stores.executions.begin_generation(ORGANIZATION, run.id, 1, "full", 1, AUTHOR)


async def test_deleting_is_final_and_may_be_repeated(run: Running) -> None:
    executions = run.stores.executions
    await executions.delete(ORGANIZATION, run.id, AUTHOR)
    deleted = await run.record()
    await executions.delete(ORGANIZATION, run.id, "somebody else")

    assert await run.record() == deleted
    assert (deleted.status, deleted.modified_by) == (ExecutionStatus.DELETED, AUTHOR)
    with pytest.raises(FlowExecutionNotFoundError):
        await executions.get(ORGANIZATION, run.id)
    with pytest.raises(FlowExecutionNotFoundError):
        await executions.set_status(ORGANIZATION, run.id, ExecutionStatus.RUNNING, AUTHOR)
    with pytest.raises(FlowExecutionNotFoundError):
        await executions.begin_generation(ORGANIZATION, run.id, 1, "full", 1, AUTHOR)
    assert await run.rows()


async def test_deleting_what_never_was_is_told(stores: Stores) -> None:
    with pytest.raises(FlowExecutionNotFoundError):
        await stores.executions.delete(ORGANIZATION, "nobody's", AUTHOR)


@pytest.mark.parametrize("late", ACTIVE)
async def test_a_status_never_moves_back(run: Running, late: ExecutionStatus) -> None:
    await run.settle()
    before = await run.record()

    shown = await run.stores.executions.set_status(ORGANIZATION, run.id, late, AUTHOR)

    assert shown == before


async def test_a_status_that_may_follow_is_shown(run: Running) -> None:
    executions = run.stores.executions
    waiting = await executions.set_status(
        ORGANIZATION, run.id, ExecutionStatus.AWAITING_INPUT, AUTHOR
    )
    running = await executions.set_status(ORGANIZATION, run.id, ExecutionStatus.RUNNING, AUTHOR)

    assert waiting.status is ExecutionStatus.AWAITING_INPUT
    assert running.status is ExecutionStatus.RUNNING
    assert running.modified_by == AUTHOR


async def test_the_reconciler_sees_open_executions_in_turn(stores: Stores) -> None:
    records = [await stores.created(created_at=now() - timedelta(hours=1)) for _ in range(3)]
    await stores.run_of(records[1]).settle()
    await stores.executions.delete(ORGANIZATION, records[2].id, AUTHOR)
    newest = await stores.created("other", organization_id="organization-b")

    first = await stores.executions.open_records(2)
    second = await stores.executions.open_records(2)

    assert {record.id for record in first} == {records[0].id, records[2].id}
    assert second[0].id == newest.id


async def test_counts_follow_versions_and_leave_out_deleted_executions(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())
    runs = [await stores.running(flow.id) for _ in range(3)]
    assert await stores.flows.counts(ORGANIZATION, [flow.id]) == {flow.id: (3, 3)}

    await stores.flows.add_version(ORGANIZATION, flow.id, {"tasks": []}, AUTHOR, 1)
    await stores.executions.begin_generation(ORGANIZATION, runs[0].id, 1, "full", 2, AUTHOR)
    await stores.executions.delete(ORGANIZATION, runs[1].id, AUTHOR)
    await stores.executions.delete(ORGANIZATION, runs[1].id, AUTHOR)

    assert await stores.flows.counts(ORGANIZATION, [flow.id]) == {flow.id: (2, 1)}
    assert await stores.flows.counts("organization-b", [flow.id]) == {}
