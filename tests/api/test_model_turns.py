"""Turns of nodes with a model: a server that speaks the protocol, the API and a worker."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from temporalio.client import Client

from contracts.names import run_workflow_id
from flows.secrets import MASK
from tests.fixtures.api import Api
from tests.support.dialogs import asks, direct, graph, node, says, when
from tests.support.eventually import eventually
from tests.support.interactive import said
from tests.support.leaks import dump_of, history_of, shows
from tests.support.models import (
    ModelServer,
    called,
    completion,
    model_server,
    refused,
    streamed,
)
from tests.support.platform import Json, Platform
from tests.support.receiver import receiving

SECRET = "sk-author-0b7e2f94c1d8"
CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def a_model(server: ModelServer, **changes: Any) -> Json:
    """Return the configuration of a model with a key of its author's."""
    return {
        "type": "custom_llm",
        "model": "small",
        "base_url": f"{server.web.url}/v1",
        "api_key": SECRET,
        "max_retries": 0,
        **changes,
    }


async def stored(platform: Platform, document: Json) -> str:
    answer = await platform.client.post("/v1/workflows", json={"name": "Desk", **document})
    assert answer.status_code == 201, answer.text
    workflow_id: str = answer.json()["workflow"]["_id"]
    return workflow_id


async def told(platform: Platform, workflow_id: str, text: str, run_id: Any = None) -> Any:
    body = {"run_input": said(text).model_dump(mode="json"), "run_id": run_id}
    answer = await platform.client.post(f"/v1/workflows/{workflow_id}/execute", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def shown_run(platform: Platform, run_id: str) -> Any:
    answer = await platform.client.get(f"/v1/workflow-runs/{run_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["workflow_run"]["workflow_run"]


def heard(turn: Any) -> list[Any]:
    return [each["content"] for each in turn["events"] if each["type"] == "assistant_response"]


def of_kind(turn: Any, kind: str) -> list[Any]:
    return [each for each in turn["events"] if each["type"] == kind]


def one_after_the_other(*answers: bytes) -> Callable[[dict[str, Any]], bytes]:
    left = iter(answers)
    return lambda body: next(left)


async def test_a_node_asks_its_model_and_the_run_keeps_what_it_cost(working: Platform) -> None:
    async with model_server(lambda body: completion("Hello, Ada")) as server:
        config = a_model(
            server,
            temperature=0.5,
            max_tokens=50,
            seed=7,
            default_headers={"X-Desk": "claims"},
            organization="org-1",
            model_kwargs={"top_p": 0.9, "model": "other"},
        )
        desk = asks("desk", llms_config=config, main_response_config={"prompt": "You greet."})
        workflow_id = await stored(working, graph(desk))

        turn = await told(working, workflow_id, "I am Ada")

    asked, [request] = server.asked[0], server.web.requests
    assert asked["messages"] == [
        {"role": "system", "content": "You greet."},
        {"role": "user", "content": "I am Ada"},
    ]
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("small", 0.5, 50)
    assert (asked["seed"], asked["top_p"]) == (7, 0.9)
    assert {"tools", "response_format", "stream"}.isdisjoint(asked)
    headers = request.headers
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert (headers["x-desk"], headers["openai-organization"]) == ("claims", "org-1")
    assert headers["idempotency-key"] == f"{turn['run_id']}/1/desk/1"
    assert heard(turn) == ["Hello, Ada"]
    usage = of_kind(turn, "say_llm")[0]["llm_usage_info"]
    assert (usage["response_model"], usage["provider"]) == ("small-2026", "custom_llm")
    assert (usage["total_tokens"], usage["finish_reason"]) == (127, ["stop"])
    assert (usage["llm_response_id"], usage["was_streamed"]) == ("chatcmpl-1", False)
    assert usage["response_latency_milliseconds"] > 0
    state = await shown_run(working, turn["run_id"])
    spent = state["llm_token_usage"]
    assert (spent["total_input_tokens"], spent["total_output_tokens"]) == (120, 7)
    assert (spent["call_count"], spent["call_count_with_user_keys"]) == (1, 1)
    assert state["llm_latency_stats"]["breakdown_by_models"]["small-2026"]["call_count"] == 1


async def test_a_model_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    working: Platform,
) -> None:
    answers = one_after_the_other(
        refused(503, "busy"), completion("Here"), refused(400, f"no {SECRET}")
    )
    async with model_server(answers) as server:
        desk = asks("desk", "Sorry", llms_config=a_model(server, max_retries=1))
        workflow_id = await stored(working, graph(desk))

        first = await told(working, workflow_id, "hello")
        second = await told(working, workflow_id, "well?", first["run_id"])

    keys = [request.headers["idempotency-key"] for request in server.web.requests]
    assert keys == [f"{first['run_id']}/1/desk/1"] * 2 + [f"{first['run_id']}/2/desk/2"]
    assert (heard(first), heard(second)) == (["Here"], ["Sorry"])
    message = of_kind(second, "say_llm")[0]["message"]
    assert "400" in message["response_metadata"]["error"]
    assert (second["status"], second["error"]) == ("waiting_for_user_input", None)
    assert SECRET not in json.dumps(second)


async def test_tools_of_a_model_run_in_the_sandbox_and_over_http_and_it_takes_an_edge(
    working: Platform,
) -> None:
    async with receiving() as receiver:
        answers = one_after_the_other(
            called(("double", {"n": "x"})),
            called(("double", {"n": 21}), ("desk", {"city": "Ulm"}), content="One moment"),
            called(("bye", {"city": "Ulm"}), content="It is 42"),
        )
        double: Json = {
            "type": "inline_python",
            "name": "double",
            "code": "def double(n):\n    return {'twice': n * 2}",
            "args_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "result_runtime_variable_name": "doubled",
        }
        desk: Json = {
            "type": "external_api",
            "name": "desk",
            "api_endpoint": f"{receiver.url}/desk/{{city}}",
            "args_schema": CITY,
        }
        async with model_server(answers) as server:
            talker = asks(
                "talker",
                llms_config=a_model(server),
                tools_config={"tools": [double, desk]},
            )
            way = when("talker", None, "bye", condition_freeform="leaves", args_schema=CITY)
            way["name"] = "bye"
            texts = says("bye", "[[doubled.twice]] to [[city]], [[tool_result_success]]")
            workflow_id = await stored(working, graph(talker, texts, way))

            turn = await told(working, workflow_id, "double 21")

    first, second, third = server.asked
    assert [tool["function"]["name"] for tool in first["tools"]] == ["bye", "double", "desk"]
    assert "do not fit" in second["messages"][-1]["content"]
    assert [tool["function"]["name"] for tool in third["tools"]] == ["bye"]
    *_, assistant, doubled, answered = third["messages"]
    assert [call["id"] for call in assistant["tool_calls"]] == [
        *("call_0_double", "call_1_desk"),
    ]
    assert (doubled["tool_call_id"], doubled["content"]) == ("call_0_double", '{"twice": 42}')
    assert answered["tool_call_id"] == "call_1_desk"
    assert receiver.keys["/desk/Ulm"] == [f"{turn['run_id']}/1/talker/1/tool-2"]
    assert heard(turn) == ["One moment", "It is 42", "42 to Ulm, true"]
    assert of_kind(turn, "conditional_edge")[0]["args_filled"] == {"city": "Ulm"}


async def test_a_streamed_answer_is_put_together(working: Platform) -> None:
    pieces = [
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "bye", "arguments": '{"ci'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": 'ty": "Ulm"}'}}]},
    ]
    answers = one_after_the_other(
        streamed("Hel", "lo"),
        streamed("bro", ends=False),
        streamed("So", " long", deltas=pieces),
    )
    async with model_server(answers) as server:
        desk = asks("desk", llms_config=a_model(server, streaming=True, max_retries=1))
        way = when("desk", None, "bye", condition_freeform="leaves", args_schema=CITY)
        way["name"] = "bye"
        workflow_id = await stored(working, graph(desk, says("bye", "To [[city]]"), way))

        first = await told(working, workflow_id, "hello")
        second = await told(working, workflow_id, "bye", first["run_id"])

    assert server.asked[0]["stream_options"] == {"include_usage": True}
    assert (heard(first), heard(second)) == (["Hello"], ["So long", "To Ulm"])
    usage = of_kind(first, "say_llm")[0]["llm_usage_info"]
    assert (usage["was_streamed"], usage["total_tokens"]) == (True, 12)


async def test_a_structured_answer_becomes_variables(working: Platform) -> None:
    answers = one_after_the_other(completion("no JSON"), completion({"city": "Ulm"}))
    async with model_server(answers) as server:
        worker = node(
            "worker_llm",
            "find",
            llms_config=a_model(server),
            wait_for_user_message=False,
            structured_output_schema=CITY,
        )
        workflow_id = await stored(
            working, graph(worker, says("tell", "[[city]]"), direct("find", "tell"))
        )

        turn = await told(working, workflow_id, "where?")

    wanted = server.asked[0]["response_format"]["json_schema"]
    assert (wanted["strict"], wanted["schema"]) == (True, CITY)
    assert heard(turn) == ["Ulm"]
    assert of_kind(turn, "worker_llm")[0]["message"]["content"] == '{"city": "Ulm"}'


async def test_a_condition_is_judged_by_a_question_of_its_own(working: Platform) -> None:
    verdict = {"holds": True, "arguments": {"city": "Ulm"}}
    async with model_server(lambda body: completion(verdict)) as server:
        desk = asks("desk", llms_config={"type": "global_default_llm"})
        way = when("desk", None, "bye", condition_freeform="leaves", args_schema=CITY)
        config = {
            "llms_config": a_model(server),
            "global_condition_evaluation_method": "independent_llm_evaluations",
        }
        document = graph(desk, says("bye", "To [[city]]"), way, workflow_config=config)

        turn = await told(working, await stored(working, document), "bye")

    assert "leaves" in server.asked[0]["messages"][0]["content"]
    assert [each["type"] for each in turn["events"]][1:4] == [
        *("start_node_run", "condition_evaluator_llm", "end_node_run"),
    ]
    assert heard(turn) == ["To Ulm"]


async def test_a_model_that_is_silent_is_cut_off_where_a_loop_ends(working: Platform) -> None:
    async with model_server(lambda body: None) as server:
        worker = node(
            "worker_llm",
            "find",
            llms_config=a_model(server),
            wait_for_user_message=False,
            self_loop_config={"enabled": True, "expiry_time": 1},
        )
        late = says("late", "[[self_loop_outcome]]")
        workflow_id = await stored(working, graph(worker, late, direct("find", "late")))

        turn = await told(working, workflow_id, "where?")

    kinds = [each["type"] for each in turn["events"]]
    assert kinds[1:4] == ["start_node_run", "node_expired", "end_node_run"]
    assert (heard(turn), len(server.asked)) == (["expiry_time"], 1)


async def test_a_stop_reaches_a_run_whose_model_is_silent(working: Platform) -> None:
    """Whoever asked and whoever stopped hear what was told before, however often they ask."""

    async def execute(key: str, body: Json) -> Any:
        path, headers = f"/v1/workflows/{workflow_id}/execute", {"Idempotency-Key": key}
        answer = await working.client.post(path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async with model_server(lambda body: None) as server:
        workflow_id = await stored(working, graph(asks("desk", llms_config=a_model(server))))
        hello: Json = {"run_input": said("hello").model_dump(mode="json")}
        asking = asyncio.create_task(execute("asks", hello))
        await eventually(lambda: server.asked, saying="the model is asked")
        page = await working.client.get("/v1/workflow-runs", params={"workflow_id": workflow_id})
        run_id = page.json()["workflow_runs"][0]["_id"]
        stop: Json = {"run_input": {"command": "stop"}, "run_id": run_id}

        stopped, asked = await execute("stops", stop), await asking

    again = [await execute("stops", stop), await execute("asks", hello)]
    assert (stopped["status"], stopped["turn_number"]) == ("cancelled", 1)
    assert [asked, *again] == [stopped] * 3
    state = await shown_run(working, run_id)
    assert state["input_output_pairs"][0]["run_output"]["events"] == stopped["events"]
    assert [each["type"] for each in stopped["events"]] == ["user_messages", "start_node_run"]


async def test_a_private_network_is_no_place_for_models(working: Platform) -> None:
    async with model_server(lambda body: completion("never")) as server:
        url = server.web.url.replace("127.0.0.1", "127.0.0.2")
        desk = asks("desk", "Sorry", llms_config=a_model(server, base_url=f"{url}/v1"))

        turn = await told(working, await stored(working, graph(desk)), "hello")

    assert (heard(turn), server.asked) == (["Sorry"], [])
    error = of_kind(turn, "say_llm")[0]["message"]["response_metadata"]["error"]
    assert "private network" in error


async def test_a_key_is_masked_kept_and_found_nowhere(
    working: Platform, working_api: Api, temporal_client: Client
) -> None:
    def echo(body: dict[str, Any]) -> bytes:
        if body.get("stream"):
            return streamed("you sent ", SECRET[:7], SECRET[7:], " to me")
        return completion(f"you sent {SECRET} to me", id=SECRET, model=f"m {SECRET}")

    async with model_server(echo) as server:
        plain = asks("desk", llms_config=a_model(server))
        fast = asks(
            "fast", llms_config=a_model(server, streaming=True), wait_for_user_message=False
        )
        leave = when("desk", "isPresent([[go]])", "fast")
        workflow_id = await stored(working, graph(plain, fast, leave))
        path = f"/v1/workflows/{workflow_id}"

        first = await told(working, workflow_id, "hello")
        read = await working.client.get(path, params={"fully_hydrate": True})
        hydrated = read.json()["workflow"]["workflow_config"]
        changed = await working.client.patch(f"{path}/versions/0/config", json={"config": hydrated})
        second = await told(working, workflow_id, "again")
        body = said("go", runtime_variables={"go": True}).model_dump(mode="json")
        third = await working.client.post(
            f"{path}/execute", json={"run_input": body, "run_id": second["run_id"]}
        )
        run = await shown_run(working, second["run_id"])

    assert hydrated["node_configs"][0]["llms_config"]["api_key"] == MASK
    assert changed.status_code == 200, changed.text
    keys = {request.headers["authorization"] for request in server.web.requests}
    assert (keys, len(server.asked)) == ({f"Bearer {SECRET}"}, 4)
    assert heard(first) == [f"you sent {MASK} to me"]
    assert heard(third.json())[-1] == f"you sent {MASK} to me"
    dump = await dump_of(working_api.database)
    assert shows(dump, f"you sent {MASK}")
    histories = [
        await history_of(temporal_client, run_workflow_id(each["run_id"]))
        for each in (first, second)
    ]
    places: list[bytes | str] = [
        dump,
        *histories,
        json.dumps(run),
        read.text,
        changed.text,
        third.text,
    ]
    assert not any(shows(data, SECRET) for data in places)


async def test_an_embedded_workflow_asks_with_its_own_key(working: Platform) -> None:
    async with model_server(lambda body: completion("inside")) as server:
        config = {"llms_config": a_model(server), "default_prompt_prefix": "no"}
        inner = graph(
            asks("desk", llms_config={"type": "global_default_llm"}), workflow_config=config
        )
        inner_id = await stored(working, inner)
        outer = graph(node("super_node", "s", super_workflow_id=inner_id))

        turn = await told(working, await stored(working, outer), "hello")

    assert heard(turn) == ["inside"]
    assert server.web.requests[0].headers["authorization"] == f"Bearer {SECRET}"
