"""Turns of interactive runs, from the use case to the record, on real servers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client, WorkflowHandle

from contracts.names import run_workflow_id
from contracts.runs import REMEMBERED_INPUTS
from dialogs.state import RunInput, RunStatus
from flows.errors import (
    IdempotencyConflictError,
    InteractiveRunEndedError,
    InteractiveRunNotFoundError,
    TemporalUnavailableError,
    TurnUnderWayError,
)
from operations.interactive_runs import Turn
from operations.run_sweep import GRACE, LOST, NEVER_STARTED, RunSweep
from runtime.embedded import NAMESPACE
from runtime.gateway import Gateway
from runtime.readiness import LOOPBACK, free_port
from runtime.run_gateway import RunGateway
from runtime.temporal import connect
from store.collections import INTERACTIVE_RUNS
from store.interactive_runs import RunQuery
from tests.support.eventually import eventually
from tests.support.interactive import (
    DESK,
    TURNS_A_HISTORY,
    Desk,
    a_call_graph,
    a_desk_on,
    said,
    spoken,
)
from tests.support.receiver import receiving
from tests.support.sessions import an_errand


@pytest.fixture
async def desk(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> AsyncIterator[Desk]:
    desk = await a_desk_on(database, temporal_client, task_queue)
    async with desk.worker():
        yield desk


async def test_a_run_waits_answers_and_ends(desk: Desk) -> None:
    customer = RunInput(dynamic_variables={"customer": "Ada"})

    first = await desk.runs.execute(desk.caller, DESK, customer)
    second = await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=first.run_id)
    last = await desk.runs.execute(
        desk.caller, DESK, said("bye", runtime_variables={"choice": "finish"}), run_id=first.run_id
    )

    assert (first.view.status, first.view.turn_number) == (RunStatus.WAITING, 1)
    assert first.view.hint is not None
    assert spoken(second.view) == ["(noted)"]
    assert (last.view.status, last.view.turn_number) == (RunStatus.COMPLETED, 3)
    assert spoken(last.view) == ["(noted)", "Bye Ada"]
    record, pairs = await desk.runs.get(desk.caller, first.run_id)
    assert (record.status, record.turn_number, len(pairs)) == (RunStatus.COMPLETED, 3, 3)


async def test_the_same_input_leads_to_the_same_turn(desk: Desk) -> None:
    key, other = str(uuid4()), str(uuid4())

    first = await desk.runs.execute(desk.caller, DESK, RunInput(), key=key)
    again = await desk.runs.execute(desk.caller, DESK, RunInput(), key=key)
    second = await desk.runs.execute(
        desk.caller, DESK, said("hello"), run_id=first.run_id, key=other
    )
    repeated = await desk.runs.execute(
        desk.caller, DESK, said("hello"), run_id=first.run_id, key=other
    )

    assert again == first
    assert repeated.view == second.view
    assert (await desk.repository.get(desk.caller.organization_id, first.run_id)).turn_number == 2


async def test_the_first_turn_of_a_run_that_went_on_is_told_from_its_record(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    desk, key = await a_desk_on(database, temporal_client, task_queue), str(uuid4())
    async with desk.worker():
        first = await desk.runs.execute(desk.caller, DESK, RunInput(), key=key)
        await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=first.run_id)

    again = await desk.runs.execute(desk.caller, DESK, RunInput(), key=key)

    assert again == first


async def test_a_turn_is_told_again_though_nobody_works(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    desk, key = await a_desk_on(database, temporal_client, task_queue), str(uuid4())
    async with desk.worker():
        first = await desk.runs.execute(desk.caller, DESK, RunInput())
        second = await desk.runs.execute(
            desk.caller, DESK, said("hello"), run_id=first.run_id, key=key
        )

    again = await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=first.run_id, key=key)
    with pytest.raises(IdempotencyConflictError):
        await desk.runs.execute(desk.caller, DESK, said("bye"), run_id=first.run_id, key=key)

    assert again == second


async def test_what_a_run_may_have_forgotten_is_looked_up_before_it_is_told(desk: Desk) -> None:
    first = await desk.runs.execute(desk.caller, DESK, RunInput())
    key = str(uuid4())
    second = await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=first.run_id, key=key)
    long_ago = {"$set": {"turn_number": REMEMBERED_INPUTS}}
    await desk.database[INTERACTIVE_RUNS].update_one({"_id": ObjectId(first.run_id)}, long_ago)
    before = await length(desk, first.run_id)

    again = await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=first.run_id, key=key)
    told_by_record = await length(desk, first.run_id)
    with pytest.raises(TurnUnderWayError):
        await desk.runs.execute(desk.caller, DESK, said("more"), run_id=first.run_id, key="new")

    assert again == second
    assert told_by_record == before
    assert await length(desk, first.run_id) > before


async def length(desk: Desk, run_id: str) -> int:
    """Return how many events the history of a run has."""
    workflow = desk.client.get_workflow_handle(run_workflow_id(run_id))
    return (await workflow.describe()).history_length


async def test_of_two_turns_at_once_one_wins_and_the_other_is_told(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    async with receiving() as receiver:
        gates = [receiver.gate(f"/{text}") for text in ("one", "two")]
        graph = an_errand(receiver.url)
        desk = await a_desk_on(database, temporal_client, task_queue, graph)
        async with desk.worker():
            run_id = (await desk.runs.execute(desk.caller, DESK, RunInput())).run_id
            rivals = [
                asyncio.create_task(desk.runs.execute(desk.caller, DESK, said(text), run_id=run_id))
                for text in ("one", "two")
            ]
            over, _ = await asyncio.wait(rivals, return_when=asyncio.FIRST_COMPLETED)
            for gate in gates:
                gate.set()
            both = await asyncio.gather(*rivals, return_exceptions=True)

    assert [type(each.exception()) for each in over] == [TurnUnderWayError]
    assert [each.view.turn_number for each in both if isinstance(each, Turn)] == [2]
    record = await desk.repository.get(desk.caller.organization_id, run_id)
    assert (record.status, record.turn_number) == (RunStatus.WAITING, 2)


async def test_an_input_waits_for_a_turn_that_is_written_and_run_once_more(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    """As when a worker dies after it wrote the turn, and before it says so."""
    async with receiving() as receiver:
        gate = receiver.gate("/1")
        graph = an_errand(receiver.url)
        desk = await a_desk_on(database, temporal_client, task_queue, graph)
        async with desk.worker():
            run_id = (await desk.runs.execute(desk.caller, DESK, RunInput())).run_id
            under_way = asyncio.create_task(
                desk.runs.execute(desk.caller, DESK, said("1"), run_id=run_id)
            )
            await eventually(lambda: receiver.arrived("/1"), saying="the turn is under way")
            with pytest.raises(TurnUnderWayError):
                await desk.runs.execute(desk.caller, DESK, said("2"), run_id=run_id)
            written = {"$set": {"turn_number": 2}}
            await desk.database[INTERACTIVE_RUNS].update_one({"_id": ObjectId(run_id)}, written)

            rivals = [
                asyncio.create_task(desk.runs.execute(desk.caller, DESK, said("3"), run_id=run_id))
                for _ in range(2)
            ]
            over, waiting = await asyncio.wait(rivals, return_when=asyncio.FIRST_COMPLETED)
            assert not under_way.done()
            gate.set()

            assert (await under_way).view.turn_number == 2
            assert [type(each.exception()) for each in over] == [TurnUnderWayError]
            turns = [await each for each in waiting]
            assert [(each.view.turn_number, spoken(each.view)) for each in turns] == [
                (3, ["did 3: 200"])
            ]


async def test_a_run_that_waits_is_stopped_once(desk: Desk) -> None:
    first = await desk.runs.execute(desk.caller, DESK, RunInput())
    stop, key = RunInput(command="stop"), str(uuid4())

    stopped = await desk.runs.execute(desk.caller, DESK, stop, run_id=first.run_id, key=key)
    again = await desk.runs.execute(desk.caller, DESK, stop, run_id=first.run_id, key=key)

    assert (stopped.view.status, stopped.view.turn_number) == (RunStatus.CANCELLED, 1)
    assert again == stopped
    _, pairs = await desk.runs.get(desk.caller, first.run_id)
    assert len(pairs) == 1
    with pytest.raises(InteractiveRunEndedError):
        await desk.runs.execute(desk.caller, DESK, said("more"), run_id=first.run_id)
    with pytest.raises(InteractiveRunEndedError):
        await desk.runs.execute(desk.caller, DESK, stop, run_id=first.run_id)


async def test_a_run_of_another_workflow_or_organization_looks_absent(desk: Desk) -> None:
    first = await desk.runs.execute(desk.caller, DESK, RunInput())
    elsewhere = "0" * 24

    with pytest.raises(InteractiveRunNotFoundError):
        await desk.runs.execute(desk.caller, elsewhere, said("hello"), run_id=first.run_id)
    with pytest.raises(InteractiveRunNotFoundError):
        await desk.repository.get(str(uuid4()), first.run_id)


async def test_a_run_goes_on_in_fresh_histories_without_a_seam(
    desk: Desk, temporal_client: Client
) -> None:
    first = await desk.runs.execute(desk.caller, DESK, RunInput())
    key = str(uuid4())
    for number in range(2, 3 * TURNS_A_HISTORY):
        turn = await desk.runs.execute(
            desk.caller, DESK, said("hello"), run_id=first.run_id, key=f"{key}:{number}"
        )
        assert (turn.view.turn_number, spoken(turn.view)) == (number, ["(noted)"])
    early = await desk.runs.execute(
        desk.caller, DESK, said("hello"), run_id=first.run_id, key=f"{key}:2"
    )

    assert early.view.turn_number == 2
    assert await histories_of(temporal_client, first.run_id) == 3


async def test_inputs_of_plain_clients_become_turns_in_their_order(
    desk: Desk, temporal_client: Client
) -> None:
    first = await desk.runs.execute(desk.caller, DESK, RunInput())
    handle = temporal_client.get_workflow_handle(f"workflow-run:{first.run_id}")
    ids = [f"input {number}" for number in range(2 * TURNS_A_HISTORY)]

    for input_id in ids:
        given = {"input_id": input_id, "run_input": said(input_id).model_dump(mode="json")}
        await handle.signal("user_input", given)
        await handle.signal("user_input", given)

    async def all_taken() -> bool:
        record = await desk.repository.get(desk.caller.organization_id, first.run_id)
        return record.turn_number == 1 + len(ids)

    await eventually(all_taken, saying="a turn for each input")
    _, pairs = await desk.runs.get(desk.caller, first.run_id)
    assert [heard(pair) for pair in pairs[1:]] == [[input_id] for input_id in ids]


async def test_an_input_that_comes_by_update_and_by_signal_is_one_turn(
    desk: Desk, temporal_client: Client
) -> None:
    first = await desk.runs.execute(desk.caller, DESK, RunInput())
    handle = temporal_client.get_workflow_handle(f"workflow-run:{first.run_id}")
    given = {"input_id": "both", "run_input": said("hello").model_dump(mode="json")}

    answers = await asyncio.gather(
        *(
            handle.execute_update("await_input", {"input_id": "both", "given": given})
            for _ in range(2)
        ),
        handle.signal("user_input", given),
    )

    assert [answer["turn"]["turn_number"] for answer in answers[:2]] == [2, 2]
    record = await desk.repository.get(desk.caller.organization_id, first.run_id)
    assert (record.status, record.turn_number) == (RunStatus.WAITING, 2)


@pytest.mark.parametrize("is_heard", [True, False])
async def test_an_input_that_comes_while_no_worker_is_there_is_kept(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str, is_heard: bool
) -> None:
    desk = await a_desk_on(database, temporal_client, task_queue)
    async with desk.worker():
        first = await desk.runs.execute(desk.caller, DESK, RunInput())
    handle = temporal_client.get_workflow_handle(f"workflow-run:{first.run_id}")

    turn = asyncio.create_task(
        desk.runs.execute(desk.caller, DESK, said("hello"), run_id=first.run_id)
    )
    await eventually(lambda: is_signalled(handle), saying="the server keeps the input")
    if not is_heard:  # as if the process had died
        turn.cancel()
        await asyncio.wait([turn])

    async def is_taken() -> bool:
        record = await desk.repository.get(desk.caller.organization_id, first.run_id)
        return record.turn_number == 2

    async with desk.worker():
        await eventually(is_taken, saying="the input is a turn")
        if is_heard:
            assert (await turn).view.turn_number == 2
        third = await desk.runs.execute(desk.caller, DESK, said("more"), run_id=first.run_id)
    assert third.view.turn_number == 3


async def test_a_stop_reaches_a_turn_that_is_under_way(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    async with receiving() as receiver:
        gate = receiver.gate("/call")
        graph = a_call_graph(f"{receiver.url}/call")
        desk = await a_desk_on(database, temporal_client, task_queue, graph)
        async with desk.worker():
            key = str(uuid4())
            turn = asyncio.create_task(desk.runs.execute(desk.caller, DESK, RunInput(), key=key))
            await eventually(lambda: receiver.arrived("/call"), 20, saying="the call begins")
            [record], _ = await desk.runs.list(desk.caller, RunQuery())

            try:
                stopped = await desk.runs.execute(
                    desk.caller, DESK, RunInput(command="stop"), run_id=record.id
                )

                assert stopped.view.status is RunStatus.CANCELLED
                assert (await turn).view.status is RunStatus.CANCELLED
            finally:
                gate.set()  # the worker waits for the call
    _, pairs = await desk.runs.get(desk.caller, record.id)
    assert len(pairs) == 1


async def test_a_turn_is_the_same_when_each_workflow_task_replays_it(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> None:
    async with receiving() as receiver:
        graph = a_call_graph(f"{receiver.url}/call")
        desk = await a_desk_on(database, temporal_client, task_queue, graph)
        customer = RunInput(dynamic_variables={"customer": "Ada"})
        turn = asyncio.create_task(desk.runs.execute(desk.caller, DESK, customer))
        async with desk.worker(max_cached_workflows=0):
            answer = await turn

    assert answer.view.status is RunStatus.COMPLETED
    assert spoken(answer.view) == ["status 200"]
    assert receiver.keys["/call"] == [f"{answer.run_id}/1/node_call/1"]


async def aged(desk: Desk, run_id: str) -> None:
    """Let a run look as if nothing had happened to it for a while."""
    long_ago = datetime.now(UTC) - 2 * GRACE
    changes = {"updated_at": long_ago, "checked_at": long_ago}
    await desk.database[INTERACTIVE_RUNS].update_one({"_id": ObjectId(run_id)}, {"$set": changes})


async def test_a_run_that_was_never_started_is_started_where_somebody_will_ask(
    desk: Desk, temporal_client: Client
) -> None:
    cut_off = await connect(f"{LOOPBACK}:{free_port()}", NAMESPACE, lazy=True)
    away = await a_desk_on(desk.database, cut_off, desk.task_queue)
    key = str(uuid4())
    for asked in (key, None):
        with pytest.raises(TemporalUnavailableError):
            await away.runs.execute(desk.caller, DESK, RunInput(), key=asked)
    (unasked, keyed), _ = await desk.runs.list(desk.caller, RunQuery())
    for record in (unasked, keyed):
        await aged(desk, record.id)

    await sweep_of(desk, temporal_client).sweep(10)

    told = await desk.runs.execute(desk.caller, DESK, RunInput(), key=key)
    assert (told.run_id, told.view.status) == (keyed.id, RunStatus.WAITING)
    closed = await desk.repository.get(desk.caller.organization_id, unasked.id)
    assert (closed.status, closed.termination_source) == (RunStatus.FAILED, NEVER_STARTED)


async def test_a_run_that_somebody_terminated_is_closed_and_one_that_waits_is_left(
    desk: Desk, temporal_client: Client
) -> None:
    ended = await desk.runs.execute(desk.caller, DESK, RunInput())
    waiting = await desk.runs.execute(desk.caller, DESK, RunInput())
    await temporal_client.get_workflow_handle(f"workflow-run:{ended.run_id}").terminate()
    for run_id in (ended.run_id, waiting.run_id):
        await aged(desk, run_id)

    await sweep_of(desk, temporal_client).sweep(10)

    closed = await desk.repository.get(desk.caller.organization_id, ended.run_id)
    assert (closed.status, closed.termination_source) == (RunStatus.FAILED, LOST)
    again = await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=waiting.run_id)
    assert again.view.turn_number == 2
    with pytest.raises(InteractiveRunEndedError):
        await desk.runs.execute(desk.caller, DESK, said("hello"), run_id=ended.run_id)


def sweep_of(desk: Desk, client: Client) -> RunSweep:
    """Return what looks at open runs."""
    gateway = Gateway(client, desk.task_queue)
    return RunSweep(desk.repository, gateway, RunGateway(client, desk.task_queue))


async def is_signalled(handle: WorkflowHandle[Any, Any]) -> bool:
    history = await handle.fetch_history()
    return any(
        event.HasField("workflow_execution_signaled_event_attributes") for event in history.events
    )


async def histories_of(client: Client, run_id: str) -> int:
    query = f'WorkflowId = "workflow-run:{run_id}"'

    async def count() -> int:
        return len([each async for each in client.list_workflows(query)])

    return await count()


def heard(pair: Any) -> list[str]:
    """Return what a person said in a turn."""
    inputs = pair["run_input"]["thread_to_node_inputs"]["0"]["node_run_inputs"]
    return [message["content"] for each in inputs for message in each["messages"]]
