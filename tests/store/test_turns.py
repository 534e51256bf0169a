"""Turns as they are written: again, late, and after the end."""

from uuid import uuid4

import pytest
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase

from contracts.runs import RecordTurnCall, TurnView
from dialogs.state import RunStatus
from store.clock import now
from store.collections import INTERACTIVE_RUNS
from store.indexes import ensure_indexes
from store.interactive_runs import RunRecord, RunRepository, new_run_id
from store.run_events import RunEventRepository
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


async def test_a_turn_is_told_to_listeners_once_the_run_stands_there(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    told = RunEventRepository(database)
    second = a_turn(run_id, 2, "second").model_copy(update={"first_event": 1})
    await TurnRecorder(database).record(
        a_turn(run_id, 1, "first").model_copy(update={"first_event": 0})
    )
    runs = database[INTERACTIVE_RUNS]
    before = await runs.find_one({"_id": ObjectId(run_id)})
    assert before is not None

    await TurnRecorder(database).record(second)
    heard = await told.after(ORGANIZATION, run_id, 1)
    await runs.replace_one({"_id": ObjectId(run_id)}, before)  # between the two writes
    unheard = await told.after(ORGANIZATION, run_id, 1)
    earlier = await told.after(ORGANIZATION, run_id, 0)
    await runs.update_one({"_id": ObjectId(run_id)}, {"$set": {"is_open": False}})
    at_the_end = await told.after(ORGANIZATION, run_id, 1)

    assert (heard, unheard, at_the_end) == ([{"said": "second"}], [], [{"said": "second"}])
    assert earlier == [{"said": "first"}]


async def test_an_end_without_a_turn_writes_none(
    database: AsyncIOMotorDatabase, run_id: str
) -> None:
    ended = a_turn(run_id, 0, status=RunStatus.CANCELLED).model_copy(update={"pair": None})

    await TurnRecorder(database).record(ended)

    assert await RunRepository(database).turn_count(ORGANIZATION, run_id) == 0
    record = await RunRepository(database).get(ORGANIZATION, run_id)
    assert record.status is RunStatus.CANCELLED
