"""Interactive runs as clients have them: turns over HTTP, on a worker."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs

from tests.support.eventually import eventually
from tests.support.interactive import a_call_graph, a_desk, said
from tests.support.platform import Json, Platform
from tests.support.receiver import receiving
from tests.support.sessions import an_errand

UNKNOWN = "0" * 24
ALWAYS = {
    *("run_id", "status", "turn_number", "events", "is_waiting_for_input", "is_completed"),
    *("error", "next_input_hint", "has_active_companions", "has_background_work"),
}
TWO_NODES = [
    *("start_node_run", "say_static", "assistant_response", "end_node_run"),
    *("workflow_show_state", "direct_edge", "workflow_navigation_message"),
    *("start_node_run", "say_static", "assistant_response", "end_node_run"),
    *("workflow_show_state", "end_thread", "end_workflow_iteration", "end_workflow"),
]


def a_speaker(name: str, **more: Any) -> Json:
    texts: Json = {"static_messages": [f"I am {name}"]}
    return {
        "type": "say_static",
        "logical_id": f"node_{name}",
        "name": name,
        "static_messages_config": texts,
        **more,
    }


def two_speakers() -> Json:
    edge: Json = {
        "type": "direct",
        "logical_id": "edge_1",
        "source_node_logical_id": "node_a",
        "destination_node_logical_id": "node_b",
    }
    return {
        "workflow_config": {"logical_id": "workflow_1"},
        "node_configs": [a_speaker("a", is_start=True), a_speaker("b")],
        "edge_configs": [edge],
    }


async def a_workflow(platform: Platform, graph: Json) -> str:
    answer = await platform.client.post("/v1/workflows", json={"name": "Desk", **graph})
    assert answer.status_code == 201, answer.text
    workflow_id: str = answer.json()["workflow"]["_id"]
    return workflow_id


async def executed(
    platform: Platform,
    workflow_id: str,
    run_input: Any = None,
    run_id: str | None = None,
    key: str | None = None,
    mount: str = "",
    **query: Any,
) -> httpx.Response:
    body = {"run_input": run_input or {"command": "start"}, "run_id": run_id}
    return await platform.client.post(
        f"{mount}/v1/workflows/{workflow_id}/execute",
        json=body,
        params=query,
        headers={} if key is None else {"Idempotency-Key": key},
    )


async def turn(platform: Platform, workflow_id: str, *rest: Any, **more: Any) -> Json:
    answer = await executed(platform, workflow_id, *rest, **more)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    assert set(told) == ALWAYS
    return told


def a_word(text: str, **variables: Any) -> Any:
    return said(text, runtime_variables=variables).model_dump(mode="json")


def contents(told: Json) -> list[Any]:
    events: Any = told["events"]
    return [event["content"] for event in events if event["type"] == "assistant_response"]


async def test_a_graph_of_two_static_nodes_tells_its_events_in_order(working: Platform) -> None:
    workflow_id = await a_workflow(working, two_speakers())

    told = await turn(working, workflow_id)

    events: Any = told["events"]
    assert [event["type"] for event in events] == TWO_NODES
    assert contents(told) == ["I am a", "I am b"]
    assert (told["status"], told["is_completed"], told["turn_number"]) == ("completed", True, 1)
    assert (told["error"], told["next_input_hint"]) == (None, None)


async def test_a_conversation_over_either_mount(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())

    first = await turn(working, workflow_id, {"dynamic_variables": {"customer": "Ada"}})
    run_id = str(first["run_id"])
    last = await turn(
        working, workflow_id, a_word("bye", choice="finish"), run_id=run_id, mount="/workflows"
    )

    hint: Any = first["next_input_hint"]
    assert (first["status"], first["is_waiting_for_input"]) == ("waiting_for_user_input", True)
    assert (hint["type"], hint["origin_node_name"]) == ("busy_wait_for_user_message", "Desk")
    assert contents(last) == ["(noted)", "Bye Ada"]
    answer = await working.client.get(f"/v1/workflow-runs/{run_id}")
    shown = answer.json()["workflow_run"]
    assert shown["_id"] == run_id
    state = shown["workflow_run"]
    assert (state["status"], state["version_number"]) == ("completed", 0)
    pairs = state["input_output_pairs"]
    assert [len(pair["run_output"]["events"]) for pair in pairs] == [
        len(first["events"]),  # type: ignore[arg-type]
        len(last["events"]),  # type: ignore[arg-type]
    ]
    graph = state["workflow_config_fully_hydrated"]
    assert [node["logical_id"] for node in graph["node_configs"]] == ["node_desk", "node_bye"]


async def test_what_is_refused_leaves_the_run_as_it_was(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    other_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    word = a_word("hello")

    refusals = [
        await executed(working, "not-an-id"),
        await executed(working, UNKNOWN),
        await executed(working, workflow_id, version=7),
        await executed(working, workflow_id, word, run_id=UNKNOWN),
        await executed(working, other_id, word, run_id=run_id),
        await executed(working, workflow_id, word, run_id="not-an-id"),
        await executed(working, workflow_id, {"command": "dance"}),
        await executed(working, workflow_id, {"command": "stop"}),
        await executed(working, workflow_id, {"command": "resume"}),
        await executed(working, workflow_id, {"command": "pause"}, run_id=run_id),
        await executed(working, workflow_id, {"initial_state": {"node": "x"}}),
        await working.client.post(f"/v1/workflows/{workflow_id}/execute", json={}),
    ]

    assert [each.status_code for each in refusals] == (
        [422, 404, 404, 404, 404, 422, 422, 400, 400, 400, 400, 422]
    )
    assert all("detail" in each.json() for each in refusals)
    assert (await turn(working, workflow_id, word, run_id=run_id))["turn_number"] == 2


async def test_a_run_at_its_end_refuses_turns(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    stop = {"command": "stop"}

    stopped = await turn(working, workflow_id, stop, run_id=run_id)
    late = await executed(working, workflow_id, a_word("hello"), run_id=run_id)

    assert (stopped["status"], stopped["is_completed"]) == ("cancelled", True)
    assert (stopped["events"], stopped["turn_number"]) == ([], 1)
    assert late.status_code == 409
    answer = await working.client.get(f"/v1/workflow-runs/{run_id}")
    assert answer.json()["workflow_run"]["workflow_run"]["status"] == "cancelled"


async def test_a_graph_without_a_start_is_stored_and_not_run(working: Platform) -> None:
    workflow_id = await a_workflow(working, {})

    assert (await executed(working, workflow_id)).status_code == 400


async def test_the_same_key_leads_to_the_same_turn_and_one_of_two_at_once_wins(
    working: Platform,
) -> None:
    async with receiving() as receiver:
        gates = [receiver.gate(f"/{text}") for text in ("a", "b")]
        workflow_id = await a_workflow(working, an_errand(receiver.url))
        key = str(uuid4())

        both = await asyncio.gather(*(turn(working, workflow_id, key=key) for _ in range(2)))
        run_id = str(both[0]["run_id"])
        rivals = [
            asyncio.create_task(executed(working, workflow_id, a_word(text), run_id=run_id))
            for text in ("a", "b")
        ]
        await asyncio.wait(rivals, return_when=asyncio.FIRST_COMPLETED)
        is_over = [rival.done() for rival in rivals]
        for gate in gates:
            gate.set()
        codes = [(await rival).status_code for rival in rivals]

    assert both[0] == both[1]
    assert sorted(codes) == [200, 409]
    assert codes[is_over.index(True)] == 409


async def test_a_run_keeps_its_graph_when_the_workflow_changes(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])

    changed = await working.client.patch(
        f"/v1/workflows/{workflow_id}/versions/0/config", json={"config": two_speakers()}
    )

    assert changed.status_code == 200, changed.text
    assert contents(await turn(working, workflow_id, a_word("hello"), run_id=run_id)) == ["(noted)"]
    assert contents(await turn(working, workflow_id)) == ["I am a", "I am b"]


async def test_a_service_that_fails_is_told_and_the_run_goes_on(working: Platform) -> None:
    async with receiving() as receiver:
        receiver.broken.add("/call")
        workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))

        told = await turn(working, workflow_id)

    assert contents(told) == ["status 503"]
    run_id = told["run_id"]
    assert receiver.keys["/call"] == [f"{run_id}/1/node_call/1"]


async def test_runs_are_listed_newest_first_and_deleted(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    waiting = str((await turn(working, workflow_id))["run_id"])
    stopped = str((await turn(working, workflow_id))["run_id"])
    await turn(working, workflow_id, {"command": "stop"}, run_id=stopped)
    path = "/v1/workflow-runs"

    async def listed(**query: Any) -> Json:
        answer = await working.client.get(path, params={"workflow_id": workflow_id, **query})
        page: Json = answer.json()
        return page

    page: Any = await listed()
    assert [row["_id"] for row in page["workflow_runs"]] == [stopped, waiting]
    assert (page["total"], page["page"], page["size"]) == (2, 1, 100)
    page = await listed(status="waiting_for_user_input")
    assert [row["_id"] for row in page["workflow_runs"]] == [waiting]
    page = await listed(start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z")
    assert page["total"] == 0
    assert "detail" in await listed(start="0.5")
    page = await listed(page=2, size=1)
    assert [row["_id"] for row in page["workflow_runs"]] == [waiting]

    assert (await working.client.delete(f"{path}/{waiting}")).status_code == 204

    assert (await working.client.get(f"{path}/{waiting}")).status_code == 404
    assert (await listed())["total"] == 1
    assert (await executed(working, workflow_id, a_word("x"), run_id=waiting)).status_code == 404


async def test_schemas_of_runs_are_those_of_a_real_run(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    await turn(working, workflow_id, a_word("bye", choice="finish"), run_id=run_id)

    schemas = (await working.client.get("/v1/workflow-runs/schema")).json()
    shown = (await working.client.get(f"/v1/workflow-runs/{run_id}")).json()["workflow_run"]

    state = shown["workflow_run"]
    pair = state["input_output_pairs"][1]
    parts = {
        "run_schema": state,
        "run_input_output_pair_schema": pair,
        "run_input_schema": pair["run_input"],
        "run_output_schema": pair["run_output"],
    }
    assert {*schemas} == {*parts}
    for name, part in parts.items():
        jsonschema_rs.validator_for(schemas[name]).validate(part)
    wrong = {**pair["run_output"], "events": [{"type": "unheard_of"}]}
    assert not jsonschema_rs.validator_for(schemas["run_output_schema"]).is_valid(wrong)


async def test_runs_go_with_their_workflow(working: Platform) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])

    assert (await working.client.delete(f"/v1/workflows/{workflow_id}")).status_code == 204

    assert (await executed(working, workflow_id)).status_code == 404
    assert (await working.client.get(f"/v1/workflow-runs/{run_id}")).status_code == 404


async def test_runs_of_another_organization_look_absent(
    working: Platform, working_api: Any
) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    stranger = await working_api.organization()

    assert (await executed(stranger, workflow_id)).status_code == 404
    assert (await executed(stranger, workflow_id, run_id=run_id)).status_code == 404
    assert (await stranger.client.get(f"/v1/workflow-runs/{run_id}")).status_code == 404
    assert (await stranger.client.delete(f"/v1/workflow-runs/{run_id}")).status_code == 404
    found = (await stranger.client.get("/v1/workflow-runs")).json()
    assert found["workflow_runs"] == []


async def test_a_turn_goes_on_without_its_caller(working: Platform) -> None:
    async with receiving() as receiver:
        gate = receiver.gate("/call")
        workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))
        key = str(uuid4())
        caller = asyncio.create_task(turn(working, workflow_id, key=key))
        await eventually(lambda: receiver.arrived("/call"), 20, saying="the call begins")
        caller.cancel()
        again = asyncio.create_task(turn(working, workflow_id, key=key))
        gate.set()

        told = await again

    assert contents(told) == ["status 200"]
    assert len(receiver.keys["/call"]) == 1
