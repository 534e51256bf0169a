"""What callers may do with executions, and what is left to the reconciler."""

import asyncio
from dataclasses import replace

import pytest

from contracts.names import flow_workflow_id
from flows.errors import (
    ConflictError,
    FlowExecutionNotFoundError,
    FlowNotFoundError,
    ForbiddenError,
    IdempotencyConflictError,
    InvalidDefinitionError,
    InvalidError,
    InvalidInputError,
)
from operations.caller import Role
from runtime.gateway import RunStatus
from store.models import ExecutionQuery, ExecutionStatus
from tests.support.effect_flows import INPUT, Json, a_flow, a_form, a_note
from tests.support.operations import Operations, a_caller


async def test_a_new_execution_is_started(operations: Operations) -> None:
    record = await operations.an_execution()

    described = await operations.described(record)
    now = await operations.now(record)

    assert described is not None
    assert described.is_running
    assert (now.status, now.started_generation) == (ExecutionStatus.RUNNING, 1)
    assert now.run_id == described.run_id
    assert record.run_number == 1


async def test_a_new_execution_is_recorded_while_temporal_is_down(cut_off: Operations) -> None:
    record = await cut_off.an_execution()

    now = await cut_off.now(record)

    assert (now.status, now.is_open, now.started_generation) == (ExecutionStatus.QUEUED, True, 0)


async def test_input_that_does_not_fit_leaves_no_execution_and_no_gap(
    operations: Operations,
) -> None:
    flow_id = await operations.a_flow()

    with pytest.raises(InvalidInputError) as caught:
        await operations.executions.create(operations.caller, flow_id, {"text": 1})
    record = await operations.executions.create(operations.caller, flow_id, INPUT)

    assert [fault.location for fault in caught.value.faults] == [("text",)]
    assert record.run_number == 1
    assert await _listed(operations, flow_id) == [record.id]


async def test_a_flow_without_tasks_cannot_run(operations: Operations) -> None:
    flow_id = await operations.a_flow({"name": "empty", "tasks": []})

    with pytest.raises(InvalidDefinitionError):
        await operations.executions.create(operations.caller, flow_id, INPUT)


async def test_an_input_task_must_be_named_where_there_are_several(
    operations: Operations,
) -> None:
    second = {**a_form(), "name": "other form"}
    flow_id = await operations.a_flow(a_flow(second, a_note("note", "form")))
    create = operations.executions.create

    with pytest.raises(InvalidInputError):
        await create(operations.caller, flow_id, INPUT)
    with pytest.raises(InvalidInputError):
        await create(operations.caller, flow_id, INPUT, input_task_name="note")
    record = await create(operations.caller, flow_id, INPUT, input_task_name="other form")

    assert record.input_task_name == "other form"
    assert record.triggered_task_executor_name == "custom_form_input"


async def test_a_repeated_key_gives_the_same_execution_and_starts_it_if_needed(
    operations: Operations, cut_off: Operations
) -> None:
    flow_id = await operations.a_flow()
    caller = operations.caller
    first = await cut_off.executions.create(caller, flow_id, INPUT, idempotency_key="k")

    second = await operations.executions.create(caller, flow_id, INPUT, idempotency_key="k")

    assert second.id == first.id
    assert (await operations.now(first)).started_generation == 1
    with pytest.raises(IdempotencyConflictError):
        await operations.executions.create(caller, flow_id, {"text": "other"}, idempotency_key="k")


async def test_only_those_who_may_execute_do(operations: Operations) -> None:
    flow_id = await operations.a_flow()
    worker = replace(operations.caller, role=Role.WORKER)

    with pytest.raises(ForbiddenError):
        await operations.executions.create(worker, flow_id, INPUT)
    with pytest.raises(ForbiddenError):
        await operations.executions.create(a_caller(), flow_id, INPUT)
    with pytest.raises(FlowNotFoundError):
        await operations.executions.create(operations.caller, "0" * 36, INPUT)


async def test_strangers_are_told_only_where_that_is_documented(operations: Operations) -> None:
    record = await operations.an_execution()
    stranger = a_caller()

    with pytest.raises(ForbiddenError):
        await operations.executions.get(stranger, record.id)
    with pytest.raises(ForbiddenError):
        await operations.executions.delete(stranger, record.id)
    with pytest.raises(ForbiddenError):
        await operations.executions.re_execute(stranger, record.id)
    with pytest.raises(FlowExecutionNotFoundError):
        await operations.executions.cancel(stranger, record.id)
    with pytest.raises(FlowExecutionNotFoundError):
        await operations.executions.set_status(stranger, record.id, ExecutionStatus.FAILED)


async def test_a_running_execution_is_asked_to_stop(operations: Operations) -> None:
    record = await operations.an_execution()

    await operations.executions.cancel(operations.caller, record.id)

    described = await operations.described(record)
    assert described is not None
    assert described.is_cancel_requested
    assert (await operations.now(record)).status is ExecutionStatus.CANCEL_REQUESTED


async def test_an_execution_that_never_started_is_cancelled_at_once(
    operations: Operations, cut_off: Operations
) -> None:
    record = await cut_off.an_execution()

    await cut_off.executions.cancel(cut_off.caller, record.id)

    now = await operations.now(record)
    assert (now.status, now.is_open) == (ExecutionStatus.CANCELLED, False)
    assert await operations.reconcile() == {}
    assert await operations.described(record) is None


async def test_a_start_that_lost_the_race_against_cancel_is_undone(
    operations: Operations, cut_off: Operations
) -> None:
    record = await cut_off.an_execution()
    await cut_off.executions.cancel(cut_off.caller, record.id)

    is_wanted = await operations.starter.start(record)

    described = await operations.described(record)
    assert not is_wanted
    assert described is not None
    assert described.status is RunStatus.TERMINATED


async def test_a_cancellation_that_temporal_did_not_hear_is_repeated(
    operations: Operations, cut_off: Operations
) -> None:
    record = await operations.an_execution()
    await cut_off.executions.cancel(operations.caller, record.id)
    before = await operations.described(record)

    assert await operations.reconcile() == {"looked_at": 1, "cancelled": 1}

    described = await operations.described(record)
    assert before is not None
    assert not before.is_cancel_requested
    assert described is not None
    assert described.is_cancel_requested
    assert await operations.reconcile() == {"looked_at": 1}


async def test_running_again_ends_the_older_generation(operations: Operations) -> None:
    record = await operations.an_execution()
    await operations.flows.update_definition(
        operations.caller, record.flow_id, a_flow(a_note("renamed", "form"))
    )

    await operations.executions.re_execute(operations.caller, record.id)

    now = await operations.now(record)
    first, second = [await operations.described(record, n) for n in (1, 2)]
    assert first is not None
    assert first.status is RunStatus.TERMINATED
    assert second is not None
    assert second.is_running
    assert (now.generation, now.flow_version, now.run_number) == (2, 2, 1)


async def test_running_again_while_temporal_is_down_is_finished_by_the_reconciler(
    operations: Operations, cut_off: Operations
) -> None:
    record = await operations.an_execution()
    await cut_off.executions.re_execute(operations.caller, record.id)

    await operations.reconcile()

    first, second = [await operations.described(record, n) for n in (1, 2)]
    assert first is not None
    assert first.status is RunStatus.TERMINATED
    assert second is not None
    assert second.is_running


async def test_of_two_who_run_it_again_at_once_one_is_refused(operations: Operations) -> None:
    record = await operations.an_execution()

    answers = await asyncio.gather(
        *(operations.executions.re_execute(operations.caller, record.id) for _ in range(2)),
        return_exceptions=True,
    )

    now = await operations.now(record)
    refused = [answer for answer in answers if answer is not None]
    assert all(isinstance(answer, ConflictError) for answer in refused)
    assert now.generation == 3 - len(refused)


async def test_a_version_that_cannot_run_on_the_input_refuses_and_changes_nothing(
    operations: Operations,
) -> None:
    record = await operations.an_execution()
    file_task: Json = {"name": "file", "task_executor_name": "receive_file"}
    other: Json = {"name": "other", "tasks": [file_task]}
    await operations.flows.update_definition(operations.caller, record.flow_id, other)

    with pytest.raises(ConflictError):
        await operations.executions.re_execute(operations.caller, record.id)

    assert (await operations.now(record)).generation == 1
    described = await operations.described(record)
    assert described is not None
    assert described.is_running


async def test_a_deleted_flow_runs_no_more_but_its_executions_remain(
    operations: Operations,
) -> None:
    record = await operations.an_execution()
    await operations.flows.delete(operations.caller, record.flow_id)

    with pytest.raises(ConflictError):
        await operations.executions.re_execute(operations.caller, record.id)

    assert (await operations.executions.get(operations.caller, record.id)).id == record.id


async def test_deleting_hides_but_does_not_stop(operations: Operations) -> None:
    record = await operations.an_execution()

    await operations.executions.delete(operations.caller, record.id)
    await operations.executions.delete(operations.caller, record.id)

    described = await operations.described(record)
    assert described is not None
    assert described.is_running
    with pytest.raises(FlowExecutionNotFoundError):
        await operations.executions.get(operations.caller, record.id)
    assert await _listed(operations, record.flow_id) == []


async def test_an_execution_deleted_before_it_started_is_not_started(
    operations: Operations, cut_off: Operations
) -> None:
    record = await cut_off.an_execution()
    await operations.executions.delete(cut_off.caller, record.id)

    await operations.reconcile()

    now = await operations.now(record)
    assert (now.status, now.is_open) == (ExecutionStatus.DELETED, False)
    assert await operations.described(record) is None


async def test_a_range_that_ends_before_it_begins_is_refused(operations: Operations) -> None:
    record = await operations.an_execution()
    query = ExecutionQuery(
        record.flow_id,
        created_after=record.updated_at.replace(year=2999),
        created_before=record.updated_at,
    )

    with pytest.raises(InvalidError):
        await operations.executions.list(operations.caller, query)


async def test_every_generation_has_a_workflow_of_its_own(operations: Operations) -> None:
    record = await operations.an_execution()
    for _ in range(3):
        await operations.executions.re_execute(operations.caller, record.id)

    described = [await operations.described(record, n) for n in (1, 2, 3, 4)]

    assert [found.is_running for found in described if found] == [False, False, False, True]
    assert [found.workflow_id for found in described if found] == [
        flow_workflow_id(record.id, n) for n in (1, 2, 3, 4)
    ]


async def _listed(operations: Operations, flow_id: str) -> list[str]:
    records = await operations.executions.list(operations.caller, ExecutionQuery(flow_id))
    return [record.id for record in records]
