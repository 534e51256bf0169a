"""Organizations with a limit: who runs, who waits, and that no slot is ever lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client

from flows.errors import RateLimitedError
from operations.organizations import Organizations
from store.models import ExecutionRecord, ExecutionStatus, SlotState
from store.organizations import LIMIT, OrganizationRepository
from store.slots import slot_key
from tests.support.effect_flows import INPUT, a_flow, an_effect
from tests.support.eventually import eventually
from tests.support.limits import a_limited_caller, held_by, limit_to
from tests.support.operations import Operations, operations_on
from tests.support.receiver import Receiver
from tests.support.stores import an_execution


@pytest.fixture
async def limited(operations: Operations, database: AsyncIOMotorDatabase) -> Operations:
    """Use cases of an organization that may run two executions at once; nobody runs them."""
    return replace(operations, caller=await a_limited_caller(database, 2))


async def created(operations: Operations, count: int = 1) -> list[ExecutionRecord]:
    """Create executions of one flow, one after another."""
    flow_id = await operations.a_flow()
    create = operations.executions.create
    return [await create(operations.caller, flow_id, INPUT) for _ in range(count)]


async def statuses(operations: Operations, records: list[ExecutionRecord]) -> list[str]:
    return [(await operations.now(record)).status.value for record in records]


async def end(operations: Operations, record: ExecutionRecord) -> None:
    """Have a run end from outside, and the reconciler find out."""
    await operations.gateway.terminate(f"flow-execution:{record.id}:{record.generation}", "test")
    await operations.reconcile()


async def test_creations_at_once_leave_exactly_as_many_running_as_may(
    limited: Operations, database: AsyncIOMotorDatabase
) -> None:
    flow_id = await limited.a_flow()

    records = await asyncio.gather(
        *(limited.executions.create(limited.caller, flow_id, INPUT) for _ in range(8))
    )

    shown = await statuses(limited, records)
    assert sorted(shown) == ["queued"] * 6 + ["running"] * 2
    running = {r.id for r, status in zip(records, shown, strict=True) if status == "running"}
    held = await held_by(database, limited.caller.organization_id)
    assert sorted(held) == sorted(slot_key(execution_id, 1) for execution_id in running)
    for record in records:
        assert (await limited.described(record) is not None) == (record.id in running)
    assert await limited.differences() == []


async def test_whoever_ends_lets_the_next_one_in(limited: Operations) -> None:
    records = await created(limited, 4)
    assert await statuses(limited, records) == ["running", "running", "queued", "queued"]

    await end(limited, records[0])

    assert await statuses(limited, records) == ["failed", "running", "running", "queued"]


async def test_whoever_is_cancelled_before_its_start_leaves_the_line(limited: Operations) -> None:
    records = await created(limited, 4)

    await limited.executions.cancel(limited.caller, records[2].id)
    await end(limited, records[0])

    assert await statuses(limited, records) == ["failed", "running", "cancelled", "running"]
    assert await limited.described(records[2]) is None


async def test_whoever_is_deleted_before_its_start_leaves_the_line(
    limited: Operations, database: AsyncIOMotorDatabase
) -> None:
    records = await created(limited, 4)

    await limited.executions.delete(limited.caller, records[2].id)
    await limited.executions.set_status(limited.caller, records[3].id, ExecutionStatus.DELETED)

    assert await statuses(limited, records) == ["running", "running", "deleted", "deleted"]
    assert not (await limited.now(records[2])).is_open
    slots = limited.repository.slots
    assert await slots.queued(limited.caller.organization_id, 5) == 0
    await end(limited, records[0])
    assert len(await held_by(database, limited.caller.organization_id)) == 1


async def test_deleting_what_runs_gives_no_slot_back_until_it_ends(
    limited: Operations, database: AsyncIOMotorDatabase
) -> None:
    records = await created(limited, 3)

    await limited.executions.delete(limited.caller, records[0].id)
    await limited.reconcile()

    assert await statuses(limited, records) == ["deleted", "running", "queued"]
    await end(limited, records[0])
    assert await statuses(limited, records) == ["deleted", "running", "running"]


async def test_a_cancellation_under_way_keeps_its_slot(limited: Operations) -> None:
    records = await created(limited, 3)

    await limited.executions.cancel(limited.caller, records[0].id)
    await limited.reconcile()

    assert await statuses(limited, records) == ["cancel_requested", "running", "queued"]


async def test_running_again_keeps_the_slot_or_gets_in_line(
    limited: Operations, database: AsyncIOMotorDatabase
) -> None:
    records = await created(limited, 3)

    await limited.executions.re_execute(limited.caller, records[0].id)
    held = await held_by(database, limited.caller.organization_id)
    assert sorted(held) == sorted([slot_key(records[0].id, 2), slot_key(records[1].id, 1)])
    assert await statuses(limited, records) == ["running", "running", "queued"]

    renewed = await limited.now(records[0])
    await end(limited, renewed)
    await limited.executions.re_execute(limited.caller, records[0].id)

    assert await statuses(limited, records) == ["queued", "running", "running"]
    assert (await limited.now(records[0])).slot is SlotState.FRESH


async def test_a_crash_between_slot_and_start_is_made_good(limited: Operations) -> None:
    """The slot is taken and the process dies: nobody is told, and the line does not move."""
    flow_id, organization_id = await limited.a_flow(), limited.caller.organization_id
    records = []
    for _ in range(3):
        draft = an_execution(
            flow_id, organization_id=organization_id, input=INPUT, input_task_name="form"
        )
        in_line = replace(draft, slot=SlotState.FRESH, queued_at=draft.created_at)
        records.append(await limited.repository.create(in_line))
    granted = await limited.repository.slots.promote(organization_id)
    first, second, third = sorted(records, key=lambda record: (record.created_at, record.id))
    assert [record.id for record in granted] == [first.id, second.id]
    assert await statuses(limited, records) == ["queued"] * 3

    await limited.reconcile()

    assert await statuses(limited, [first, second, third]) == ["running", "running", "queued"]
    assert await limited.differences() == []


async def test_slots_of_what_has_ended_are_found_and_given_on(
    limited: Operations, database: AsyncIOMotorDatabase
) -> None:
    organization_id = limited.caller.organization_id
    slots: Any = database["execution_slots"]
    lost = {"$set": {"held": ["nobody:1", "nobody:2"]}}
    await slots.update_one({"_id": organization_id}, lost)
    records = await created(limited, 2)
    assert await statuses(limited, records) == ["queued", "queued"]

    await limited.reconcile()

    assert await statuses(limited, records) == ["running", "running"]


async def test_what_waits_in_line_while_temporal_is_down_is_started_later(
    limited: Operations, cut_off: Operations, database: AsyncIOMotorDatabase
) -> None:
    down = replace(cut_off, caller=limited.caller)
    records = await created(down, 3)
    assert await statuses(limited, records) == ["queued"] * 3
    assert len(await held_by(database, limited.caller.organization_id)) == 2

    await limited.executions.cancel(limited.caller, records[0].id)
    await limited.reconcile()

    assert await statuses(limited, records) == ["cancelled", "running", "running"]


async def test_a_limit_counts_what_runs_already(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    caller = await a_limited_caller(database, None)
    unlimited = replace(operations, caller=caller)
    before = await created(unlimited, 2)
    organizations = Organizations(OrganizationRepository(database), operations.starter.promotion)

    await organizations.put_settings(caller, {LIMIT: 2})
    limited = replace(operations, caller=replace(caller, is_limited=True))
    after = await created(limited, 2)

    assert await statuses(limited, [*before, *after]) == ["running"] * 2 + ["queued"] * 2
    await organizations.put_settings(caller, {LIMIT: 3})
    assert await statuses(limited, after) == ["running", "queued"]
    await organizations.put_settings(caller, {LIMIT: None})
    assert await statuses(limited, after) == ["running", "running"]


async def test_what_began_while_a_limit_was_set_is_counted_by_the_reconciler(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    caller = await a_limited_caller(database, None)
    (record,) = await created(replace(operations, caller=caller))
    await limit_to(database, caller.organization_id, 1)

    await operations.reconcile()

    assert await held_by(database, caller.organization_id) == [slot_key(record.id, 1)]
    assert (await operations.now(record)).slot is SlotState.HELD


async def test_an_organization_queues_only_so_many(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    bounded = await operations_on(database, temporal_client, task_queue, max_queued=1)
    caller = await a_limited_caller(database, 1)
    flow_id = await replace(bounded, caller=caller).a_flow()
    create = bounded.executions.create
    await create(caller, flow_id, INPUT)
    await create(caller, flow_id, INPUT, idempotency_key="repeated")

    with pytest.raises(RateLimitedError) as refused:
        await create(caller, flow_id, INPUT)
    again = await create(caller, flow_id, INPUT, idempotency_key="repeated")

    assert refused.value.retry_after >= timedelta(seconds=1)
    assert refused.value.facts == {"queued": 1}
    assert again.run_number == 2
    executions: Any = database["flow_executions"]
    assert await executions.count_documents({"flow_id": flow_id}) == 2


async def test_a_line_drains_in_the_order_of_creation(
    at_work: Operations, database: AsyncIOMotorDatabase, receiver: Receiver
) -> None:
    limited = replace(at_work, caller=await a_limited_caller(database, 1))
    flow_id = await limited.a_flow(a_flow(an_effect("call", receiver, "/call", "form")))
    gate = receiver.gate("/call")
    create = limited.executions.create
    records = [await create(limited.caller, flow_id, INPUT) for _ in range(5)]
    await eventually(lambda: receiver.arrived("/call"))
    assert sorted(await statuses(limited, records[1:])) == ["queued"] * 4
    gate.set()

    async def all_completed() -> bool:
        return set(await statuses(limited, records)) == {"completed"}

    await eventually(all_completed)

    ran = [key.partition("/")[0] for key in receiver.keys["/call"]]
    assert ran == [record.id for record in records]

    async def none_is_held() -> bool:
        return await held_by(database, limited.caller.organization_id) == []

    await eventually(none_is_held, saying="slots are given back after the close")
    assert await limited.differences() == []
