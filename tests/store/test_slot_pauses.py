"""Slots of executions that wait altogether."""

from typing import Any

import pytest

from contracts.messages import RunContext
from contracts.names import flow_workflow_id
from store.models import SlotState
from store.parking import Parking
from store.slot_pauses import SlotPauses
from store.slots import Held, slot_key
from tests.store.test_slots import promoted, queued, set_limit, started
from tests.support.limits import held_by
from tests.support.stores import ORGANIZATION, Running, Stores


@pytest.fixture
def pauses(stores: Stores) -> SlotPauses:
    return stores.executions.pauses


@pytest.fixture
async def counted(stores: Stores) -> Running:
    """An execution that holds the only slot of its organization."""
    await set_limit(stores, 1)
    record = await queued(stores)
    await promoted(stores)
    return await started(stores, record)


def workflow_of(run: Running) -> str:
    return flow_workflow_id(run.id, run.context.generation)


async def park(run: Running, workflow_id: str | None = None, *children: str) -> bool:
    parking = Parking(run.stores.database)
    return await parking.park(run.context, workflow_id or workflow_of(run), children)


async def unpark(run: Running, workflow_id: str | None = None) -> None:
    await Parking(run.stores.database).unpark(run.context, workflow_id or workflow_of(run))


async def held(run: Running) -> list[str]:
    return await held_by(run.stores.database, ORGANIZATION)


async def document_of(run: Running) -> dict[str, Any]:
    executions: Any = run.stores.database["flow_executions"]
    found: dict[str, Any] = await executions.find_one({"_id": run.id})
    return found


async def paused(pauses: SlotPauses, run: Running) -> None:
    await park(run)
    assert await pauses.give_back(run.context)


async def test_whoever_waits_altogether_gives_the_slot_back(
    pauses: SlotPauses, counted: Running
) -> None:
    await park(counted)

    assert await pauses.give_back(counted.context)
    assert not await pauses.give_back(counted.context)

    assert await held(counted) == []
    assert (await counted.record()).slot is SlotState.WAITING


async def test_whoever_does_not_wait_altogether_keeps_it(
    pauses: SlotPauses, counted: Running
) -> None:
    child = f"{workflow_of(counted)}/items"
    await park(counted, None, child)
    assert not await pauses.give_back(counted.context)
    await park(counted, child)
    await unpark(counted)

    assert not await pauses.give_back(counted.context)

    assert await held(counted) == [slot_key(counted.id, 1)]
    assert (await counted.record()).slot is SlotState.HELD


async def test_an_older_generation_gives_nothing_back(pauses: SlotPauses, counted: Running) -> None:
    await park(counted)
    older = counted.context.model_copy(update={"generation": 0})

    assert not await pauses.give_back(older)
    assert len(await held(counted)) == 1


async def test_one_that_is_not_stamped_yet_leaves_the_line_for_good(
    stores: Stores, pauses: SlotPauses
) -> None:
    await set_limit(stores, 1)
    record = await queued(stores)
    await promoted(stores)
    run = stores.run_of(record)

    await paused(pauses, run)
    await started(stores, record)

    assert (await run.record()).slot is SlotState.WAITING
    assert await promoted(stores) == []
    assert (await document_of(run))["checked_at"] is not None


async def test_whoever_is_woken_gets_in_line_before_fresh_starts(
    stores: Stores, pauses: SlotPauses, counted: Running
) -> None:
    await paused(pauses, counted)
    other, last = await queued(stores, 1), await queued(stores, 2)
    assert await promoted(stores) == [other.id]
    await started(stores, other)
    await unpark(counted)

    assert not await pauses.ask(counted.context, workflow_of(counted))
    assert not await pauses.is_let_in(counted.context, workflow_of(counted))
    await stores.executions.slots.free(ORGANIZATION, [slot_key(other.id, 1)])

    assert await promoted(stores) == [counted.id]
    assert await pauses.asking(ORGANIZATION, counted.id) == [workflow_of(counted)]
    assert await pauses.is_let_in(counted.context, workflow_of(counted))
    record = await counted.record()
    assert (record.slot, record.queued_at) == (SlotState.HELD, None)
    assert await pauses.asking(ORGANIZATION, counted.id) == []
    assert await promoted(stores) == []
    assert last.id not in await held(counted)


async def test_each_workflow_of_an_execution_asks_for_itself(
    stores: Stores, pauses: SlotPauses, counted: Running
) -> None:
    await paused(pauses, counted)
    since = [await _asked(pauses, counted, name) for name in ("one", "two")]
    await promoted(stores)

    assert since[0] == since[1]
    assert sorted(await pauses.asking(ORGANIZATION, counted.id)) == ["one", "two"]
    assert await pauses.is_let_in(counted.context, "one")
    found = await stores.executions.slots.stranded(Held(ORGANIZATION, await held(counted)))
    assert [record.id for record in found] == [counted.id]
    assert await pauses.is_let_in(counted.context, "two")
    assert await stores.executions.slots.stranded(Held(ORGANIZATION, await held(counted))) == []
    assert await pauses.ask(counted.context, "three")


async def _asked(pauses: SlotPauses, run: Running, workflow_id: str) -> object:
    assert not await pauses.ask(run.context, workflow_id)
    return (await run.record()).queued_at


async def test_without_a_limit_nobody_is_asked(stores: Stores, pauses: SlotPauses) -> None:
    run = await stores.running()
    await park(run)
    before = await document_of(run)

    assert not await pauses.give_back(run.context)
    assert await pauses.ask(run.context, workflow_of(run))

    assert await document_of(run) == before


async def test_whoever_ends_in_line_leaves_it(
    stores: Stores, pauses: SlotPauses, counted: Running
) -> None:
    await paused(pauses, counted)
    assert not await pauses.ask(counted.context, workflow_of(counted))

    await counted.settle(status="cancelled")

    assert await promoted(stores) == []
    assert await pauses.ask(counted.context, workflow_of(counted))


async def test_a_new_generation_of_what_waits_gets_in_line(
    stores: Stores, pauses: SlotPauses, counted: Running
) -> None:
    await paused(pauses, counted)

    renewed = await stores.executions.begin_generation(
        ORGANIZATION, counted.id, 1, "full", 1, "author", is_limited=True
    )

    assert renewed.slot is SlotState.FRESH
    assert await promoted(stores) == [counted.id]
    assert await held(counted) == [slot_key(counted.id, 2)]


async def test_what_waited_before_there_was_a_limit_holds_no_slot(
    stores: Stores, pauses: SlotPauses
) -> None:
    run = await stores.running()
    await park(run)
    await set_limit(stores, 1)
    slots = stores.executions.slots

    for record in await slots.missing(await slots.open_uncounted(ORGANIZATION)):
        await slots.adopt(record)

    assert await held(run) == []
    assert not await pauses.ask(run.context, workflow_of(run))
    assert await promoted(stores) == [run.id]


def other_of(run: Running, generation: int) -> RunContext:
    return run.context.model_copy(update={"generation": generation})


async def test_a_generation_that_was_replaced_may_ask_and_takes_nothing(
    stores: Stores, pauses: SlotPauses, counted: Running
) -> None:
    await paused(pauses, counted)
    await stores.executions.begin_generation(
        ORGANIZATION, counted.id, 1, "full", 1, "author", is_limited=True
    )

    assert await pauses.ask(other_of(counted, 1), workflow_of(counted))

    assert await pauses.asking(ORGANIZATION, counted.id) == []
    assert (await counted.record()).slot is SlotState.FRESH
