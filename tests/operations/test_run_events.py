"""What a run tells, by its place in the run, while its turns go on and afterwards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client

from activities.speech import Speech
from contracts.runs import ShowEventsCall, SpokenAt
from dialogs.state import RunInput
from store.collections import INTERACTIVE_TURNS, RUN_EVENTS, RUN_SPEECH
from store.indexes import INDEXES
from store.run_events import RunEventRepository
from tests.support.cut import Cut
from tests.support.eventually import eventually
from tests.support.interactive import (
    DESK,
    TURNS_A_HISTORY,
    Desk,
    a_call_graph,
    a_desk_on,
    said,
)
from tests.support.receiver import Receiver, receiving

ORGANIZATION = "5e4b9d2a-3d4a-4b43-9f0b-0d8a2f1f7c11"
RUN = "6512f1aaaabbbbccccdddde1"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def events(database: AsyncIOMotorDatabase) -> RunEventRepository:
    for name in (RUN_EVENTS, RUN_SPEECH, INTERACTIVE_TURNS):
        await database[name].create_indexes(INDEXES[name])
    return RunEventRepository(database)


async def all_of(events: RunEventRepository, desk: Desk, run_id: str) -> list[Any]:
    """Read one run from its first event on."""
    told: list[Any] = []
    while more := await events.after(desk.caller.organization_id, run_id, len(told)):
        told += more
    return told


async def test_events_are_there_while_their_turn_goes_on(
    database: AsyncIOMotorDatabase,
    temporal_client: Client,
    task_queue: str,
    receiver: Receiver,
    events: RunEventRepository,
) -> None:
    gate = receiver.gate("/call")
    desk = await a_desk_on(
        database, temporal_client, task_queue, a_call_graph(f"{receiver.url}/call")
    )
    async with desk.worker():
        turn = asyncio.create_task(desk.runs.execute(desk.caller, DESK, RunInput()))
        await eventually(lambda: receiver.arrived("/call"))
        run = await database["workflow_runs"].find_one()
        assert run is not None

        during = await all_of(events, desk, str(run["_id"]))
        gate.set()
        answered = await turn

    assert [event["type"] for event in during] == ["start_node_run"]
    assert answered.view.events is not None
    assert answered.view.events[:1] == during
    assert await all_of(events, desk, answered.run_id) == answered.view.events


async def test_events_are_counted_over_turns_and_histories(
    database: AsyncIOMotorDatabase,
    temporal_client: Client,
    task_queue: str,
    events: RunEventRepository,
) -> None:
    desk = await a_desk_on(database, temporal_client, task_queue)
    async with desk.worker():
        first = await desk.runs.execute(desk.caller, DESK, RunInput())
        told = [*(first.view.events or [])]
        for number in range(TURNS_A_HISTORY + 2):
            turn = await desk.runs.execute(
                desk.caller, DESK, said(f"word {number}"), run_id=first.run_id
            )
            told += turn.view.events or []
        await desk.runs.execute(desk.caller, DESK, RunInput(command="stop"), run_id=first.run_id)

    assert await all_of(events, desk, first.run_id) == told
    record = await desk.repository.get(desk.caller.organization_id, first.run_id)
    assert record.events_told == len(told)
    of_others = await events.after(str(uuid4()), first.run_id, 0)
    assert of_others == []


async def test_a_turn_that_is_stopped_keeps_the_places_of_its_events(
    database: AsyncIOMotorDatabase,
    temporal_client: Client,
    task_queue: str,
    receiver: Receiver,
    events: RunEventRepository,
) -> None:
    receiver.gate("/call")
    desk = await a_desk_on(
        database, temporal_client, task_queue, a_call_graph(f"{receiver.url}/call")
    )
    async with desk.worker():
        turn = asyncio.create_task(desk.runs.execute(desk.caller, DESK, RunInput()))
        await eventually(lambda: receiver.arrived("/call"))
        run = await database["workflow_runs"].find_one()
        assert run is not None
        run_id = str(run["_id"])
        during = await all_of(events, desk, run_id)

        await desk.runs.execute(desk.caller, DESK, RunInput(command="stop"), run_id=run_id)
        await turn

    assert during
    assert await all_of(events, desk, run_id) == during
    await desk.runs.delete(desk.caller, run_id)
    assert await all_of(events, desk, run_id) == []
    assert await database["workflow_run_events"].count_documents({}) == 0


def shown(first: int, *names: str) -> ShowEventsCall:
    return ShowEventsCall(
        organization_id=ORGANIZATION,
        run_id=RUN,
        turn_number=1,
        first_event=first,
        events=[{"type": name} for name in names],
    )


async def test_parts_of_a_turn_are_found_by_any_place_in_them(
    events: RunEventRepository,
) -> None:
    for call in (shown(0, "a", "b"), shown(2, "c", "d", "e"), shown(7, "x")):
        await events.show(call)
        await events.show(call)

    async def after(told: int) -> list[Any]:
        return [event["type"] for event in await events.after(ORGANIZATION, RUN, told)]

    assert [await after(told) for told in range(9)] == [
        ["a", "b"],
        ["b"],
        ["c", "d", "e"],
        ["d", "e"],
        ["e"],
        [],
        [],
        ["x"],
        [],
    ]


def a_place(told: int = 3) -> SpokenAt:
    return SpokenAt(
        organization_id=ORGANIZATION,
        run_id=RUN,
        turn_number=1,
        events_told=told,
        node_logical_id="node_a",
        node_name="A",
        node_run_id="1",
    )


async def test_what_a_model_says_is_readable_while_it_says_it(
    events: RunEventRepository,
) -> None:
    words = [f"word{number} " for number in range(30)]

    async with Speech(events).shown(a_place(), attempt=2) as say:
        say(words[0])
        [first] = await eventually(lambda: events.spoken(ORGANIZATION, RUN, 3))
        for word in words[1:]:
            say(word)

    pieces = await events.spoken(ORGANIZATION, RUN, 3)
    assert (first.text, first.attempt, first.sequence) == (words[0], 2, 0)
    assert "".join(piece.text for piece in pieces) == "".join(words)
    assert [piece.sequence for piece in pieces] == list(range(len(pieces)))
    assert len(pieces) < len(words)
    assert first.at == a_place()
    assert abs((datetime.now(UTC) - first.said_at).total_seconds()) < 60
    assert await events.spoken(ORGANIZATION, RUN, 4) == []


async def test_speech_goes_on_where_the_store_is_away(
    mongo_uri: str, database: AsyncIOMotorDatabase
) -> None:
    async with Cut(mongo_uri, 1, "unsent") as cut:
        mongo = cut.connect(database.name)
        try:
            async with Speech(RunEventRepository(mongo.database)).shown(a_place(), 1) as say:
                say("lost")
                await eventually(lambda: cut.is_cut)
                say("lost, too")
        finally:
            mongo.close()

    assert await RunEventRepository(database).spoken(ORGANIZATION, RUN, 3) == []
