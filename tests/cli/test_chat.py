"""``perdure chat`` against a served API with a worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.test_model_turns import a_model
from tests.api.test_workflow_runs import a_word, a_workflow, turn, two_speakers
from tests.fixtures.api import Api
from tests.support.command import LONGEST_SECONDS, Ended, perdure_here, perdure_process
from tests.support.dialogs import asks, graph
from tests.support.eventually import eventually
from tests.support.interactive import a_call_graph, a_desk
from tests.support.models import model_server, streamed
from tests.support.platform import Platform
from tests.support.receiver import receiving
from tests.support.served import served
from tests.support.terminal import on_a_terminal


@pytest.fixture(scope="module")
async def url(working_api: Api) -> AsyncIterator[str]:
    async with served(working_api.app) as url:
        yield url


@pytest.fixture
def reaching(working: Platform, url: str) -> dict[str, str]:
    return {"PERDURE_URL": url, "PERDURE_API_KEY": working.client.headers["X-API-Key"]}


async def chat(reaching: dict[str, str], *arguments: str, said: str = "") -> Ended:
    """Talk by a pipe: each line of what is said is a message."""
    return await perdure_here("chat", *arguments, variables=reaching, said=said)


async def status_of(platform: Platform, run_id: str) -> str:
    answer = await platform.client.get(f"/v1/workflow-runs/{run_id}")
    status: str = answer.json()["workflow_run"]["workflow_run"]["status"]
    return status


async def latest_run(platform: Platform) -> str:
    answer = await platform.client.get("/v1/workflow-runs")
    run_id: str = answer.json()["workflow_runs"][0]["_id"]
    return run_id


async def test_a_script_talks_by_lines_and_reads_events(
    working: Platform, reaching: dict[str, str]
) -> None:
    workflow_id = await a_workflow(working, two_speakers())

    spoken = await chat(reaching, "Desk")
    events = await chat(reaching, workflow_id, "--json")

    assert (spoken.status, spoken.out) == (0, "I am a\nI am b\n")
    assert spoken.err == "perdure: the run is completed\n"
    types = [json.loads(line)["type"] for line in events.out.splitlines()]
    assert (events.status, types[-1]) == (0, "end_workflow")


async def test_the_end_of_input_leaves_the_run_waiting_and_it_goes_on(
    working: Platform, reaching: dict[str, str]
) -> None:
    workflow_id = await a_workflow(working, a_desk())

    first = await chat(reaching, workflow_id, "--set", "customer=Ada", said="hello\n\nagain\n")
    run_id = await latest_run(working)
    second = await chat(reaching, "--run", run_id, said="once more\n")
    await turn(working, workflow_id, a_word("bye", choice="finish"), run_id=run_id)
    last = await chat(reaching, "--run", run_id)

    assert (first.status, first.out) == (0, "> hello\n(noted)\n> again\n(noted)\n")
    assert first.err == f"perdure: the run waits: perdure chat --run {run_id}\n"
    assert second.out == first.out + "> once more\n(noted)\n"
    assert last.out == second.out + "> bye\n(noted)\nBye Ada\n"
    assert (last.status, last.err) == (0, "perdure: the run is completed\n")


async def test_words_appear_as_a_model_says_them(
    working: Platform, reaching: dict[str, str]
) -> None:
    async with model_server(lambda body: streamed("Good", " morning", ", Ada")) as server:
        desk = asks("desk", llms_config=a_model(server, streaming=True))
        workflow_id = await a_workflow(working, graph(desk))

        plain = await chat(reaching, workflow_id, said="hello\n")
        events = await chat(reaching, workflow_id, "--json", said="hello\n")

    assert plain.out == "> hello\nGood morning, Ada\n"
    told = [json.loads(line) for line in events.out.splitlines()]
    parts = [event["delta"] for event in told if event["type"] == "assistant_response_delta"]
    assert "".join(parts) == "Good morning, Ada"


async def test_ctrl_c_stops_the_run_at_the_prompt(
    working: Platform, reaching: dict[str, str]
) -> None:
    workflow_id = await a_workflow(working, a_desk())

    async with on_a_terminal("chat", workflow_id, variables=reaching) as terminal:
        await terminal.shows("> ")
        terminal.types("hello")
        await terminal.shows("(noted)")
        terminal.interrupt()
        assert await terminal.ends() == 130

    assert await status_of(working, await latest_run(working)) == "cancelled"


async def test_ctrl_c_stops_the_run_in_the_middle_of_a_turn(
    working: Platform, reaching: dict[str, str]
) -> None:
    async with receiving() as receiver:
        receiver.gate("/call")
        workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))

        async with on_a_terminal("chat", workflow_id, variables=reaching) as terminal:
            await eventually(lambda: receiver.arrived("/call"), 30)
            terminal.interrupt()
            assert await terminal.ends() == 130

    assert await status_of(working, await latest_run(working)) == "cancelled"


async def test_a_conversation_survives_the_process_that_serves_it(
    working: Platform, working_api: Api
) -> None:
    workflow_id = await a_workflow(working, a_desk())
    key = {"PERDURE_API_KEY": working.client.headers["X-API-Key"]}

    async with served(working_api.app) as url:
        port = int(url.rpartition(":")[2])
        process = await perdure_process(
            "chat", workflow_id, variables={"PERDURE_URL": url, **key}, stdin=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"hello\n")
        async with asyncio.timeout(LONGEST_SECONDS):
            assert await process.stdout.readline() == b"> hello\n"
            assert await process.stdout.readline() == b"(noted)\n"
    try:
        async with served(working_api.app, port), asyncio.timeout(LONGEST_SECONDS):
            out, err = await process.communicate(b"again\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert (process.returncode, out.decode()) == (0, "> again\n(noted)\n")
    assert b"calling again" in err


async def test_a_run_that_fails_and_what_cannot_be_said(
    working: Platform, reaching: dict[str, str]
) -> None:
    unsayable: Any = two_speakers()
    unsayable["edge_configs"][0] |= {
        "type": "conditional",
        "condition": {"condition_expression": "[[x]] = nonsense ("},
    }
    workflow_id = await a_workflow(working, unsayable)

    failed = await chat(reaching, workflow_id)
    nobody = await chat(reaching, "nobody")
    both = await chat(reaching, "Desk", "--run", "0" * 24)
    no_run = await chat(reaching, "--run", "0" * 24)
    variable = await chat(reaching, workflow_id, "--set", "x")

    assert failed.status == 1
    assert failed.err.endswith("perdure: the run is failed\n")
    for ended, said in (
        (nobody, "no workflow has the id or name"),
        (both, "name a workflow, or a run"),
        (no_run, "no such run"),
        (variable, "NAME=VALUE"),
    ):
        assert ended.status == 1
        assert said in ended.err
        assert "Traceback" not in ended.err
