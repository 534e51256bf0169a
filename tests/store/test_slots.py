"""Slots, as the store hands them out."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.errors import ConflictError
from store.clock import now
from store.models import ExecutionRecord, ExecutionStatus, SlotState
from store.projection import Projection
from store.slots import Held, slot_key
from tests.support.limits import held_by
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said

STARTED = now() - timedelta(hours=1)


@pytest.fixture
async def limited(stores: Stores) -> Stores:
    """Stores whose organization may run two executions at once."""
    await set_limit(stores, 2)
    return stores


async def set_limit(stores: Stores, limit: int | None) -> None:
    await stores.database["execution_slots"].update_one(
        {"_id": ORGANIZATION},
        {"$set": {"limit": limit}, "$setOnInsert": {"held": []}},
        upsert=True,
    )


async def queued(
    stores: Stores, minutes: int = 0, slot: SlotState = SlotState.FRESH, **changes: Any
) -> ExecutionRecord:
    """Return a stored execution that waits for a slot, since some minutes after the first."""
    since = STARTED + timedelta(minutes=minutes)
    return await stores.created(created_at=since, queued_at=since, slot=slot, **changes)


async def started(stores: Stores, record: ExecutionRecord) -> Running:
    """Stamp an execution that got a slot."""
    await stores.executions.mark_started(ORGANIZATION, record.id, 1, "run", now(), has_slot=True)
    return stores.run_of(record)


async def promoted(stores: Stores) -> list[str]:
    return [record.id for record in await stores.executions.slots.promote(ORGANIZATION)]


async def document_of(stores: Stores, record: ExecutionRecord) -> dict[str, Any]:
    executions: Any = stores.database["flow_executions"]
    found: dict[str, Any] = await executions.find_one({"_id": record.id})
    return found


async def test_the_first_in_line_come_first(limited: Stores) -> None:
    late, early, middle = [await queued(limited, minutes) for minutes in (3, 1, 2)]

    assert await promoted(limited) == [early.id, middle.id]
    assert await promoted(limited) == []

    await limited.executions.slots.free(ORGANIZATION, [slot_key(early.id, 1)])
    await started(limited, early)
    assert await promoted(limited) == [late.id]


async def test_resumes_go_before_fresh_starts(limited: Stores) -> None:
    early = await queued(limited, 1)
    resumed = await queued(limited, 5, SlotState.DEFERRED)

    assert await promoted(limited) == [resumed.id, early.id]


async def test_of_two_that_came_at_once_the_lower_id_goes_first(limited: Stores) -> None:
    records = [await queued(limited) for _ in range(4)]

    assert await promoted(limited) == sorted(record.id for record in records)[:2]


async def test_processes_that_promote_at_once_hand_out_no_slot_twice(limited: Stores) -> None:
    await set_limit(limited, 3)
    records = [await queued(limited, minutes) for minutes in range(10)]

    answers = await asyncio.gather(*(promoted(limited) for _ in range(8)))

    granted = [execution_id for answer in answers for execution_id in answer]
    assert sorted(granted) == sorted(record.id for record in records[:3])
    assert len(await held_by(limited.database, ORGANIZATION)) == 3


async def test_without_a_limit_the_whole_line_is_let_in(limited: Stores) -> None:
    await set_limit(limited, None)
    records = [await queued(limited, minutes) for minutes in range(105)]

    assert await promoted(limited) == [record.id for record in records]
    assert await promoted(limited) == []


async def test_a_lower_limit_takes_nothing_away(limited: Stores) -> None:
    first, second, third = [await queued(limited, minutes) for minutes in range(3)]
    await promoted(limited)
    await started(limited, first)
    await started(limited, second)
    await set_limit(limited, 1)

    assert len(await held_by(limited.database, ORGANIZATION)) == 2
    await limited.executions.slots.free(ORGANIZATION, [slot_key(first.id, 1)])
    assert await promoted(limited) == []
    await limited.executions.slots.free(ORGANIZATION, [slot_key(second.id, 1)])
    assert await promoted(limited) == [third.id]


async def test_an_organization_without_a_limit_has_nothing_counted(stores: Stores) -> None:
    run = await stores.running()
    await run.settle(said("in", output={"a": 1}))

    document = await document_of(stores, await run.record())
    assert {"slot", "queued_at"} & document.keys() == set()
    assert document["checked_at"] is not None
    assert await stores.database["execution_slots"].count_documents({}) == 0
    assert await promoted(stores) == []


async def test_whoever_is_stamped_is_no_longer_in_line(limited: Stores) -> None:
    record = await queued(limited)
    assert await limited.executions.open_records(10) == []
    await promoted(limited)

    await started(limited, record)

    document = await document_of(limited, record)
    assert (document["slot"], document["status"]) == ("held", "running")
    assert "queued_at" not in document
    assert [each.id for each in await limited.executions.open_records(10)] == [record.id]
    assert await limited.executions.slots.queued(ORGANIZATION, 10) == 0


async def test_a_stamp_that_comes_late_takes_no_slot_back(limited: Stores) -> None:
    record = await queued(limited)
    await limited.database["flow_executions"].update_one(
        {"_id": record.id}, {"$set": {"slot": "waiting"}, "$unset": {"queued_at": ""}}
    )

    await started(limited, record)

    assert (await document_of(limited, record))["slot"] == "waiting"


async def test_settling_gives_the_slot_back_and_tells(limited: Stores) -> None:
    told: list[str] = []

    async def freed(organization_id: str) -> None:
        assert await held_by(limited.database, ORGANIZATION) == []
        told.append(organization_id)

    limited.projection = Projection(limited.database, freed=freed)
    record = await queued(limited)
    await promoted(limited)
    run = await started(limited, record)

    await run.settle(said("in", output={"a": 1}))

    assert told == [ORGANIZATION]
    assert not (await run.record()).is_open


async def test_a_crash_between_close_and_slot_is_made_good_by_settling_again(
    limited: Stores,
) -> None:
    record = await queued(limited)
    await promoted(limited)
    run = await started(limited, record)
    words = said("in", output={"a": 1})
    await run.settle(words)
    await limited.database["execution_slots"].update_one(
        {"_id": ORGANIZATION}, {"$set": {"held": [slot_key(record.id, 1)]}}
    )

    await run.settle(words)

    assert await held_by(limited.database, ORGANIZATION) == []


async def again(stores: Stores, record: ExecutionRecord) -> ExecutionRecord:
    return await stores.executions.begin_generation(
        ORGANIZATION, record.id, record.generation, "full", 1, AUTHOR, is_limited=True
    )


async def test_a_new_generation_takes_over_the_slot(limited: Stores) -> None:
    record = await queued(limited)
    await promoted(limited)
    await started(limited, record)

    renewed = await again(limited, record)

    assert renewed.slot is SlotState.HELD
    assert renewed.queued_at is None
    assert await held_by(limited.database, ORGANIZATION) == [slot_key(record.id, 2)]
    assert (await document_of(limited, record))["checked_at"] is not None


async def test_a_generation_of_what_has_ended_gets_in_line_behind_the_others(
    limited: Stores,
) -> None:
    ended = await queued(limited, 1)
    await promoted(limited)
    await (await started(limited, ended)).settle(said("in", output={"a": 1}))
    await limited.executions.slots.free(ORGANIZATION, [slot_key(ended.id, 1)])
    others = [await queued(limited, minutes) for minutes in (5, 6)]

    renewed = await again(limited, ended)

    assert renewed.slot is SlotState.FRESH
    assert await promoted(limited) == [record.id for record in others]


async def test_a_generation_of_what_still_waits_keeps_its_place(limited: Stores) -> None:
    first = await queued(limited, 1)
    await queued(limited, 2)
    await set_limit(limited, 1)

    renewed = await again(limited, first)

    assert renewed.queued_at == first.queued_at
    assert await promoted(limited) == [first.id]


async def test_a_refused_generation_leaves_the_slot_where_it_was(limited: Stores) -> None:
    record = await queued(limited)
    await promoted(limited)
    await started(limited, record)
    await again(limited, record)

    with pytest.raises(ConflictError):
        await again(limited, record)

    assert await held_by(limited.database, ORGANIZATION) == [slot_key(record.id, 2)]


async def test_a_generation_without_a_limit_is_not_counted_any_more(limited: Stores) -> None:
    record = await queued(limited)

    renewed = await limited.executions.begin_generation(
        ORGANIZATION, record.id, 1, "full", 1, AUTHOR
    )

    assert (renewed.slot, renewed.queued_at) == (None, None)


async def test_slots_of_what_does_not_run_are_stale(limited: Stores) -> None:
    await set_limit(limited, 10)
    running, closed, renewed, waiting = [await queued(limited, minutes) for minutes in range(4)]
    await promoted(limited)
    for record in (running, closed, renewed, waiting):
        await started(limited, record)
    executions = limited.database["flow_executions"]
    await executions.update_one({"_id": closed.id}, {"$set": {"is_open": False}})
    await executions.update_one({"_id": renewed.id}, {"$set": {"generation": 2}})
    await executions.update_one({"_id": waiting.id}, {"$set": {"slot": "waiting"}})
    keys = [*await held_by(limited.database, ORGANIZATION), slot_key("nobody", 1)]

    stale = await limited.executions.slots.stale(Held(ORGANIZATION, keys))

    assert sorted(stale) == sorted(
        slot_key(each, 1) for each in (closed.id, renewed.id, waiting.id, "nobody")
    )


async def test_what_ran_before_there_was_a_limit_is_counted(limited: Stores) -> None:
    slots = limited.executions.slots
    running = await limited.running()
    unstarted = await limited.created()

    missing = await slots.missing(await slots.open_uncounted(ORGANIZATION))
    for record in missing:
        await slots.adopt(record)

    assert {record.id for record in missing} == {running.id, unstarted.id}
    assert await held_by(limited.database, ORGANIZATION) == [slot_key(running.id, 1)]
    assert await promoted(limited) == [unstarted.id]
    assert await slots.missing([await running.record()]) == []


async def test_whoever_cannot_begin_goes_to_the_end(limited: Stores) -> None:
    await set_limit(limited, 1)
    first, second = await queued(limited, 1), await queued(limited, 2)
    await promoted(limited)

    await limited.executions.slots.postpone(first)

    assert await promoted(limited) == [second.id]


async def test_an_organization_is_forgotten_when_nothing_is_counted_any_more(
    limited: Stores,
) -> None:
    slots = limited.executions.slots
    record = await queued(limited)
    await slots.forget_unlimited(ORGANIZATION)
    await set_limit(limited, None)
    await slots.forget_unlimited(ORGANIZATION)
    assert [each.organization_id for each in await slots.held(after="", limit=5)] == [ORGANIZATION]

    await limited.executions.close_unstarted(ORGANIZATION, record.id, 1, ExecutionStatus.CANCELLED)
    await slots.forget_unlimited(ORGANIZATION)

    assert await slots.held(after="", limit=5) == []


async def test_a_run_that_was_reset_is_counted_again(limited: Stores) -> None:
    record = await queued(limited)
    await promoted(limited)
    run = await started(limited, record)
    await run.settle(said("in", output={"a": 1}))
    reopened = replace(await run.record(), is_open=True)

    assert [each.id for each in await limited.executions.slots.missing([reopened])] == [record.id]
