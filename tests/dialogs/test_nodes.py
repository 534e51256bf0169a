"""What each kind of node does, and what it asks of its driver."""

import json
from datetime import timedelta

import pytest
from pydantic import JsonValue

from dialogs.effects import HttpCall, HttpReply
from dialogs.failures import EffectExpiredError
from dialogs.state import Fixed, RunStatus
from tests.support.dialogs import (
    Conversation,
    direct,
    events,
    graph,
    kinds,
    node,
    says,
    spoken,
    when,
)


def calls(**fields: object) -> Conversation:
    service = node("http_request", "call", **{"url": "http://desk.test/{{who}}", **fields})
    return Conversation(
        graph(service, says("end", "[[http_request_result]]"), direct("call", "end"))
    )


async def test_a_request_is_put_together_from_variables() -> None:
    chat = calls(
        method="POST",
        headers={"X-Who": "{{who}}"},
        query_parameters='{"q": ["{{who}}", 2], "none": null, "on": true}',
        body_parameters='{"name": "{{who}}", "count": "[[count]]"}',
    )

    await chat.turn(dynamic_variables={"who": 'A"da'}, runtime_variables={"count": 3})

    call = chat.driver.requests[0]
    assert (call.method, call.url, call.key) == ("POST", 'http://desk.test/A"da', "1/call/1")
    assert call.headers == {"X-Who": 'A"da', "Content-Type": "application/json"}
    assert call.query == (("q", 'A"da'), ("q", "2"), ("on", "true"))
    assert json.loads(call.body or "") == {"name": 'A"da', "count": 3}
    assert call.timeout_seconds == 30


@pytest.mark.parametrize(
    ("content_type", "written", "body", "form"),
    [
        ("text/plain", "Hi {{who}}", "Hi Ada", None),
        ("application/x-www-form-urlencoded", '{"a": "{{who}} b"}', "a=Ada+b", None),
        ("multipart/form-data", '{"a": "{{who}}"}', None, {"a": "Ada"}),
    ],
)
async def test_a_body_has_the_form_that_its_type_asks_for(
    content_type: str, written: str, body: str | None, form: dict[str, str] | None
) -> None:
    chat = calls(body_parameters=written, body_content_type=content_type, method="POST")

    await chat.turn(dynamic_variables={"who": "Ada"})

    assert (chat.driver.requests[0].body, chat.driver.requests[0].form) == (body, form)


@pytest.mark.parametrize(
    ("reply", "format", "success", "value", "shown"),
    [
        (HttpReply(status_code=200, body='{"a": 1}'), "json", True, {"a": 1}, {"a": 1}),
        (HttpReply(status_code=201, body="[1]"), "json", True, [1], {"body": [1]}),
        (HttpReply(status_code=204), "json", True, None, None),
        (HttpReply(status_code=404, body='{"a": 1}'), "json", False, {"a": 1}, {"a": 1}),
        (HttpReply(status_code=200, body="<p>"), "json", False, None, None),
        (HttpReply(status_code=200, body="NaN"), "json", False, None, None),
        (HttpReply(status_code=200, body="<p>"), "text", True, "<p>", {"body": "<p>"}),
        (HttpReply(error="no answer"), "json", False, None, None),
    ],
    ids=["object", "list", "empty", "404", "no JSON", "NaN", "text", "no answer"],
)
async def test_a_reply_becomes_variables_and_the_run_goes_on(
    reply: HttpReply, format: str, success: bool, value: JsonValue, shown: JsonValue
) -> None:
    chat = calls(response_format=format)
    chat.driver.on_request = lambda call: reply

    outcome = await chat.turn()

    held = chat.state.main.runtime_variables
    assert (held["http_request_result"], held["http_request_result_success"]) == (value, success)
    assert held["http_request_result_status_code"] == reply.status_code
    event = events(outcome, "http_request")[0]
    assert event["response_body"] == shown
    assert (event["error"] is None) is success
    output = events(outcome, "end_node_run")[0]["run_output"]
    assert isinstance(output, dict)
    assert (output["type"], output["success"], output["http_response"]) == (
        "http_request",
        success,
        shown,
    )
    assert outcome.status is RunStatus.COMPLETED


async def test_parameters_that_are_no_json_fail_the_node_and_not_the_run() -> None:
    chat = calls(query_parameters="{nope")

    outcome = await chat.turn()

    assert chat.driver.requests == []
    assert "query_parameters" in str(events(outcome, "http_request")[0]["error"])
    assert outcome.status is RunStatus.COMPLETED


async def test_a_secret_goes_out_as_a_mark_and_is_told_nowhere() -> None:
    service = node(
        "http_request",
        "call",
        url="http://desk.test/{{token}}",
        headers={"X-Key": "{{global.token}}", "Authorization": "Bearer clear"},
    )
    chat = Conversation(graph(service), Fixed(secret_names=("token",)))

    outcome = await chat.turn()

    call = chat.driver.requests[0]
    mark = call.headers["X-Key"]
    assert call.secrets == {mark: "token"}
    assert call.url == "http://desk.test/{{token}}"
    command = str(events(outcome, "http_request")[0]["curl_command"])
    assert "X-Key: ***" in command
    assert "clear" not in command
    assert mark not in json.dumps(outcome.events)


async def test_a_secret_is_found_by_its_whole_path_and_takes_no_filter() -> None:
    headers = {"X-Key": "Key {{secrets.desk}}", "X-Other": "{{secrets.desk | upcase}}"}
    chat = Conversation(
        graph(node("http_request", "call", url="u", headers=headers)),
        Fixed(secret_names=("secrets.desk",)),
    )

    await chat.turn()

    call = chat.driver.requests[0]
    (mark,) = call.secrets
    assert call.secrets == {mark: "secrets.desk"}
    assert call.headers == {"X-Key": f"Key {mark}", "X-Other": "{{secrets.desk | upcase}}"}


async def test_what_a_person_says_cannot_name_a_secret() -> None:
    chat = Conversation(
        graph(node("http_request", "call", url="u", headers={"X": "[[said]]"})),
        Fixed(secret_names=("token",)),
    )

    await chat.turn(runtime_variables={"said": "{{global.token}}"})

    assert chat.driver.requests[0].headers == {"X": "{{global.token}}"}
    assert chat.driver.requests[0].secrets == {}


async def test_a_no_op_takes_its_time_and_may_play_a_failure() -> None:
    waits = node("no_op", "a", delay_seconds=90, simulate_failure=True)
    chat = Conversation(
        graph(waits, says("b"), when("a", "[[A.no_op_result_success]] == false", "b"))
    )

    outcome = await chat.turn()

    assert chat.driver.slept == [timedelta(seconds=90)]
    assert spoken(outcome) == ["I am b"]
    assert chat.state.main.runtime_variables["no_op_result"] is None


async def test_a_conversation_is_begun_and_ended_in_events() -> None:
    outcome = await Conversation(
        graph(node("start_conversation", "a"), node("end_conversation", "b"), direct("a", "b"))
    ).turn()

    assert events(outcome, "start_conversation")[0]["conversation_status"] == "started"
    assert events(outcome, "end_conversation")[0]["processed_transcript"] is None
    assert outcome.status is RunStatus.COMPLETED


async def test_telephony_is_refused_when_a_run_gets_there() -> None:
    chat = Conversation(graph(node("start_conversation", "a", is_voice_conversation=True)))

    assert "telephony" in ((await chat.turn()).error or "")


def polls(**loop: object) -> Conversation:
    poll = node("http_request", "poll", url="u", self_loop_config={"enabled": True, **loop})
    done = when("poll", "[[http_request_result.done]] == true", "done")
    late = direct("poll", "late")
    return Conversation(
        graph(poll, says("done"), says("late", "[[self_loop_outcome]]"), done, late)
    )


async def test_a_bounded_loop_repeats_until_an_edge_fires() -> None:
    chat = polls(max_retries=5, time_between_retries=60)
    chat.driver.on_request = lambda call: HttpReply(
        status_code=200, body=json.dumps({"done": len(chat.driver.requests) == 3})
    )

    outcome = await chat.turn()

    assert spoken(outcome) == ["I am done"]
    delays = events(outcome, "self_loop_delay")
    assert [(each["attempt_number"], each["delay_seconds"]) for each in delays] == [
        (2, 60),
        (3, 60),
    ]
    assert chat.driver.slept == [timedelta(minutes=1)] * 2
    assert "self_loop_outcome" not in chat.state.main.runtime_variables
    assert [call.key for call in chat.driver.requests] == ["1/poll/1", "1/poll/2", "1/poll/3"]


async def test_a_bounded_loop_that_is_used_up_takes_the_direct_edge() -> None:
    chat = polls(max_retries=99)

    outcome = await chat.turn()

    assert len(chat.driver.requests) == 100
    exhausted = events(outcome, "self_loop_exhausted")[0]
    assert (exhausted["outcome"], exhausted["total_attempts"]) == ("max_retries", 100)
    assert spoken(outcome) == ["max_retries"]


async def test_a_loop_ends_when_its_time_is_up_and_so_does_the_work_in_it() -> None:
    chat = polls(expiry_time=100, time_between_retries=60)

    def slow(call: HttpCall) -> HttpReply:
        if len(chat.driver.requests) == 1:
            return HttpReply(status_code=200)
        assert call.expires_in == timedelta(seconds=40)
        chat.driver.at += timedelta(seconds=40)
        raise EffectExpiredError

    chat.driver.on_request = slow

    outcome = await chat.turn()

    assert "node_expired" in kinds(outcome)
    assert spoken(outcome) == ["expiry_time"]
    assert len(events(outcome, "start_node_run")) == len(events(outcome, "end_node_run"))
