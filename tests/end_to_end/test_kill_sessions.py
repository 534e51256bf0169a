"""Whatever is killed, no turn of a conversation is lost and none is doubled."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from store.collections import INTERACTIVE_RUNS
from tests.api.test_model_turns import a_model
from tests.support.dialogs import asks, graph
from tests.support.eventually import eventually
from tests.support.models import completion, model_server
from tests.support.platform_process import Part, PlatformProcess, running_platform
from tests.support.receiver import Receiver, receiving
from tests.support.sessions import PATIENCE_SECONDS, Json, Session, a_session

VICTIMS: tuple[Part, ...] = ("worker", "api")

pytestmark = pytest.mark.xdist_group("kill_sessions")


@pytest.fixture(scope="module")
async def processes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlatformProcess]:
    folder: Path = tmp_path_factory.mktemp("platform")
    async with running_platform(folder) as processes:
        yield processes


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def held(receiver: Receiver) -> str:
    """Return an errand that is not done before its gate opens."""
    errand = uuid4().hex
    receiver.gate(f"/{errand}")
    return errand


@pytest.mark.parametrize(
    "parts", [("worker",), ("api",), ("worker", "api")], ids=lambda parts: "_and_".join(parts)
)
async def test_no_turn_is_lost_or_doubled_between_and_inside_turns(
    processes: PlatformProcess, receiver: Receiver, parts: tuple[Part, ...]
) -> None:
    """Sessions between two turns, inside a later turn, inside the first one, and being stopped."""
    await processes.await_healthy()
    between, inside, first, stopped = await asyncio.gather(
        *(a_session(processes, receiver, turns) for turns in (2, 1, 0, 1))
    )
    errands = [held(receiver) for _ in range(3)]
    under_way = [
        asyncio.ensure_future(session.says(errand))
        for session, errand in zip((inside, first, stopped), errands, strict=True)
    ]
    await eventually(lambda: all(receiver.arrived(f"/{each}") for each in errands))
    key = str(uuid4())
    stopping = asyncio.ensure_future(stopped.stops(key))

    pids = {part: processes.kill(part) for part in parts}
    for errand in errands[:2]:
        receiver.gates[f"/{errand}"].set()

    again = await between.repeats(2)
    await asyncio.gather(*under_way, between.says(), stopping)
    await asyncio.gather(*(session.says() for session in (between, inside, first)))
    assert again == between.answers[1]
    assert await first.repeats(1) == first.answers[0]
    for session in (between, inside, first):
        await session.assert_whole(receiver, interrupted=errands)
    await assert_stopped(stopped, key, stopping.result())
    for part, pid in pids.items():
        await processes.await_back(part, pid)


async def assert_stopped(session: Session, key: str, answer: Json) -> None:
    """Find a run stopped once, in the middle of its second turn."""
    assert (answer["status"], answer["turn_number"]) == ("cancelled", 2)
    assert await session.stops(key) == answer
    record = await session.record()
    pairs: Any = record["input_output_pairs"]
    assert (record["status"], len(pairs)) == ("cancelled", 2)
    refused = await session.platform.http.post(
        f"/v1/workflows/{session.workflow_id}/execute",
        json={"run_id": session.run_id, "run_input": {}},
    )
    assert refused.status_code == httpx.codes.CONFLICT


async def test_turns_that_follow_each_other_through_a_kill_are_all_there(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    """Worker and API are killed at whatever point callers are, who talk without a pause."""
    await processes.await_healthy()
    sessions = [await a_session(processes, receiver, 1) for _ in range(3)]
    enough = asyncio.Event()

    async def talks(session: Session) -> None:
        while not enough.is_set():
            await session.says()

    async def have_gone_on(turns: int) -> None:
        ends = [len(session.answers) + turns for session in sessions]

        def all_did() -> bool:
            return all(
                len(session.answers) >= end for session, end in zip(sessions, ends, strict=True)
            )

        await eventually(all_did, PATIENCE_SECONDS, saying="everybody was answered a few times")

    talking = [asyncio.ensure_future(talks(session)) for session in sessions]
    await have_gone_on(3)
    pids = {part: processes.kill(part) for part in VICTIMS}
    await have_gone_on(3)
    enough.set()
    await asyncio.gather(*talking)

    for session in sessions:
        await session.assert_whole(receiver, interrupted=session.said)
    for part, pid in pids.items():
        await processes.await_back(part, pid)


async def test_a_run_whose_api_died_before_it_was_started_begins_once(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    """A frozen Temporal holds the API exactly there: the record is written, the start hangs."""
    await processes.await_healthy()
    session = await a_session(processes, receiver, 0)
    processes.freeze("temporal")
    try:
        begun = asyncio.ensure_future(session.says())
        async with processes.database() as database:
            recorded = {"workflow_id": session.workflow_id}
            await eventually(lambda: database[INTERACTIVE_RUNS].find_one(recorded))
        pid = processes.kill("api")
    finally:
        processes.thaw("temporal")

    await begun
    await session.says()

    await session.assert_whole(receiver)
    listed = await processes.http.get(
        "/v1/workflow-runs", params={"workflow_id": session.workflow_id}
    )
    assert listed.json()["total"] == 1
    await processes.await_back("api", pid)


async def test_a_turn_whose_worker_died_while_its_model_thought_is_answered_once(
    processes: PlatformProcess,
) -> None:
    await processes.await_healthy()
    answers = iter([completion("Good morning"), None, completion("Noted")])
    async with model_server(lambda body: next(answers)) as server:
        desk = asks("desk", llms_config=a_model(server, max_retries=2))
        answer = await processes.http.post("/v1/workflows", json={"name": "Desk", **graph(desk)})
        session = Session(processes, answer.json()["workflow"]["_id"])
        first = await session.says("hello")
        thinking = asyncio.ensure_future(session.says("Is it open?"))
        await eventually(lambda: len(server.asked) == 2, saying="the model was asked")
        pid = processes.kill("worker")
        second = await thinking

    keys = [request.headers["idempotency-key"] for request in server.web.requests]
    assert [answer["turn_number"] for answer in (first, second)] == [1, 2]
    assert await session.repeats(2) == second
    record = await session.record()
    pairs: Any = record["input_output_pairs"]
    assert [pair["run_output"]["events"] for pair in pairs] == [first["events"], second["events"]]
    assert len(server.asked) == 3
    assert server.asked[1] == server.asked[2]
    assert keys[1] == keys[2] != keys[0]
    await processes.await_back("worker", pid)
