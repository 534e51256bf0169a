"""A process that dies while it writes a correction leaves all of it, or nothing."""

from store.edits import Edit, EditRepository
from store.models import ExecutionStatus
from tests.store.test_crashes import each_crash
from tests.support.stores import ORGANIZATION, Running, Stores, said

WORDS = [
    said("in", output={"a": 1}),
    said("a", output=1),
    said("b", output=2),
    said("each", item_count=0),
]


def an_edit(run: Running, row_id: str, number: int, edits_before: int) -> Edit:
    return Edit(
        organization_id=ORGANIZATION,
        flow_execution_id=run.id,
        task_execution_id=row_id,
        output={"number": number, "text": "x" * 2_000},
        fingerprint=f"made for {number}",
        dependants=["b", "each"],
        modified_by=f"editor {number}",
        edits_before=edits_before,
        flow_version=1,
    )


async def test_a_correction_is_written_whole_or_not_at_all(
    mongo_uri: str, stores: Stores, run: Running
) -> None:
    """The row, what depends on it, an empty iteration's mark, and the execution: together."""
    await run.close("a", output=1)
    await run.close("b", output=2)
    await run.settle(*WORDS)
    row_id = (await run.row("a")).id
    before = {
        name: await stores.database[name].find({}).to_list(length=None)
        for name in ("task_executions", "task_outputs", "flow_executions")
    }
    number = 0

    async def correct(cut: Stores) -> None:
        nonlocal number
        number += 1
        record = await run.record()
        await EditRepository(cut.database).apply(an_edit(run, row_id, number, record.edit_count))

    async def mended(healthy: Stores) -> None:
        record, a, b = await run.record(), await run.row("a"), await run.row("b")
        each = await run.output("each")
        is_there = a.modified_by == f"editor {number}"
        assert (a.output == {"number": number, "text": "x" * 2_000}) is is_there
        assert (a.fingerprint == f"made for {number}") is is_there
        assert (a.edited_status == "edited_not_reexecuted") is is_there
        assert (record.status is ExecutionStatus.STALE) is is_there
        assert {b.stale_status, each.stale_status} == {"stale" if is_there else "consistent"}
        assert record.edit_count == int(is_there)
        outputs = await stores.task_outputs.of_execution(ORGANIZATION, run.id, task_names=["a"])
        assert [output.output for output in outputs] == [a.output]
        for name, documents in before.items():
            for document in documents:
                await healthy.database[name].replace_one({"_id": document["_id"]}, document)

    assert await each_crash(mongo_uri, stores, correct, mended) >= 8


async def test_who_sees_an_execution_stale_sees_what_in_it_is(
    mongo_uri: str, stores: Stores
) -> None:
    """An edit while the run went on shows once it has ended: marks first, then the status."""
    shown: set[ExecutionStatus] = set()
    run: Running

    async def end(cut: Stores) -> None:
        nonlocal run
        run = stores.run_of(await stores.created())
        await run.close("a", output=1)
        await EditRepository(stores.database).apply(an_edit(run, (await run.row("a")).id, 1, 0))
        await run.close("b", output=2)
        await Running(cut, run.context).settle(*WORDS)

    async def mended(_: Stores) -> None:
        record = await run.record()
        shown.add(record.status)
        if record.status is ExecutionStatus.STALE:
            assert await stale(run) == {"b", "each"}
        await run.settle(*WORDS)
        assert (await run.record()).status is ExecutionStatus.STALE
        assert await stale(run) == {"b", "each"}

    assert await each_crash(mongo_uri, stores, end, mended) >= 8
    assert ExecutionStatus.STALE in shown
    assert len(shown) > 1


async def stale(run: Running) -> set[str]:
    """Return the tasks that are marked."""
    marked = {row.task_name for row in await run.rows() if row.stale_status == "stale"}
    outputs = await run.stores.task_outputs.of_execution(ORGANIZATION, run.id)
    return marked | {each.task_name for each in outputs if each.stale_status == "stale"}
