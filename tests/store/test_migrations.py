"""Each migration runs once, whoever starts and whoever dies."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from flows.errors import StartUpError, StoreUnavailableError
from runtime.mongo import Mongo
from store import schema
from store.indexes import INDEXES
from store.migrations.catalogue import MIGRATIONS
from store.migrations.migration import Migration
from store.migrations.runner import Migrations
from tests.support.eventually import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT_LEASE = timedelta(seconds=0.6)


def counting(number: int, *, keeps_older_processes: bool = True) -> Migration:
    """Return a migration that counts how often it ran through."""

    async def apply(database: AsyncIOMotorDatabase) -> None:
        await database.runs.update_one({"_id": number}, {"$inc": {"count": 1}}, upsert=True)

    return Migration(number, f"count {number}", apply, keeps_older_processes)


def waiting(number: int, begun: asyncio.Event, gate: asyncio.Event) -> Migration:
    """Return a migration that says when it begins, and ends when it may."""

    async def apply(database: AsyncIOMotorDatabase) -> None:
        begun.set()
        await gate.wait()

    return Migration(number, f"wait {number}", apply)


async def runs(database: AsyncIOMotorDatabase) -> dict[int, int]:
    return {each["_id"]: each["count"] async for each in database.runs.find().sort("_id", 1)}


def numbers(migrations: list[Migration]) -> list[int]:
    return [migration.number for migration in migrations]


def test_numbers_have_no_gap() -> None:
    assert numbers(list(MIGRATIONS)) == list(range(1, len(MIGRATIONS) + 1))


async def test_a_fresh_database_gets_everything(database: AsyncIOMotorDatabase) -> None:
    await schema.prepare(database)

    assert await Migrations(database).pending() == []
    names = set(await database.list_collection_names())
    assert {*INDEXES, "flow_counters"} <= names


async def test_every_real_migration_can_run_again(database: AsyncIOMotorDatabase) -> None:
    for _ in range(2):
        for migration in MIGRATIONS:
            await migration.apply(database)


async def test_steps_run_in_order_and_once(database: AsyncIOMotorDatabase) -> None:
    known = [counting(1), counting(2)]

    first = await Migrations(database, known).run()
    second = await Migrations(database, [*known, counting(3)]).run()

    assert (numbers(first), numbers(second)) == ([1, 2], [3])
    assert await runs(database) == {1: 1, 2: 1, 3: 1}


async def test_of_many_processes_at_once_one_migrates(
    mongo_uri: str, database: AsyncIOMotorDatabase
) -> None:
    known = [counting(number) for number in range(1, 6)]
    clients = [Mongo(mongo_uri, database.name) for _ in range(8)]

    async def one(mongo: Mongo) -> list[int]:
        while True:
            try:
                return numbers(await Migrations(mongo.database, known).run())
            except StoreUnavailableError:
                await asyncio.sleep(0.01)

    done = await asyncio.gather(*(one(mongo) for mongo in clients))

    assert await runs(database) == dict.fromkeys(range(1, 6), 1)
    assert sorted(number for each in done for number in each) == [1, 2, 3, 4, 5]
    for mongo in clients:
        mongo.close()


async def test_a_long_step_keeps_its_lock(database: AsyncIOMotorDatabase) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()
    slow = Migrations(database, [waiting(1, begun, gate)], lease=SHORT_LEASE)
    running = asyncio.ensure_future(slow.run())
    await begun.wait()
    renewed = await database.schema_migrations.find_one({"_id": "lock"})
    assert renewed is not None

    async def is_renewed_twice() -> bool:
        lock = await database.schema_migrations.find_one({"_id": "lock"})
        return lock is not None and lock["until"] > renewed["until"] + SHORT_LEASE

    await eventually(is_renewed_twice, saying="the lease is renewed past its first end")
    with pytest.raises(StoreUnavailableError, match="another process migrates"):
        await Migrations(database, [counting(1)]).run()
    gate.set()

    assert numbers(await running) == [1]
    lock = await database.schema_migrations.find_one({"_id": "lock"})
    assert lock is not None
    assert lock["owner"] is None


async def test_whoever_lost_the_lock_stops(database: AsyncIOMotorDatabase) -> None:
    begun = asyncio.Event()
    slow = Migrations(database, [waiting(1, begun, asyncio.Event())], lease=SHORT_LEASE)
    running = asyncio.ensure_future(slow.run())
    await begun.wait()

    await database.schema_migrations.update_one({"_id": "lock"}, {"$set": {"owner": "other"}})

    with pytest.raises(StoreUnavailableError, match="lost"):
        await running
    assert numbers(await Migrations(database, [counting(1)]).pending()) == [1]


CRASHING = """
import asyncio, sys
from datetime import timedelta
from runtime.mongo import Mongo
from store.migrations.migration import Migration
from store.migrations.runner import Migrations

async def half(database):
    await database.marks.insert_one({"half": True})
    await asyncio.Event().wait()

async def main():
    mongo = Mongo(sys.argv[1], sys.argv[2])
    steps = [Migration(1, "half", half)]
    await Migrations(mongo.database, steps, lease=timedelta(seconds=0.6)).run()

asyncio.run(main())
"""


async def test_a_process_killed_in_the_middle_is_followed_by_another(
    mongo_uri: str, database: AsyncIOMotorDatabase
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CRASHING, mongo_uri, database.name), cwd=REPOSITORY
    )
    try:

        async def is_half_done() -> bool:
            return await database.marks.count_documents({}) == 1

        await eventually(is_half_done, saying="the step is under way")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    follower = Migrations(database, [counting(1)])
    refusals: list[str] = []

    async def followed() -> bool:
        try:
            return numbers(await follower.run()) == [1]
        except StoreUnavailableError as error:
            refusals.append(error.message)
            return False

    await eventually(followed, saying="the lock of the dead process expires")
    assert await runs(database) == {1: 1}
    assert set(refusals) <= {"another process migrates the store"}


async def test_a_step_that_fails_is_not_recorded(database: AsyncIOMotorDatabase) -> None:
    async def fail(_: AsyncIOMotorDatabase) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Migrations(database, [counting(1), Migration(2, "fail", fail)]).run()

    assert numbers(await Migrations(database, [counting(1), counting(2)]).run()) == [2]


async def test_an_older_process_goes_on_unless_a_step_forbids_it(
    database: AsyncIOMotorDatabase,
) -> None:
    older = Migrations(database, [counting(1)])
    await Migrations(database, [counting(1), counting(2)]).run()
    assert await older.run() == []

    await Migrations(
        database, [counting(1), counting(2), counting(3, keeps_older_processes=False)]
    ).run()

    with pytest.raises(StartUpError, match=r"at schema 3 .* knows 1: start a newer version"):
        await older.run()
