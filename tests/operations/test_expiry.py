"""Executions are deleted once they ended longer ago than their flow keeps them."""

from datetime import timedelta

from motor.motor_asyncio import AsyncIOMotorDatabase

from store.clock import now
from store.models import ExecutionRecord, ExecutionStatus
from tests.support.effect_flows import INPUT, Json
from tests.support.operations import Operations

MINUTE: Json = {"ttl": {"seconds": 60}}


async def an_ended_execution(
    cut_off: Operations,
    database: AsyncIOMotorDatabase,
    ago: timedelta,
    settings: Json | None = None,
) -> ExecutionRecord:
    """Store an execution that ended some time ago."""
    flow_id = await cut_off.a_flow(settings=settings)
    record = await cut_off.executions.create(cut_off.caller, flow_id, INPUT)
    await cut_off.executions.cancel(cut_off.caller, record.id)
    await database["flow_executions"].update_one(
        {"_id": record.id}, {"$set": {"closed_at": now() - ago}}
    )
    return record


async def test_what_ended_too_long_ago_is_deleted(
    operations: Operations, cut_off: Operations, database: AsyncIOMotorDatabase
) -> None:
    old = await an_ended_execution(cut_off, database, timedelta(seconds=61), MINUTE)
    young = await an_ended_execution(cut_off, database, timedelta(seconds=30), MINUTE)
    kept = await an_ended_execution(cut_off, database, timedelta(days=1_000))

    assert await operations.reconcile() == {"expired": 1}

    statuses = [(await operations.now(record)).status for record in (old, young, kept)]
    cancelled = ExecutionStatus.CANCELLED
    assert statuses == [ExecutionStatus.DELETED, cancelled, cancelled]
    assert await operations.reconcile() == {}


async def test_an_open_execution_does_not_expire(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    flow_id = await operations.a_flow(settings=MINUTE)
    record = await operations.executions.create(operations.caller, flow_id, INPUT)
    await database["flow_executions"].update_one(
        {"_id": record.id}, {"$set": {"created_at": now() - timedelta(days=1)}}
    )

    assert await operations.reconcile() == {"looked_at": 1}


async def test_a_changed_setting_counts_from_then_on(
    operations: Operations, cut_off: Operations, database: AsyncIOMotorDatabase
) -> None:
    first = await an_ended_execution(cut_off, database, timedelta(hours=1), MINUTE)
    second = await an_ended_execution(cut_off, database, timedelta(hours=1))
    await cut_off.flows.patch(cut_off.caller, first.flow_id, {"settings": None})
    await cut_off.flows.patch(cut_off.caller, second.flow_id, {"settings": MINUTE})

    assert await operations.reconcile() == {"expired": 1}

    assert (await operations.now(first)).status is ExecutionStatus.CANCELLED
    assert (await operations.now(second)).status is ExecutionStatus.DELETED
