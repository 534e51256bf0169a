"""Completing an execution as it stands: whole, or not at all, and only as it was when looked at."""

from dataclasses import replace

import pytest

from store.edits import Edit, EditRepository
from store.models import ExecutionRecord, ExecutionStatus
from tests.store.test_crashes import each_crash
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said


@pytest.fixture
async def edited(run: Running) -> Running:
    """A completed execution whose task ``a`` somebody edited, which outdated ``b``."""
    await run.close("a", output=1)
    await run.close("b", output=2)
    await run.settle(said("in", output={"a": 1}), said("a", output=1), said("b", output=2))
    await edit(run, "a", 7, dependants=["b"])
    return run


async def edit(run: Running, task_name: str, output: int, *, dependants: list[str]) -> None:
    record, row = await run.record(), await run.row(task_name)
    change = Edit(
        organization_id=ORGANIZATION,
        flow_execution_id=run.id,
        task_execution_id=row.id,
        output=output,
        fingerprint=row.fingerprint,
        dependants=dependants,
        modified_by=AUTHOR,
        edits_before=record.edit_count,
        flow_version=record.flow_version,
    )
    await EditRepository(run.stores.database).apply(change)


async def marks(run: Running) -> dict[str, tuple[str, str]]:
    return {row.task_name: (row.stale_status, row.edited_status) for row in await run.rows()}


async def confirmed(run: Running, record: ExecutionRecord, *skipped: str) -> bool:
    return await run.stores.executions.reuse.confirm(ORGANIZATION, record, skipped, "somebody")


async def test_everything_is_consistent_and_the_edit_taken_up(edited: Running) -> None:
    assert await confirmed(edited, await edited.record(), "nobody")

    record = await edited.record()
    assert (record.status, record.generation) == (ExecutionStatus.COMPLETED, 1)
    assert (record.is_open, record.modified_by) == (False, "somebody")
    assert await marks(edited) == {
        "in": ("consistent", "not_edited"),
        "a": ("consistent", "edited_reexecuted"),
        "b": ("consistent", "not_edited"),
    }


async def test_what_changed_meanwhile_is_left_alone(edited: Running) -> None:
    looked_at = await edited.record()
    await edit(edited, "a", 8, dependants=["b"])
    before = await marks(edited)

    assert not await confirmed(edited, looked_at)
    assert not await confirmed(edited, replace(await edited.record(), generation=2))
    assert not await confirmed(edited, replace(await edited.record(), flow_version=2))

    assert (await edited.record()).status is ExecutionStatus.STALE
    assert await marks(edited) == before


async def test_what_shows_a_skipped_task_is_left_alone(edited: Running) -> None:
    assert not await confirmed(edited, await edited.record(), "b")

    assert (await edited.record()).status is ExecutionStatus.STALE


async def test_what_runs_failed_or_is_gone_is_left_alone(stores: Stores, edited: Running) -> None:
    running = await stores.running()
    failed = await stores.running()
    await failed.settle(said("in", output={"a": 1}), status="failed")
    gone = edited
    looked_at = await gone.record()
    await stores.executions.delete(ORGANIZATION, gone.id, AUTHOR)

    for each, record in (
        (running, await running.record()),
        (failed, await failed.record()),
        (gone, looked_at),
    ):
        before = await each.record()
        assert not await confirmed(each, record)
        assert await each.record() == before


async def test_it_happens_whole_or_not_at_all(
    mongo_uri: str, stores: Stores, edited: Running
) -> None:
    number = 7

    async def complete(cut: Stores) -> None:
        record = await stores.executions.get(ORGANIZATION, edited.id)
        await cut.executions.reuse.confirm(ORGANIZATION, record, ["nobody"], AUTHOR)

    async def mended(healthy: Stores) -> None:
        nonlocal number
        has_completed = (await edited.record()).status is ExecutionStatus.COMPLETED
        found = await marks(edited)
        assert found["a"][1] == ("edited_reexecuted" if has_completed else "edited_not_reexecuted")
        assert found["b"][0] == ("consistent" if has_completed else "stale")
        number += 1
        await edit(edited, "a", number, dependants=["b"])

    assert await each_crash(mongo_uri, stores, complete, mended) >= 6
