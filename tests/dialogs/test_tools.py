"""Arguments of tools, requests of external ones, and what results become."""

import json
from typing import Any

import pytest
from pydantic import JsonValue

from dialogs.effects import HttpReply
from dialogs.events import JsonObject
from dialogs.state import Fixed
from tests.support.dialogs import Conversation, events, graph, node


def calling(tool: JsonObject, **arguments: JsonValue) -> Conversation:
    written = {"type": "external_api", "name": "desk", **tool}
    return Conversation(
        graph(node("tool_node", "a", tool_config=written, tool_arguments={**arguments}))
    )


def given(argument: str, **fields: JsonValue) -> JsonObject:
    return {"argument_name": argument, **fields}


async def test_arguments_and_variables_are_put_into_a_request_at_once() -> None:
    chat = calling(
        {
            "api_endpoint": "http://desk.test/{who}/{{team}}/{unknown}",
            "api_method": "POST",
            "api_headers": {"X-Who": "{who}", "X-Team": "{{team}}"},
            "api_body": '{"name": "{who}", "count": "{count}", "note": "{{note}} of {who}"}',
        },
        who="A/da",
        count=3,
        extra=1,
    )

    await chat.turn(dynamic_variables={"team": "t", "note": "{count}"})

    call = chat.driver.requests[0]
    assert call.url == "http://desk.test/A%2Fda/t/{unknown}"
    assert call.headers == {
        "X-Who": "A/da",
        "X-Team": "t",
        "Content-Type": "application/json",
    }
    assert json.loads(call.body or "") == {"name": "A/da", "count": 3, "note": "{count} of A/da"}
    assert (call.method, call.key, call.timeout_seconds) == ("POST", "1/a/1", 30)


async def test_arguments_that_stand_nowhere_are_the_query_or_the_body() -> None:
    reading = calling({"api_endpoint": "http://desk.test"}, q="x", tags=["a", "b"])
    writing = calling({"api_endpoint": "http://desk.test", "api_method": "PUT"}, q="x", n=1)

    await reading.turn()
    await writing.turn()

    assert reading.driver.requests[0].query == (("q", "x"), ("tags", "a"), ("tags", "b"))
    assert json.loads(writing.driver.requests[0].body or "") == {"q": "x", "n": 1}


async def test_secrets_in_headers_are_marks() -> None:
    chat = calling({"api_endpoint": "u", "api_headers": '{"X-Key": "{{secrets.desk}}"}'})
    chat.fixed = Fixed(secret_names=("secrets.desk",))

    await chat.turn()

    call = chat.driver.requests[0]
    assert call.secrets == {call.headers["X-Key"]: "secrets.desk"}


@pytest.mark.parametrize(
    ("reply", "result", "error"),
    [
        (HttpReply(status_code=200, body='{"a": [1]}'), {"a": [1]}, None),
        (HttpReply(status_code=200, body="plain"), "plain", None),
        (HttpReply(status_code=204), None, None),
        (HttpReply(status_code=404, body='{"a": 1}'), {"a": 1}, "the service answered 404"),
        (HttpReply(error="no answer"), None, "no answer"),
    ],
    ids=["json", "text", "empty", "404", "no answer"],
)
async def test_what_a_service_answers_is_the_result(
    reply: HttpReply, result: JsonValue, error: str | None
) -> None:
    chat = calling({"api_endpoint": "u"})
    chat.driver.on_request = lambda call: reply

    outcome = await chat.turn()

    held = chat.state.main.runtime_variables
    assert held["tool_result"] == result
    assert (held["tool_result_success"], held["tool_result_error"]) == (error is None, error)
    metrics: Any = events(outcome, "end_workflow_iteration")[0]["iteration_metrics"]
    assert metrics["tool_call_count"] == 1


@pytest.mark.parametrize("field", ["api_body", "api_headers"])
async def test_what_is_no_json_fails_the_tool_and_not_the_run(field: str) -> None:
    chat = calling({"api_endpoint": "u", "api_method": "POST", field: "{nope"})

    await chat.turn()

    assert chat.driver.requests == []
    assert field in str(chat.state.main.runtime_variables["tool_result_error"])


async def test_variables_become_arguments() -> None:
    variables: list[JsonValue] = [
        given("fixed", source="literal", literal_value=7),
        given("who", source="dynamic", variable_path="customer.name"),
        given("n", source="runtime"),
        given("either"),
        given("absent", default="nothing"),
        given("kept", source="literal", literal_value=0, override_provided_value=False),
        given("gone"),
    ]
    chat = calling({"api_endpoint": "u", "variable_arguments": variables}, kept=1, fixed=2)

    await chat.turn(
        dynamic_variables={"customer": {"name": "Ada"}, "either": "d"},
        runtime_variables={"n": 3},
    )

    assert dict(chat.driver.requests[0].query) == {
        "kept": "1",
        "fixed": "7",
        "who": "Ada",
        "n": "3",
        "either": "d",
        "absent": "nothing",
    }


async def test_a_variable_that_is_needed_and_missing_fails_the_tool() -> None:
    chat = calling({"api_endpoint": "u", "variable_arguments": [given("who", required=True)]})

    await chat.turn()

    assert chat.driver.requests == []
    assert "'who'" in str(chat.state.main.runtime_variables["tool_result_error"])


async def test_parts_of_a_result_become_variables_of_thread_and_run() -> None:
    mappings: list[JsonValue] = [
        {"target_variable_name": "first", "result_path": "rows[0].id"},
        {"target_variable_name": "all", "result_path": "", "scope": "workflow"},
        {"target_variable_name": "none", "result_path": "x.y", "default": "-"},
        {"target_variable_name": "gone", "result_path": "x.y"},
    ]
    chat = calling(
        {
            "api_endpoint": "u",
            "result_variable_mappings": mappings,
            "expand_result_into_runtime_variables": True,
        }
    )
    answer = {"rows": [{"id": 4}], "city": "Ulm", "_engine": 1}
    chat.driver.on_request = lambda call: HttpReply(status_code=200, body=json.dumps(answer))

    await chat.turn()

    held = chat.state.main.runtime_variables
    assert (held["first"], held["none"], held["city"]) == (4, "-", "Ulm")
    assert {"gone", "_engine"}.isdisjoint(held)
    assert chat.state.workflow_variables == {"all": answer}


async def test_a_part_that_is_needed_and_missing_fails_the_tool() -> None:
    mapping: JsonObject = {"target_variable_name": "x", "result_path": "a.b", "required": True}
    chat = calling({"api_endpoint": "u", "result_variable_mappings": [mapping]})
    chat.driver.on_request = lambda call: HttpReply(status_code=200, body="{}")

    await chat.turn()

    held = chat.state.main.runtime_variables
    assert (held["tool_result_success"], "a.b" in str(held["tool_result_error"])) == (False, True)
