"""Readiness says how the stores are, however much this process has to do."""

import asyncio
import os
from typing import Any

from pymongo import AsyncMongoClient

from api.readiness import OutsidePart
from flows.errors import StartUpError, StoreUnavailableError
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.platform import Platform

THREADS = 5 * (os.cpu_count() or 1)
"""As many calls as the driver makes at once."""

SLOW = {"$where": "sleep(2000) || true"}


async def test_a_process_whose_calls_wait_for_each_other_is_ready(
    api: Api, platform: Platform, mongo_uri: str
) -> None:
    slow: Any = api.database["slow"]
    await slow.insert_one({})
    watching: AsyncMongoClient[Any] = AsyncMongoClient(mongo_uri)
    calls = [asyncio.ensure_future(slow.find_one(SLOW)) for _ in range(2 * THREADS)]

    async def are_all_threads_busy() -> bool:
        running = await watching.admin.command("currentOp", ns=slow.full_name)
        return len(running["inprog"]) == THREADS

    try:
        await eventually(are_all_threads_busy, saying="the driver's threads are busy")
        answer = await platform.client.get("/health/ready")
        busy = sum(not call.done() for call in calls)
    finally:
        await watching.close()
        await asyncio.gather(*calls)

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert busy > THREADS


async def test_a_part_that_could_not_be_prepared_is_prepared_by_a_later_attempt() -> None:
    faults = iter([ValueError("nobody foresaw this"), StoreUnavailableError("no answer")])

    async def prepare() -> None:
        fault = next(faults, None)
        if fault is not None:
            raise fault

    part = OutsidePart("a part", prepare, _yes)
    part.start()
    try:
        await eventually(part.is_ready, saying="it is prepared")
    finally:
        await part.stop()


async def test_a_part_that_this_process_cannot_use_is_given_up() -> None:
    tries: list[int] = []

    async def prepare() -> None:
        tries.append(1)
        raise StartUpError("a newer schema")

    part = OutsidePart("a part", prepare, _yes)
    part.start()
    try:
        await eventually(lambda: part.is_unusable, saying="it is given up")
    finally:
        await part.stop()

    assert len(tries) == 1
    assert not await part.is_ready()


async def _yes() -> bool:
    return True


async def test_calls_are_let_through_as_soon_as_the_part_is_said_to_be_ready() -> None:
    answers = True

    async def prepare() -> None:
        """Need nothing."""

    async def probe() -> bool:
        return answers

    part = OutsidePart("store", prepare, probe)
    part.start()
    try:
        await eventually(part.is_ready, saying="it is prepared")
        answers = False
        part.suspect()
        await eventually(lambda: part.is_down, saying="it is known to be down")
        assert not await part.is_ready()

        answers = True
        assert await part.is_ready()

        assert not part.is_down
    finally:
        await part.stop()
