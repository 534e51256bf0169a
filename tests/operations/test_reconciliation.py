"""Runs that ended without a word: their history settles them."""

from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase

from contracts.messages import ReconcileCall
from contracts.names import flow_workflow_id
from store.clock import now
from store.models import ExecutionRecord, ExecutionStatus, ProcessingStatus
from tests.support.effect_flows import Json, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.operations import Operations
from tests.support.receiver import Receiver

Shown = dict[tuple[str, int | None], tuple[str, int]]


async def shown(operations: Operations, record: ExecutionRecord) -> Shown:
    """Return status and number of the last visible attempt of every task and item."""
    rows = sorted(await operations.audit.rows(record.id), key=lambda row: row.attempt)
    return {(row.task_name, row.item): (row.processing_status.value, row.attempt) for row in rows}


async def closed(operations: Operations, record: ExecutionRecord) -> ExecutionRecord:
    """Wait until an execution has been settled, and return it."""

    async def is_closed() -> ExecutionRecord | None:
        current = await operations.now(record)
        return None if current.is_open else current

    return await eventually(is_closed)


async def forget(database: AsyncIOMotorDatabase, record: ExecutionRecord) -> None:
    """Make the read model what it would be had nothing been reported since the start."""
    rows: Any = database["task_executions"]
    await rows.delete_many({"execution_id": record.id})
    await database["task_outputs"].delete_many({"execution_id": record.id})
    await database["flow_executions"].update_one(
        {"_id": record.id},
        {"$set": {"is_open": True, "status": "running", "closed_at": None, "error": None}},
    )


async def test_a_run_terminated_from_outside_is_settled_as_failed(
    at_work: Operations, receiver: Receiver
) -> None:
    receiver.gate("/hangs")
    record = await at_work.an_execution(
        a_flow(a_note("note", "form"), an_effect("hangs", receiver, "/hangs", "note"))
    )
    await eventually(lambda: receiver.arrived("/hangs"))
    await at_work.gateway.terminate(flow_workflow_id(record.id, 1), "by an operator")

    assert await at_work.reconcile() == {"looked_at": 1, "settled": 1}

    settled = await at_work.now(record)
    assert settled.status is ExecutionStatus.FAILED
    assert settled.error is not None
    assert settled.error["type"] == "WorkflowTerminated"
    assert await shown(at_work, record) == {
        ("form", None): ("completed", 1),
        ("note", None): ("completed", 1),
        ("hangs", None): ("cancelled", 1),
    }
    assert await at_work.differences() == []
    assert await at_work.reconcile() == {}


async def test_whoever_asked_to_cancel_gets_that_however_the_run_was_ended(
    operations: Operations,
) -> None:
    record = await operations.an_execution()
    await operations.executions.cancel(operations.caller, record.id)
    await operations.gateway.terminate(flow_workflow_id(record.id, 1), "by an operator")

    await operations.reconcile()

    assert (await operations.now(record)).status is ExecutionStatus.CANCELLED
    assert await operations.differences() == []


async def test_a_run_that_temporal_has_lost_is_settled_as_failed(
    operations: Operations, cut_off: Operations
) -> None:
    record = await cut_off.an_execution()
    await operations.repository.mark_started(
        record.organization_id, record.id, 1, "a run of a server whose state is gone", now()
    )

    assert await operations.reconcile() == {"looked_at": 1, "settled": 1}

    settled = await operations.now(record)
    assert settled.status is ExecutionStatus.FAILED
    assert settled.error is not None
    assert settled.error["type"] == "HistoryLost"
    assert await operations.differences() == []


async def test_a_read_model_that_missed_everything_is_restored_from_history(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase
) -> None:
    receiver.failures_left["/once"] = 1
    retry: Json = {"max_attempts": 3, "initial_interval_seconds": 0.01}
    record = await at_work.an_execution(
        a_flow(
            a_note("note", "form"), an_effect("call", receiver, "/once", "note", retry_policy=retry)
        )
    )
    await closed(at_work, record)
    before = await at_work.audit.outputs(record.id)
    await forget(database, record)

    assert await at_work.reconcile() == {"looked_at": 1, "settled": 1}

    after = await at_work.audit.outputs(record.id)
    assert (await at_work.now(record)).status is ExecutionStatus.COMPLETED
    assert [(found.task_name, found.output) for found in after] == [
        (found.task_name, found.output) for found in before
    ]
    assert await shown(at_work, record) == {
        ("form", None): ("completed", 1),
        ("note", None): ("completed", 1),
        ("call", None): ("completed", 2),
    }
    assert await at_work.differences() == []


async def test_a_failure_and_an_iteration_are_restored_from_history(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase
) -> None:
    """Three items, then a task that fails for good."""
    urls: Json = {
        "name": "urls",
        "task_executor_name": "python_code",
        "parameters": {"code": f"result = ['{receiver.url}/' + str(n) for n in range(3)]"},
    }
    each: Json = {
        "name": "each",
        "task_executor_name": "http_request",
        "parameters": {"url": "{{urls.output}}"},
    }
    fails = an_effect("fails", receiver, "/fails", "each", retry_policy={"max_attempts": 1})
    receiver.failures_left["/fails"] = 1
    flow = a_flow(urls, each, fails)
    flow["edges"] = [{"source": "form", "target": "urls"}]
    record = await at_work.an_execution(flow)
    ended = await closed(at_work, record)
    before = await shown(at_work, record)
    await forget(database, record)

    assert await at_work.reconcile() == {"looked_at": 1, "settled": 1}

    settled = await at_work.now(record)
    assert ended.status is settled.status is ExecutionStatus.FAILED
    assert settled.error == ended.error
    assert await shown(at_work, record) == before
    outputs = {found.task_name: found for found in await at_work.audit.outputs(record.id)}
    assert outputs["each"].processing_status is ProcessingStatus.COMPLETED
    assert isinstance(outputs["each"].output, list)
    assert len(outputs["each"].output) == 3
    assert await at_work.differences() == []


async def test_a_round_is_bounded_and_comes_to_everybody_in_turn(
    cut_off: Operations, operations: Operations
) -> None:
    records = [await cut_off.an_execution() for _ in range(3)]

    replies = [await operations.reconciler.round(ReconcileCall(limit=1)) for _ in range(3)]

    assert [reply.started for reply in replies] == [1, 1, 1]
    started = [(await operations.now(record)).started_generation for record in records]
    assert started == [1, 1, 1]


async def test_one_that_cannot_be_put_right_does_not_hold_up_the_others(
    cut_off: Operations, operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    broken = await cut_off.an_execution()
    sound = await cut_off.an_execution()
    await database["flow_versions"].delete_one({"flow_id": broken.flow_id})

    assert await operations.reconcile() == {"looked_at": 2, "started": 1, "failed": 1}

    assert (await operations.now(sound)).started_generation == 1


async def test_an_execution_that_ends_while_it_is_looked_at_is_left_alone(
    at_work: Operations,
) -> None:
    """The record was read open; by the time its workflow is described, both have ended."""
    record = await at_work.an_execution()
    stale = await at_work.now(record)
    await closed(at_work, record)
    settled = await at_work.now(record)

    await at_work.reconciler.look(stale)

    assert await at_work.now(record) == settled
