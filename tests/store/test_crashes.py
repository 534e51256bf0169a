"""A process that dies between two of its writes leaves nothing that trying again cannot mend."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from contracts.messages import TaskState
from flows.errors import ConflictError, StoreUnavailableError
from store.clock import now
from store.models import ExecutionStatus, ProcessingStatus
from store.rows import REPORTED
from tests.support.cut import Cut, Mode
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, a_flow, an_execution, said

Story = Callable[[Stores], Awaitable[object]]
MOST_COMMANDS = 40
AT_ONCE = 8
MODES: tuple[Mode, ...] = ("unsent", "unanswered")


async def each_crash(mongo_uri: str, stores: Stores, story: Story, mended: Story) -> int:
    """Cut a story short at each of its commands in turn; after each cut it must be mended.

    Every other command still reaches MongoDB, and only its answer is lost.

    Returns:
        How many commands the whole story has.
    """
    for at in range(1, MOST_COMMANDS):
        async with Cut(mongo_uri, at, MODES[at % 2]) as cut:
            mongo = cut.connect(stores.database.name)
            try:
                await story(Stores(mongo.database))
            except StoreUnavailableError:
                assert cut.is_cut
            finally:
                was_whole = not cut.is_cut
                await asyncio.to_thread(mongo.close)  # it talks through this loop
        # Transactions of a killed process end by themselves; no need to wait for that.
        await stores.database.client.admin.command("killAllSessions", [])
        await mended(stores)
        if was_whole:
            return at - 1
    raise AssertionError("the story has no end")


async def test_a_creation_with_a_key_happens_once(mongo_uri: str, stores: Stores) -> None:
    keys = iter(f"key {number}" for number in range(MOST_COMMANDS))
    key = ""
    count = 0

    async def create(cut: Stores) -> None:
        nonlocal key
        key = next(keys)
        await cut.executions.create(an_execution(), (key, "body"))

    async def mended(healthy: Stores) -> None:
        nonlocal count
        count += 1
        record = await healthy.executions.create(an_execution(), (key, "body"))
        assert record.run_number == count
        assert await healthy.database["flow_executions"].count_documents({}) == count

    assert await each_crash(mongo_uri, stores, create, mended) >= 4


async def test_a_creation_leaves_no_gap_in_the_numbers(mongo_uri: str, stores: Stores) -> None:
    async def create(cut: Stores) -> None:
        await cut.executions.create(an_execution())

    async def mended(healthy: Stores) -> None:
        await healthy.created()
        found = await healthy.database["flow_executions"].find().to_list(length=None)
        numbers = sorted(each["run_number"] for each in found)
        assert numbers == list(range(1, len(numbers) + 1))

    assert await each_crash(mongo_uri, stores, create, mended) >= 3


async def test_a_run_that_settles_in_the_end_is_shown_whole(mongo_uri: str, stores: Stores) -> None:
    words = [
        said("in", output={"a": 1}),
        said("t", output="t", attempt=1),
        said("u", output="u", attempt=1),
        said("i", item=0, output="i", attempt=2),
        said("i", item_count=1),
        said("s", TaskState.SKIPPED),
    ]

    async def live(run: Running) -> None:
        cut = run.stores
        await cut.executions.mark_started(ORGANIZATION, run.id, 1, "run", now())
        await run.open("t")
        await run.close("t", output="t", was_opened=True)
        await run.close("u", output="u")
        await run.open("i", item=0, item_count=1)
        await run.open("i", attempt=2, item=0, item_count=1)
        await run.settle(*words, skipped=["s"])

    async def mend(run: Running) -> None:
        for _ in range(2):
            reply = await run.settle(*words, skipped=["s"])
            lacking = [words[position] for position in reply.missing]
            whole = [
                word.model_copy(update={"has_output": True, "output": word.task_name})
                for word in lacking
            ]
            await run.settle(*whole, *words, skipped=["s"])

    async def check(run: Running) -> None:
        record = await run.record()
        assert (record.status, record.is_open) == (ExecutionStatus.COMPLETED, False)
        outputs = {
            output.task_name: output.output
            for output in await stores.task_outputs.of_execution(ORGANIZATION, run.id)
            if output.processing_status is ProcessingStatus.COMPLETED
        }
        assert outputs == {"in": {"a": 1}, "t": "t", "u": "u", "i": ["i"]}
        rows = await run.rows()
        assert all(row.rank >= REPORTED for row in rows)
        numbers = [(row.task_name, row.task_execution_idx) for row in rows]
        assert len(numbers) == len(set(numbers))

    async def is_whole(at: int) -> bool:
        healthy = stores.run_of(await stores.created())
        async with Cut(mongo_uri, at, MODES[at % 2]) as cut:
            mongo = cut.connect(stores.database.name)
            with suppress(StoreUnavailableError):
                await live(Running(Stores(mongo.database), healthy.context))
            was_whole = not cut.is_cut
            await asyncio.to_thread(mongo.close)
        await mend(healthy)
        await check(healthy)
        return was_whole

    for first in range(1, MOST_COMMANDS, AT_ONCE):
        if any(await asyncio.gather(*(is_whole(first + more) for more in range(AT_ONCE)))):
            break
    else:
        raise AssertionError("the story has no end")


async def test_a_version_is_stored_whole_or_not_at_all(mongo_uri: str, stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())

    async def add(cut: Stores) -> None:
        latest = (await stores.flows.latest(ORGANIZATION, flow.id)).version
        await cut.flows.add_version(ORGANIZATION, flow.id, {"v": latest + 1}, AUTHOR, latest)

    async def mended(healthy: Stores) -> None:
        versions = await healthy.flows.versions(ORGANIZATION, flow.id)
        latest = await healthy.flows.latest(ORGANIZATION, flow.id)
        assert [each.version for each in versions] == list(range(latest.version, 0, -1))
        assert latest.version == 1 or latest.definition == {"v": latest.version}

    assert await each_crash(mongo_uri, stores, add, mended) >= 3


async def test_counts_agree_with_what_there_is(mongo_uri: str, stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())
    await stores.flows.add_version(ORGANIZATION, flow.id, {}, AUTHOR, 1)

    async def live(cut: Stores) -> None:
        kept = await cut.executions.create(an_execution(flow.id))
        gone = await cut.executions.create(an_execution(flow.id))
        await cut.executions.begin_generation(ORGANIZATION, kept.id, 1, "full", 2, AUTHOR)
        await cut.executions.delete(ORGANIZATION, gone.id, AUTHOR)

    async def mended(healthy: Stores) -> None:
        kept = {"flow_id": flow.id, "status": {"$ne": "deleted"}}
        executions = healthy.database["flow_executions"]
        total = await executions.count_documents(kept)
        of_latest = await executions.count_documents({**kept, "flow_version": 2})
        counts = await healthy.flows.counts(ORGANIZATION, [flow.id])
        assert counts[flow.id] == (total, of_latest)

    assert await each_crash(mongo_uri, stores, live, mended) >= 10


async def test_a_generation_began_once_or_not_at_all(mongo_uri: str, stores: Stores) -> None:
    record = await stores.created()

    async def begin(cut: Stores) -> None:
        generation = (await stores.executions.get(ORGANIZATION, record.id)).generation
        await cut.executions.begin_generation(
            ORGANIZATION, record.id, generation, "full", 1, AUTHOR
        )

    async def mended(healthy: Stores) -> None:
        now_at = await healthy.executions.get(ORGANIZATION, record.id)
        assert now_at.is_open
        if now_at.generation > 1:
            with pytest.raises(ConflictError):
                await healthy.executions.begin_generation(
                    ORGANIZATION, record.id, now_at.generation - 1, "full", 1, AUTHOR
                )

    assert await each_crash(mongo_uri, stores, begin, mended) >= 2
