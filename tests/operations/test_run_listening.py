"""Listening to runs, where processes stop and streams break."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client

from contracts.runs import SpokenAt
from dialogs.state import RunInput
from flows.errors import InvalidError, ServerStoppingError, TooManyStreamsError
from operations.run_fan_out import MAX_PIECES, Ear
from operations.run_listening import Listening, RunEvent, RunListening
from operations.stream_places import StreamPlaces
from runtime.mongo import watching_mongo
from store.clock import now
from store.run_events import RunEventRepository, SpeechPiece
from store.run_feed import RunFeed
from tests.support.interactive import DESK, Desk, a_desk_on, said

PAUSE = timedelta(seconds=20)


@pytest.fixture
async def desk(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> AsyncIterator[Desk]:
    desk = await a_desk_on(database, temporal_client, task_queue)
    async with desk.worker():
        yield desk


@pytest.fixture
async def listening(desk: Desk, mongo_uri: str) -> AsyncIterator[RunListening]:
    async with watching_mongo(mongo_uri, desk.database.name) as watched:
        made = RunListening(
            desk.repository,
            RunEventRepository(desk.database),
            RunFeed(watched),
            StreamPlaces(max_streams=2, max_streams_of_organization=2),
        )
        yield made
        made.stop()
        await made.close()


async def until(listening: Listening, type: str) -> list[str]:
    """Return the types of what is told, up to an event of this type."""
    told: list[str] = []
    async with asyncio.timeout(20):
        async for item in listening.items(PAUSE):
            assert isinstance(item, RunEvent)
            told.append(str(item.event["type"]))
            if told[-1] == type:
                return told
    raise AssertionError(f"{type} was not told: {told}")


async def test_a_process_that_stops_sends_its_listeners_on(
    desk: Desk, listening: RunListening
) -> None:
    run = await desk.runs.execute(desk.caller, DESK, RunInput())

    async with listening.listening(desk.caller, run.run_id, after=0) as one:
        await until(one, "workflow_ready_for_input")
        listening.stop()
        with pytest.raises(ServerStoppingError):
            await until(one, "workflow_ready_for_input")

    with pytest.raises(ServerStoppingError):
        async with listening.listening(desk.caller, run.run_id, after=one.told):
            pass


async def test_who_listens_from_now_on_hears_the_next_turn_alone(
    desk: Desk, listening: RunListening
) -> None:
    run = await desk.runs.execute(desk.caller, DESK, RunInput())

    async with listening.listening(desk.caller, run.run_id) as one:
        hearing = asyncio.create_task(until(one, "workflow_ready_for_input"))
        await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=run.run_id)
        told = await hearing

    assert told[0] == "user_messages"


async def test_places_are_bounded_and_given_back(desk: Desk, listening: RunListening) -> None:
    run = await desk.runs.execute(desk.caller, DESK, RunInput())

    async with listening.listening(desk.caller, run.run_id):
        async with listening.listening(desk.caller, run.run_id):
            with pytest.raises(TooManyStreamsError):
                async with listening.listening(desk.caller, run.run_id):
                    pass
        async with listening.listening(desk.caller, run.run_id):
            pass


async def test_what_was_never_told_is_nobodys_place(desk: Desk, listening: RunListening) -> None:
    run = await desk.runs.execute(desk.caller, DESK, RunInput())
    told = len(run.view.events or [])

    async with listening.listening(desk.caller, run.run_id, after=told):
        pass
    with pytest.raises(InvalidError):
        async with listening.listening(desk.caller, run.run_id, after=told + 1):
            pass


def a_piece(sequence: int) -> SpeechPiece:
    at = SpokenAt(
        organization_id="o",
        run_id="r",
        turn_number=1,
        events_told=1,
        node_logical_id="n",
        node_name="N",
        node_run_id="1",
    )
    return SpeechPiece(at=at, attempt=1, sequence=sequence, text="x", said_at=now())


async def test_who_takes_nothing_keeps_no_heap_of_words() -> None:
    ear = Ear()
    ear.looks()
    for sequence in range(MAX_PIECES):
        ear.hear(a_piece(sequence))
    assert ear.looks() == (False, False)

    ear.hear(a_piece(MAX_PIECES))

    assert [*ear.heard()] == []
    assert ear.looks() == (True, True)
    assert not await ear.news(timedelta(0))
