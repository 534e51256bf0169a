"""Turns as they are written: again, late, and after the end."""

import asyncio
from uuid import uuid4

import pytest
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import OperationFailure

from contracts.runs import RecordTurnCall, TurnView
from dialogs.state import RunStatus
from store.clock import now
from store.collections import INTERACTIVE_RUNS, INTERACTIVE_TURNS
from store.indexes import ensure_indexes
from store.interactive_runs import RunRecord, RunRepository, new_run_id
from store.turns import TurnRecorder

ORGANIZATION = str(uuid4())


@pytest.fixture
async def run_id(database: AsyncIOMotorDatabase) -> str:
    """A run that has begun."""
    await ensure_indexes(database)
    record = RunRecord(
        id=new_run_id(),
        organization_id=ORGANIZATION,
        workflow_id=new_run_id(),
        version_number=0,
        version_name=None,
        status=RunStatus.NOT_STARTED,
        turn_number=0,
        input_id="first",
        is_keyed=False,
        run_by=None,
        created_by="somebody",
        created_at=now(),
        updated_at=now(),
    )
    await RunRepository(database).create(record)
    return record.id


def a_turn(
    run_id: str, number: int, *said: str, status: RunStatus = RunStatus.WAITING
) -> RecordTurnCall:
    """Return a turn in which something was said."""
    return RecordTurnCall(
        organization_id=ORGANIZATION,
        run_id=run_id,
        turn=TurnView(turn_number=number, status=status),
        input_ids=[f"input {number}"],
        pair={"run_input": {}, "run_output": {"events": [{"said": each} for each in said]}},
        at=now(),
        first_event=10 * number,
    )


async def events(database: AsyncIOMotorDatabase, run_id: str, number: int) -> object:
    """Return what a turn told."""
    turn = await RunRepository(database).turn(ORGANIZATION, run_id, number)
    return None if turn is None else turn.events


async def test_a_turn_that_is_written_again_is_there_once(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    recorder = TurnRecorder(database)

    await recorder.record(a_turn(run_id, 1, "hello"))
    await recorder.record(a_turn(run_id, 1, "hello", "again"))

    assert await RunRepository(database).turn_count(ORGANIZATION, run_id) == 1
    assert await events(database, run_id, 1) == [{"said": "hello"}, {"said": "again"}]
    record = await RunRepository(database).get(ORGANIZATION, run_id)
    assert (record.status, record.turn_number, record.events_told) == (RunStatus.WAITING, 1, 12)


async def test_a_turn_that_comes_late_leaves_the_run_where_it_is(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    recorder = TurnRecorder(database)

    await recorder.record(a_turn(run_id, 2, "second"))
    await recorder.record(a_turn(run_id, 1, "first"))

    assert await events(database, run_id, 1) == [{"said": "first"}]
    record = await RunRepository(database).get(ORGANIZATION, run_id)
    assert (record.turn_number, record.events_told) == (2, 21)


async def test_a_run_that_has_ended_stays_so(database: AsyncIOMotorDatabase, run_id: str) -> None:
    recorder = TurnRecorder(database)

    await recorder.record(a_turn(run_id, 1, "bye", status=RunStatus.COMPLETED))
    await recorder.record(a_turn(run_id, 1, "bye"))

    record = await RunRepository(database).get(ORGANIZATION, run_id)
    assert (record.status, record.ended_by) == (RunStatus.COMPLETED, ("input 1",))


async def test_whoever_sees_a_turn_sees_its_run_stand_there(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    """Who is told a turn goes on from where the run stands, at once."""
    recorder, runs = TurnRecorder(database), RunRepository(database)

    async def ahead(number: int) -> int:
        """Return where the run stands, as soon as the turn is there."""
        while await runs.turn_of(ORGANIZATION, run_id, f"input {number}") is None:
            pass
        return (await runs.get(ORGANIZATION, run_id)).turn_number

    stood = []
    for number in range(1, 31):
        seen = asyncio.create_task(ahead(number))
        await recorder.record(a_turn(run_id, number, "hello"))
        stood.append(await seen)

    assert stood == [*range(1, 31)]


async def test_a_turn_is_written_while_others_write_to_its_run(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    runs = database[INTERACTIVE_RUNS]
    turns = asyncio.gather(
        *(TurnRecorder(database).record(a_turn(run_id, number, "hello")) for number in range(1, 21))
    )
    while not turns.done():
        await runs.update_one({"_id": ObjectId(run_id)}, {"$set": {"checked_at": now()}})
    await turns

    record = await RunRepository(database).get(ORGANIZATION, run_id)
    assert record.turn_number == 20
    assert await RunRepository(database).turn_count(ORGANIZATION, run_id) == 20


async def test_what_a_killed_worker_had_begun_to_write_is_waited_for(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    place = {"run_id": ObjectId(run_id), "turn_number": 1}
    async with await database.client.start_session() as session:
        session.start_transaction()  # and nobody ends it
        await database[INTERACTIVE_TURNS].insert_one({**place, "by": "killed"}, session=session)

        await TurnRecorder(database).record(a_turn(run_id, 1, "hello"))

        with pytest.raises(OperationFailure):
            await session.commit_transaction()
    assert await events(database, run_id, 1) == [{"said": "hello"}]


async def test_an_end_without_a_turn_writes_none(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    ended = a_turn(run_id, 0, status=RunStatus.CANCELLED).model_copy(update={"pair": None})

    await TurnRecorder(database).record(ended)

    assert await RunRepository(database).turn_count(ORGANIZATION, run_id) == 0
    record = await RunRepository(database).get(ORGANIZATION, run_id)
    assert record.status is RunStatus.CANCELLED
