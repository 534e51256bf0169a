"""How streams of runs end when nobody means them to: each with the code that says why."""

import logging
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from temporalio.client import Client
from websockets.asyncio.client import connect

from contracts.names import run_workflow_id
from operations.run_sweep import GRACE
from store.collections import INTERACTIVE_RUNS
from tests.api.test_workflow_runs import a_speaker, a_workflow, turn
from tests.fixtures.api import READY_SECONDS, Api, running_api
from tests.support.eventually import eventually
from tests.support.interactive import a_call_graph, a_desk
from tests.support.platform import Platform
from tests.support.receiver import receiving
from tests.support.served import served
from tests.support.talking import SOCKET, Talker, key_of, listening, says, talking

SEED = 5
FEW_BYTES = 4_096


@pytest.fixture(scope="module")
async def url(working_api: Api) -> AsyncIterator[str]:
    async with served(working_api.app) as url:
        yield url


async def begun(talker: Talker, workflow_id: str, **more: Any) -> str:
    """Begin a run, and return its id."""
    await talker.say({"workflow_id": workflow_id, "command": "start", **more})
    run_id: str = (await talker.frame())["workflow_run_id"]
    return run_id


async def test_who_says_more_than_there_are_turns_for_is_hung_up_on(
    working: Platform, url: str
) -> None:
    async with receiving() as receiver:
        gate = receiver.gate("/call")
        workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))
        async with talking(url, key_of(working)) as talker:
            run_id = await begun(talker, workflow_id)
            await eventually(lambda: receiver.arrived("/call"))
            for number in range(17):
                await talker.say(says(f"{number}", workflow_run_id=run_id))
            ended = await talker.end()
        gate.set()
        again = await turn_of(working, run_id, "completed")

    assert (ended.code, ended.reason) == (4429, "more was said than there were turns for")
    assert len(again["input_output_pairs"]) == 1


async def test_who_says_nothing_is_hung_up_on(
    working: Platform, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.run_sockets.OPENING_PATIENCE_SECONDS", 0.05)

    async with talking(url, key_of(working)) as talker:
        ended = await talker.end()

    assert (ended.code, ended.reason) == (4000, "nothing was said")


async def test_a_process_that_stops_says_so_and_another_one_goes_on(
    working: Platform, working_api: Api, url: str
) -> None:
    workflow_id, headers = await a_workflow(working, a_desk()), key_of(working)
    async with running_api(working_api.settings) as other, served(other.app) as other_url:

        async def is_ready() -> bool:
            client = await other.client()
            return (await client.get("/health/ready")).status_code == 200

        await eventually(is_ready, READY_SECONDS, saying="the other application is ready")
        async with talking(other_url, headers) as talker:
            run_id = await begun(talker, workflow_id)
            await talker.turn()
            async with listening(other_url, run_id, headers) as sent:
                await sent.until("workflow_ready_for_input")
                other.app.state.services.run_listening.stop()
                ended = await talker.end()
                await sent.rest()
    async with talking(url, headers) as again:
        told = len(talker.told)
        await again.say(says("hello", workflow_run_id=run_id, event_index=told))
        await again.frame()
        rest = await again.turn()

    assert ended.code == 1012
    assert sent.closing is not None
    assert sent.closing["code"] == 1012
    assert rest[0]["type"] == "user_messages"


async def test_a_run_that_is_lost_without_a_word_is_our_mistake(
    working: Platform, working_api: Api, temporal_client: Client, url: str
) -> None:
    """Somebody ended its workflow by hand, and the reconciler found it gone."""
    workflow_id, headers = await a_workflow(working, a_desk()), key_of(working)
    async with talking(url, headers) as talker:
        run_id = await begun(talker, workflow_id)
        await talker.turn()
        async with listening(url, run_id, headers) as sent:
            await sent.until("workflow_ready_for_input")
            await temporal_client.get_workflow_handle(run_workflow_id(run_id)).terminate()
            long_ago = datetime.now(UTC) - 2 * GRACE
            runs = working_api.database[INTERACTIVE_RUNS]
            changes = {"updated_at": long_ago, "checked_at": long_ago}
            await runs.update_one({"_id": ObjectId(run_id)}, {"$set": changes})
            ended = await talker.end()
            await sent.rest()

    assert (ended.code, ended.reason) == (1011, "its workflow was ended from outside")
    assert sent.closing == {"code": 1011, "reason": ended.reason}


async def test_a_listener_that_does_not_read_is_cut_off_and_misses_nothing(
    working: Platform,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("api.sockets.SEND_PATIENCE", timedelta(seconds=2))
    # Large, and nothing that a socket could compress.
    noise = random.Random(SEED).randbytes(100_000).hex()  # noqa: S311
    workflow_id, headers = await a_workflow(working, speakers(30)), key_of(working)
    given: Any = {"dynamic_variables": {"noise": noise}}
    run_id = str((await turn(working, workflow_id, given))["run_id"])

    async with deaf(url, headers) as talker:
        await talker.say({"command": "follow", "workflow_run_id": run_id, "event_index": 0})
        await talker.frame()
        talker.socket.transport.pause_reading()
        await eventually(lambda: "takes nothing" in caplog.text, saying="it was given up")
        talker.socket.transport.resume_reading()
        cut_off = await talker.end()
    async with talking(url, headers) as again:
        told = len(talker.told)
        await again.say({"command": "follow", "workflow_run_id": run_id, "event_index": told})
        await again.frame()
        ended = await again.end()

    assert cut_off.code == 4408
    assert 0 < told < 30
    assert ended.code == 1000
    events = (await turn_of(working, run_id, "completed"))["input_output_pairs"][0]["run_output"]
    assert talker.told + again.told == events["events"]


async def turn_of(platform: Platform, run_id: str, status: str) -> Any:
    """Return a run's state once it has a status."""

    async def shown() -> Any:
        answer = await platform.client.get(f"/v1/workflow-runs/{run_id}")
        state = answer.json()["workflow_run"]["workflow_run"]
        return state if state["status"] == status else None

    return await eventually(shown, saying=f"the run is {status}")


def speakers(count: int) -> Any:
    """Return a graph of nodes that say what they were given, one after the other."""
    noise = {"static_messages": ["{{noise}}"]}
    nodes = [
        a_speaker(f"{at}", is_start=not at, static_messages_config=noise) for at in range(count)
    ]
    edges = [
        {
            "type": "direct",
            "logical_id": f"edge_{at}",
            "source_node_logical_id": f"node_{at}",
            "destination_node_logical_id": f"node_{at + 1}",
        }
        for at in range(count - 1)
    ]
    return {"workflow_config": {}, "node_configs": nodes, "edge_configs": edges}


@asynccontextmanager
async def deaf(url: str, headers: dict[str, str]) -> AsyncIterator[Talker]:
    """Open a socket for which the operating system keeps hardly anything."""
    place = urlsplit(url)
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW_BYTES)
        narrow.connect((place.hostname, place.port))
        narrow.setblocking(False)
        address = f"ws://{place.netloc}{SOCKET}"
        async with connect(
            address,
            sock=narrow,
            additional_headers=headers,
            compression=None,
            proxy=None,
            max_size=None,
        ) as made:
            yield Talker(made)
