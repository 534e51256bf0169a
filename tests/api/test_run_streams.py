"""Talking to runs over WebSockets and listening by server-sent events, through real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from activities.speech import Speech
from api.intake import MAX_DEFINITION_BODY_BYTES
from contracts.runs import SpokenAt
from dialogs.events import ANY_EVENT
from store.run_events import RunEventRepository
from tests.api.test_model_turns import a_model
from tests.api.test_workflow_runs import a_speaker, a_word, a_workflow, executed, turn, two_speakers
from tests.fixtures.api import READY_SECONDS, Api, bearer, running_api
from tests.support.dialogs import asks, graph
from tests.support.eventually import eventually
from tests.support.interactive import a_call_graph, a_desk
from tests.support.models import model_server, streamed
from tests.support.platform import Platform
from tests.support.receiver import Receiver, receiving
from tests.support.served import served
from tests.support.talking import SOCKET, HungUpError, Talker, key_of, listening, says, talking

FAST = timedelta(milliseconds=200)
UNKNOWN = "0" * 24


@pytest.fixture(scope="module")
async def url(working_api: Api) -> AsyncIterator[str]:
    async with served(working_api.app) as url:
        yield url


@pytest.fixture(scope="module")
async def other_url(working_api: Api) -> AsyncIterator[str]:
    """Another API process of the same platform, as far as sockets and stores can tell."""
    changes = {"stream_check": FAST, "max_streams_of_organization": 2}
    async with running_api(working_api.settings.model_copy(update=changes)) as other:

        async def is_ready() -> bool:
            client = await other.client()
            return (await client.get("/health/ready")).status_code == 200

        await eventually(is_ready, READY_SECONDS, saying="the other application is ready")
        async with served(other.app) as url:
            yield url


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def begun(talker: Talker, workflow_id: str, **more: Any) -> str:
    """Begin a run, and return its id."""
    await talker.say({"workflow_id": workflow_id, "command": "start", "run_by": "api", **more})
    acknowledged = await talker.frame()
    assert "type" not in acknowledged
    assert acknowledged["workflow_id"] == workflow_id
    assert acknowledged["message"]
    run_id: str = acknowledged["workflow_run_id"]
    return run_id


async def recorded(platform: Platform, run_id: str) -> list[Any]:
    """Return all events that a run's document has."""
    answer = await platform.client.get(f"/v1/workflow-runs/{run_id}")
    pairs = answer.json()["workflow_run"]["workflow_run"]["input_output_pairs"]
    return [event for pair in pairs for event in pair["run_output"]["events"]]


def types(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_run_that_needs_nobody_is_told_and_the_socket_closed(
    working: Platform, url: str
) -> None:
    workflow_id = await a_workflow(working, two_speakers())

    async with talking(url, key_of(working)) as talker:
        run_id = await begun(talker, workflow_id)
        ended = await talker.end()

    assert (ended.code, ended.reason) == (1000, "completed")
    assert talker.told == await recorded(working, run_id)
    assert types(talker.told)[-1] == "end_workflow"
    for event in talker.told:
        ANY_EVENT.validate_python(event)


async def test_many_turns_on_one_socket(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, a_desk())

    async with talking(url, key_of(working), f"/workflows{SOCKET}") as talker:
        run_id = await begun(talker, workflow_id, dynamic_variables={"customer": "Ada"})
        assert types(await talker.turn())[-1] == "workflow_ready_for_input"
        for text in ("hello", "and again"):
            await talker.say(says(text))
            told = await talker.turn()
            assert types(told)[0] == "user_messages"
            assert told[0]["messages"][0]["content"] == text
            assert types(told)[-1] == "workflow_ready_for_input"
        await talker.say(
            says("bye", runtime_variables={"choice": "finish"}, workflow_run_id=run_id)
        )
        ended = await talker.end()

    assert ended.code == 1000
    assert "Bye Ada" in [event.get("content") for event in talker.told]
    assert talker.told == await recorded(working, run_id)


async def test_a_run_is_begun_by_whom_the_key_acts_for(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, two_speakers())
    somebody = "64b000000000000000000002"

    async with talking(url, {**key_of(working), "uuid": somebody}) as talker:
        run_id = await begun(talker, workflow_id)
        await talker.end()
    with pytest.raises(InvalidStatus) as refused:
        async with talking(url, {**key_of(working), "uuid": "a b"}):
            pass

    shown = (await working.client.get(f"/v1/workflow-runs/{run_id}")).json()["workflow_run"]
    assert shown["created_by"] == somebody
    assert refused.value.response.status_code == 400


async def test_what_is_said_too_early_is_the_next_turn(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, a_desk())

    async with talking(url, key_of(working)) as talker:
        await talker.say({"workflow_id": workflow_id, "command": "start"})
        for text in ("one", "two", "three"):
            await talker.say(says(text))
        await talker.frame()
        for _ in range(4):
            await talker.turn()

    said = [event for event in talker.told if event["type"] == "user_messages"]
    assert [event["messages"][0]["content"] for event in said] == ["one", "two", "three"]


async def test_events_are_told_while_their_turn_goes_on_and_after_a_cut(
    working: Platform, url: str, other_url: str, receiver: Receiver
) -> None:
    gate = receiver.gate("/call")
    workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))
    async with talking(url, key_of(working)) as first:
        run_id = await begun(first, workflow_id)
        await first.until("start_node_run")
        await eventually(lambda: receiver.arrived("/call"))
    # The socket is gone in the middle of the turn, which goes on.

    async with talking(other_url, key_of(working)) as second:
        await second.say(
            {"command": "follow", "workflow_run_id": run_id, "event_index": len(first.told)}
        )
        assert (await second.frame())["workflow_run_id"] == run_id
        gate.set()
        ended = await second.end()

    assert ended.code == 1000
    assert types(second.told)[-1] == "end_workflow"
    assert first.told + second.told == await recorded(working, run_id)
    assert len(receiver.keys["/call"]) == 1


async def test_a_run_is_continued_on_another_socket(
    working: Platform, url: str, other_url: str
) -> None:
    workflow_id = await a_workflow(working, a_desk())
    async with talking(url, key_of(working)) as first:
        run_id = await begun(first, workflow_id)
        await first.turn()

    async with talking(other_url, key_of(working)) as second:
        await second.say(says("hello", workflow_run_id=run_id))
        await second.frame()
        told = await second.turn()

    assert types(told)[0] == "user_messages"
    assert first.told + second.told == await recorded(working, run_id)
    answered = await turn(working, workflow_id, a_word("by execute"), run_id=run_id)
    assert answered["turn_number"] == 3


async def test_a_stop_ends_a_turn_and_the_socket(
    working: Platform, url: str, receiver: Receiver
) -> None:
    receiver.gate("/call")
    workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))

    async with talking(url, key_of(working)) as talker:
        run_id = await begun(talker, workflow_id)
        await talker.until("start_node_run")
        await talker.say({"command": "stop"})
        ended = await talker.end()

    assert (ended.code, ended.reason) == (1000, "cancelled")
    assert "end_workflow" not in types(talker.told)
    shown = (await working.client.get(f"/v1/workflow-runs/{run_id}")).json()
    assert shown["workflow_run"]["workflow_run"]["status"] == "cancelled"


async def test_who_follows_hears_turns_that_others_run(
    working: Platform, url: str, other_url: str
) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    headers = key_of(working)

    async with (
        talking(url, headers) as follower,
        listening(other_url, run_id, headers) as sent,
    ):
        await follower.say({"command": "follow", "workflow_run_id": run_id})
        await follower.frame()
        before = await sent.until("workflow_ready_for_input")
        await turn(working, workflow_id, a_word("bye", choice="finish"), run_id=run_id)
        after = await sent.rest()
        ended = await follower.end()

    everything = await recorded(working, run_id)
    assert ended.code == 1000
    assert before + after == everything
    assert follower.told == after
    assert sent.closing == {"code": 1000, "reason": "completed"}
    assert sent.last_id == str(len(everything))


async def test_sent_events_go_on_behind_the_last_one(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, two_speakers())
    run_id = str((await turn(working, workflow_id))["run_id"])
    headers, everything = key_of(working), await recorded(working, run_id)

    async with listening(url, run_id, {**headers, "Last-Event-ID": "3"}) as sent:
        by_header = await sent.rest()
    async with listening(url, run_id, headers, last_event_id=5) as sent:
        by_query = await sent.rest()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        path = f"/v1/workflow-runs/{run_id}/events"
        at_the_end = await client.get(
            path, headers={**headers, "Last-Event-ID": str(len(everything))}
        )
        beyond = await client.get(path, params={"last_event_id": 1000}, headers=headers)

    assert by_header == everything[3:]
    assert by_query == everything[5:]
    assert at_the_end.status_code == 204
    assert beyond.status_code == 400
    assert "told so many" in beyond.json()["detail"]


def a_place(platform: Platform, run_id: str, told: int) -> SpokenAt:
    return SpokenAt(
        organization_id=platform.organization_id,
        run_id=run_id,
        turn_number=1,
        events_told=told,
        node_logical_id="node_call",
        node_name="Call",
        node_run_id="1",
    )


async def test_words_are_told_before_the_event_that_holds_them_all(
    working: Platform, working_api: Api, url: str, other_url: str, receiver: Receiver
) -> None:
    gate = receiver.gate("/call")
    workflow_id = await a_workflow(working, a_call_graph(f"{receiver.url}/call"))
    speech, headers = Speech(RunEventRepository(working_api.database)), key_of(working)

    async with AsyncExitStack() as stack:
        talker = await stack.enter_async_context(talking(url, headers))
        run_id = await begun(talker, workflow_id)
        await talker.until("start_node_run")
        deaf = await stack.enter_async_context(listening(url, run_id, headers, deltas="false"))
        async with speech.shown(a_place(working, run_id, 1), attempt=1) as say:
            for word in ("Good", " ", "morning"):
                say(word)
            await talker.until("assistant_response_delta")
        late = await stack.enter_async_context(talking(other_url, headers))
        await late.say({"command": "follow", "workflow_run_id": run_id, "event_index": 1})
        await late.frame()
        await late.next()
        async with speech.shown(a_place(working, run_id, 0), attempt=1) as say:
            say("what nobody hears any more")
        gate.set()
        await talker.end()
        await late.end()
        by_events = await deaf.rest()

    for heard in (talker.deltas, late.deltas):
        assert "".join(each["delta"] for each in heard) == "Good morning"
        assert [each["sequence"] for each in heard] == list(range(len(heard)))
    first = talker.deltas[0]
    assert first["attempt"] == 1
    assert (first["origin_node_logical_id"], first["origin_node_run_id"]) == ("node_call", "1")
    assert by_events == talker.told


async def test_what_a_model_streams_is_told_before_its_event(working: Platform, url: str) -> None:
    texts = ("Good", " ", "morning", ", Ada")
    async with model_server(lambda body: streamed(*texts)) as server:
        desk = asks("desk", llms_config=a_model(server, streaming=True))
        workflow_id = await a_workflow(working, graph(desk))
        async with talking(url, key_of(working)) as talker:
            await talker.say(says("hello", workflow_id=workflow_id, command="start"))
            await talker.frame()
            told = await talker.turn()

    assert "".join(each["delta"] for each in talker.deltas) == "Good morning, Ada"
    [spoken] = [event for event in told if event["type"] == "assistant_response"]
    assert {each["message_id"] for each in talker.deltas} == {spoken["logical_id"]}
    assert told.index(talker.deltas[-1]) < told.index(spoken)


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ("no json", 4000, "JSON"),
        ("[]", 4000, "JSON object"),
        (b"{}", 4000, "text"),
        ({}, 4000, "workflow_id is missing"),
        ({"command": "stop"}, 4000, "is missing"),
        ({"command": "follow"}, 4000, "workflow_run_id is missing"),
        ({"command": "dance", "workflow_id": UNKNOWN}, 4000, "command"),
        ({"workflow_id": "not-an-id"}, 4000, "workflow_id"),
        ({"workflow_id": UNKNOWN}, 4004, "Workflow not found"),
        ({"workflow_run_id": UNKNOWN, "command": "data"}, 4004, "no such run"),
        ({"workflow_id": UNKNOWN, "initial_state": {}}, 4006, "initial_state"),
        ({"workflow_id": UNKNOWN, "rerun_token": "t"}, 4007, "rerun_token"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_an_opening_that_cannot_be_is_refused_with_its_code(
    working: Platform, url: str, frame: Any, code: int, said: str
) -> None:
    async with talking(url, key_of(working)) as talker:
        await talker.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        with pytest.raises(HungUpError) as refused:
            await talker.frame()

    assert refused.value.code == code
    assert said in refused.value.reason


async def test_a_frame_that_is_too_large_closes_the_socket(working: Platform, url: str) -> None:
    async with talking(url, key_of(working)) as talker:
        await talker.socket.send(" " * (MAX_DEFINITION_BODY_BYTES + 1))
        with pytest.raises(HungUpError) as refused:
            await talker.frame()

    assert refused.value.code == 1009


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer saf_unknown"}, 401),
        ({"teamid": "somebody-elses"}, 403),
    ],
    ids=["none", "unknown", "other team"],
)
async def test_bad_credentials_are_refused_at_the_handshake(
    working: Platform, url: str, headers: dict[str, str], status: int
) -> None:
    chosen = {**key_of(working), **headers} if "teamid" in headers else headers
    with pytest.raises(InvalidStatus) as refused:
        async with talking(url, chosen):
            pass

    assert refused.value.response.status_code == status
    assert "detail" in json.loads(refused.value.response.body or b"")


async def test_a_role_that_may_not_run_is_told_so(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, a_desk())
    token = bearer(organization_id=working.organization_id, role="worker")

    async with talking(url, {}, f"{SOCKET}?token={token}") as talker:
        await talker.say({"workflow_id": workflow_id, "command": "start"})
        ended = await talker.end()

    assert ended.code == 4403


async def test_a_run_of_somebody_else_is_unknown(
    working: Platform, working_api: Api, url: str
) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    stranger = await working_api.organization()

    async with talking(url, key_of(stranger)) as talker:
        await talker.say({"command": "follow", "workflow_run_id": run_id})
        ended = await talker.end()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.get(f"/v1/workflow-runs/{run_id}/events", headers=key_of(stranger))

    assert ended.code == 4004
    assert answer.status_code == 404


async def test_a_turn_for_a_run_that_has_ended_is_a_conflict(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, two_speakers())
    run_id = str((await turn(working, workflow_id))["run_id"])

    async with talking(url, key_of(working)) as talker:
        await talker.say(says("hello?", workflow_run_id=run_id))
        await talker.frame()
        ended = await talker.end()

    # Who listens may learn first that the run has ended.
    assert ended.code in (4409, 1000)
    assert talker.told == []


async def test_a_failing_run_says_so_and_closes_normally(working: Platform, url: str) -> None:
    edge = {**two_speakers()["edge_configs"][0], "type": "conditional"}  # type: ignore[index,dict-item]
    edge["condition"] = {"condition_expression": "[[x]] = nonsense ("}
    graph: Any = {**two_speakers(), "edge_configs": [edge]}
    workflow_id = await a_workflow(working, graph)

    async with talking(url, key_of(working)) as talker:
        await begun(talker, workflow_id)
        ended = await talker.end()

    assert (ended.code, ended.reason) == (1000, "failed")
    assert types(talker.told)[-1] == "workflow_error"


async def test_a_deleted_run_ends_its_streams(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])

    async with talking(url, key_of(working)) as talker:
        await talker.say({"command": "follow", "workflow_run_id": run_id})
        await talker.frame()
        deleted = await working.client.delete(f"/v1/workflow-runs/{run_id}")
        ended = await talker.end()

    assert deleted.status_code == 204
    # It was stopped before it was deleted; either may be what is seen first.
    assert ended.code in (1000, 4004)


async def test_streams_have_places_and_revoked_keys_lose_theirs(
    working: Platform, other_url: str
) -> None:
    workflow_id = await a_workflow(working, a_desk())
    run_id = str((await turn(working, workflow_id))["run_id"])
    account = await working.client.post(
        "/api/service-accounts", json={"name": "chat", "role": "integration"}
    )
    path = f"/api/service-accounts/{account.json()['id']}"
    key = (await working.client.post(f"{path}/api-keys", json={"name": "k"})).json()["token"]
    headers = {"Authorization": f"Bearer {key}"}

    async with (
        talking(other_url, headers) as one,
        listening(other_url, run_id, headers) as two,
        talking(other_url, headers) as three,
    ):
        await one.say({"command": "follow", "workflow_run_id": run_id})
        await one.frame()
        await three.say({"command": "follow", "workflow_run_id": run_id})
        await two.until("workflow_ready_for_input")
        refused = await three.end()
        await working.client.post(f"{path}/deactivate")
        ended = await one.end()
        await two.rest()

    assert refused.code == 4429
    assert ended.code == 4401
    assert two.closing is not None
    assert two.closing["code"] == 4401


async def test_a_second_turn_elsewhere_is_refused(
    working: Platform, url: str, receiver: Receiver
) -> None:
    gate = receiver.gate("/call")
    graph: Any = a_call_graph(f"{receiver.url}/call")
    workflow_id = await a_workflow(working, graph)
    async with talking(url, key_of(working)) as one, talking(url, key_of(working)) as two:
        run_id = await begun(one, workflow_id)
        await one.until("start_node_run")
        await two.say(says("me, too", workflow_run_id=run_id))
        await two.frame()
        refused = await two.end()
        gate.set()
        ended = await one.end()

    assert refused.code == 4409
    assert ended.code == 1000


async def test_a_graph_without_a_start_is_refused(working: Platform, url: str) -> None:
    graph: Any = {"workflow_config": {}, "node_configs": [a_speaker("a")], "edge_configs": []}
    workflow_id = await a_workflow(working, graph)
    refused = await executed(working, workflow_id)

    async with talking(url, key_of(working)) as talker:
        await talker.say({"workflow_id": workflow_id, "command": "start"})
        ended = await talker.end()

    assert refused.status_code == 400
    assert ended.code == 4000
    assert "start node" in ended.reason


async def test_turns_of_a_long_conversation_are_all_told_once(working: Platform, url: str) -> None:
    workflow_id = await a_workflow(working, a_desk())
    async with asyncio.timeout(60), talking(url, key_of(working)) as talker:
        run_id = await begun(talker, workflow_id)
        await talker.turn()
        for number in range(30):
            await talker.say(says(f"{number}"))
            await talker.turn()

    assert talker.told == await recorded(working, run_id)
