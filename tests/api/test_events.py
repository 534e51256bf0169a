"""Following a flow over WebSockets and server-sent events, through real sockets."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from store import collections
from tests.fixtures.api import Api, bearer, running_api
from tests.support.documents import a_flow, call, task
from tests.support.eventually import eventually
from tests.support.flow_builders import edge
from tests.support.following import Follower, Message, SocketFollower, sent, socket
from tests.support.platform import Execution, Json, Platform
from tests.support.receiver import Receiver, receiving
from tests.support.served import served

FAST = timedelta(milliseconds=200)
MANY = 40
SEED = 20_261_123

Headers = dict[str, str]
Opening = Callable[[str, str, Headers], AbstractAsyncContextManager[Follower]]


def by_socket(
    url: str, query: str, headers: Headers, prefix: str = "/ws"
) -> AbstractAsyncContextManager[SocketFollower]:
    flow_id, _, parameters = query.partition("?")
    return socket(url, f"{prefix}/flows/{flow_id}?{parameters}", headers)


def by_sent_events(url: str, query: str, headers: Headers) -> AbstractAsyncContextManager[Follower]:
    flow_id, _, parameters = query.partition("?")
    return sent(url, f"/api/flows/{flow_id}/events?{parameters}", headers)


both_ways = pytest.mark.parametrize("follow", [by_socket, by_sent_events])


@pytest.fixture(scope="module")
async def url(api: Api) -> AsyncIterator[str]:
    async with served(api.app) as url:
        yield url


@pytest.fixture(scope="module")
async def strict_url(api: Api) -> AsyncIterator[str]:
    """Another API process of the same platform, as far as sockets and stores can tell."""
    changes = {"stream_check": FAST, "max_streams_of_organization": 2}
    async with running_api(api.settings.model_copy(update=changes)) as other:

        async def is_ready() -> bool:
            client = await other.client()
            return (await client.get("/health/ready")).status_code == 200

        await eventually(is_ready, saying="the other application is ready")
        async with served(other.app) as url:
            yield url


def key_of(platform: Platform) -> Headers:
    return {"X-API-Key": platform.client.headers["X-API-Key"]}


async def a_flow_id(platform: Platform) -> str:
    return str((await platform.flow(a_flow(task("a"))))["id"])


async def set_status(execution: Execution, status: str) -> None:
    answer = await execution.client.patch(f"{execution.path}/status", params={"status": status})
    assert answer.status_code == 200, answer.text


def told(messages: list[Message]) -> list[tuple[str, str | None, str | None]]:
    return [(each["type"], each["task_name"], each["status"]) for each in messages]


def ids(messages: list[Message]) -> list[str]:
    return [each["id"] for each in messages]


LIFE = {
    ("flow_execution.created", None, "queued"),
    ("flow_execution.status", None, "running"),
    ("task_execution.updated", "start", "completed"),
    ("task_output.created", "start", "completed"),
    ("flow_execution.status", None, "completed"),
    ("flow_execution.status", None, "deleted"),
}


@both_ways
async def test_each_change_of_an_execution_is_told_once(
    url: str, platform: Platform, follow: Opening
) -> None:
    flow_id = await a_flow_id(platform)
    async with follow(url, flow_id, key_of(platform)) as follower:
        execution = await platform.started(flow_id)
        await follower.until("task_output.created")
        await set_status(execution, "completed")
        await platform.client.delete(execution.path)
        last = await follower.until("flow_execution.status", status="deleted")

    assert set(told(follower.messages)) == LIFE
    assert len(follower.messages) == len(LIFE)
    assert len(set(ids(follower.messages))) == len(LIFE)
    assert {each["flow_id"] for each in follower.messages} == {flow_id}
    assert {each["flow_execution_id"] for each in follower.messages} == {execution.id}
    assert last["data"] == {"flow_version": 1, "modified_by": "service-account"}
    assert datetime.fromisoformat(last["timestamp"]) - datetime.now(UTC) < timedelta(minutes=1)


@both_ways
async def test_summaries_are_told_to_those_who_ask(
    url: str, platform: Platform, follow: Opening
) -> None:
    flow_id = await a_flow_id(platform)
    async with follow(url, f"{flow_id}?summaries=true", key_of(platform)) as follower:
        execution = await platform.started(flow_id, {"text": "told"})
        plain = await follower.until("task_output.created")
        summary = await follower.until("task_output.summary")

    outputs = (await platform.client.get("/api/task-outputs")).json()
    shown = next(each for each in outputs if each["flow_execution_id"] == execution.id)
    assert plain["data"]["id"] == summary["data"]["id"] == shown["id"]
    assert summary["data"]["summary"] == {"text": "told"}
    assert summary["data"]["summary_omitted"] is False
    assert "summary" not in plain["data"]
    assert plain["id"] != summary["id"]


async def test_a_large_summary_has_to_be_asked_for(url: str, platform: Platform) -> None:
    flow_id = await a_flow_id(platform)
    async with by_socket(url, f"{flow_id}?summaries=1", key_of(platform)) as follower:
        await platform.started(flow_id, {"text": "x" * 70_000})
        summary = await follower.until("task_output.summary")

    assert summary["data"]["summary"] is None
    assert summary["data"]["summary_omitted"] is True


@both_ways
async def test_a_cut_reader_goes_on_where_it_was_whoever_serves_it(
    url: str, strict_url: str, platform: Platform, follow: Opening
) -> None:
    """Writers write all the while; the cut one changes process and misses and doubles nothing."""
    flow_id, other_id = await a_flow_id(platform), await a_flow_id(platform)
    chance = random.Random(SEED)  # noqa: S311 - which message the line breaks at
    headers = key_of(platform)
    wanted = f"{flow_id}?summaries=true"

    async def write() -> None:
        for _ in range(4):
            # Created together, several executions, of other flows too, commit at one moment.
            made = await asyncio.gather(
                *(platform.started(each) for each in (flow_id, other_id) for _ in range(3))
            )
            await asyncio.gather(*(set_status(each, "completed") for each in made))

    def is_last(follower: Follower) -> bool:
        ended = [each for each in told(follower.messages) if each[2] == "completed"]
        return sum(each[0] == "flow_execution.status" for each in ended) == 12

    async with follow(url, wanted, headers) as whole:
        writing = asyncio.create_task(write())
        position, pieces = whole.position, Follower("")
        while not is_last(pieces):
            through = chance.choice([url, strict_url])
            async with follow(through, f"{wanted}&last_event_id={position}", headers) as cut:
                for _ in range(chance.randint(1, 5)):
                    pieces.messages.append(await cut.next())
                    if is_last(pieces):
                        break
                position = cut.position
        await writing
        while not is_last(whole):
            await whole.next()

    assert ids(pieces.messages) == ids(whole.messages)
    assert told(pieces.messages) == told(whole.messages)
    assert {each["flow_id"] for each in whole.messages} == {flow_id}


async def test_a_reader_from_before_gets_all_of_it_and_then_what_is_new(
    url: str, platform: Platform
) -> None:
    flow_id = await a_flow_id(platform)
    headers = key_of(platform)
    async with by_socket(url, flow_id, headers) as follower:
        position = follower.position
    before = [await platform.started(flow_id) for _ in range(3)]
    headers |= {"Last-Event-ID": position}

    async with by_sent_events(url, flow_id, headers) as follower:
        after = await platform.started(flow_id)
        created = [
            (await follower.until("flow_execution.created"))["flow_execution_id"] for _ in range(4)
        ]

    assert created == [each.id for each in (*before, after)]


async def test_the_header_wins_over_the_query_that_a_browser_repeats(
    url: str, platform: Platform
) -> None:
    flow_id = await a_flow_id(platform)
    async with by_sent_events(url, flow_id, key_of(platform)) as follower:
        old = follower.position
        await platform.started(flow_id)
        await follower.until("task_output.created")
        headers = key_of(platform) | {"Last-Event-ID": follower.position}

    async with by_sent_events(url, f"{flow_id}?last_event_id={old}", headers) as follower:
        second = await platform.started(flow_id)
        first_told = await follower.next()

    assert first_told["flow_execution_id"] == second.id


async def test_others_flows_are_not_told_of(
    url: str, platform: Platform, stranger: Platform
) -> None:
    mine, other = await a_flow_id(platform), await a_flow_id(platform)
    foreign = await a_flow_id(stranger)
    async with by_socket(url, f"{mine}?summaries=true", key_of(platform)) as follower:
        others = await asyncio.gather(platform.started(other), stranger.started(foreign))
        execution = await platform.started(mine)
        await follower.until("task_output.summary")

    assert {each["flow_execution_id"] for each in follower.messages} == {execution.id}
    assert len(others) == 2


@pytest.mark.parametrize("prefix", ["/ws", "/api/ws"])
async def test_a_socket_takes_any_credential_in_either_place(
    url: str, platform: Platform, prefix: str
) -> None:
    flow_id = await a_flow_id(platform)
    key = key_of(platform)["X-API-Key"]
    token = bearer(organization_id=platform.organization_id)
    ways = [
        (flow_id, {"X-API-Key": key}),
        (flow_id, {"Authorization": f"Bearer {token}"}),
        (f"{flow_id}?token={key}", {}),
        (f"{flow_id}?token={token}", {}),
    ]

    async with AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(by_socket(url, query, headers, prefix))
            for query, headers in ways
        ]
        execution = await platform.started(flow_id)
        created = [await each.next() for each in followers]

    assert {each["flow_execution_id"] for each in created} == {execution.id}


async def test_server_sent_events_take_a_token_in_the_url(url: str, platform: Platform) -> None:
    flow_id = await a_flow_id(platform)
    key = key_of(platform)["X-API-Key"]

    async with by_sent_events(url, f"{flow_id}?token={key}", {}) as follower:
        await platform.started(flow_id)
        assert (await follower.next())["type"] == "flow_execution.created"


async def test_no_other_path_takes_a_token_in_the_url(url: str, platform: Platform) -> None:
    key = key_of(platform)["X-API-Key"]

    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/api/flows", params={"token": key})

    assert answer.status_code == 401


FUTURE = f"{int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())}.1.0"


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ("last_event_id=tomorrow", 4400, 400),
        ("last_event_id=1.2", 4400, 400),
        ("last_event_id=99999999999.1.1", 4400, 400),
        ("last_event_id=9999999999.1.1", 4400, 400),
        (f"last_event_id={FUTURE}", 4400, 400),
        ("last_event_id=٣.1.1", 4400, 400),
        ("summaries=perhaps", 4400, 422),
        ("token=saf_nobody", 4401, 401),
        ("token=no.jwt", 4401, 401),
    ],
)
async def test_a_stream_that_cannot_be_is_refused_with_a_code(
    url: str, platform: Platform, query: str, code: int, status: int
) -> None:
    flow_id = await a_flow_id(platform)
    headers = {} if query.startswith("token") else key_of(platform)
    async with by_socket(url, f"{flow_id}?{query}", headers) as follower:
        ended = await follower.end()
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get(f"/api/flows/{flow_id}/events?{query}", headers=headers)

    assert (ended.code, answer.status_code) == (code, status)
    assert ended.reason
    assert answer.json()["error"]["code"]


async def test_an_unknown_flow_and_a_foreign_one_are_told_apart(
    url: str, platform: Platform, stranger: Platform
) -> None:
    deleted = await a_flow_id(platform)
    await platform.client.delete(f"/api/flows/{deleted}")
    wanted = [
        (str(uuid4()), 4404, 404),
        (deleted, 4404, 404),
        (await a_flow_id(stranger), 4403, 403),
        ("not-a-uuid", 4404, 422),
    ]

    async with httpx.AsyncClient(base_url=url, headers=key_of(platform)) as client:
        for flow_id, code, status in wanted:
            async with by_socket(url, flow_id, key_of(platform)) as follower:
                assert (await follower.end()).code == code
            assert (await client.get(f"/api/flows/{flow_id}/events")).status_code == status


async def test_without_a_credential_nothing_is_told(url: str) -> None:
    async with by_socket(url, str(uuid4()), {}) as follower:
        ended = await follower.end()

    assert (ended.code, ended.reason) == (4401, "a credential is required")
    assert follower.messages == []


@both_ways
async def test_a_revoked_key_ends_its_streams(
    api: Api, strict_url: str, platform: Platform, follow: Opening
) -> None:
    flow_id = await a_flow_id(platform)
    async with follow(strict_url, flow_id, key_of(platform)) as follower:
        await api.database[collections.API_KEYS].update_many(
            {"organization_id": platform.organization_id}, {"$set": {"deleted": True}}
        )
        ended = await follower.end()

    assert ended.code == 4401


async def test_a_token_that_expires_ends_its_stream(strict_url: str, platform: Platform) -> None:
    flow_id = await a_flow_id(platform)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    token = bearer(organization_id=platform.organization_id, exp=soon)

    async with by_socket(strict_url, f"{flow_id}?token={token}", {}) as follower:
        ended = await follower.end()

    assert (ended.code, ended.reason) == (4401, "the token has expired")


@both_ways
async def test_a_flow_that_is_deleted_ends_its_streams(
    strict_url: str, platform: Platform, follow: Opening
) -> None:
    flow_id = await a_flow_id(platform)
    async with follow(strict_url, flow_id, key_of(platform)) as follower:
        await platform.client.delete(f"/api/flows/{flow_id}")
        ended = await follower.end()

    assert ended.code == 4404


async def test_an_organization_has_a_number_of_streams(
    strict_url: str, platform: Platform, stranger: Platform
) -> None:
    flow_id, headers = await a_flow_id(platform), key_of(platform)
    async with AsyncExitStack() as stack:
        open_ones = [
            await stack.enter_async_context(by_socket(strict_url, flow_id, headers)),
            await stack.enter_async_context(by_sent_events(strict_url, flow_id, headers)),
        ]
        async with by_socket(strict_url, flow_id, headers) as third:
            assert (await third.end()).code == 4429
        async with httpx.AsyncClient(base_url=strict_url, headers=headers) as client:
            answer = await client.get(f"/api/flows/{flow_id}/events")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        foreign = await a_flow_id(stranger)
        async with by_socket(strict_url, foreign, key_of(stranger)) as follower:
            await stranger.started(foreign)
            await follower.next()
        assert [each.messages for each in open_ones] == [[], []]

    async def is_free() -> bool:
        async with by_socket(strict_url, flow_id, headers) as again:
            return bool(again.socket.close_code is None and again.position)

    await eventually(is_free, saying="a place is free again")


async def test_a_quiet_stream_says_so_and_moves_on(strict_url: str, platform: Platform) -> None:
    quiet, busy = await a_flow_id(platform), await a_flow_id(platform)
    async with (
        by_sent_events(strict_url, quiet, key_of(platform)) as follower,
        by_socket(strict_url, f"{quiet}?positions=true", key_of(platform)) as told_positions,
    ):
        first = follower.position
        await platform.started(busy)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await follower.next()
        positions = [await told_positions.next() for _ in range(3)]
        moved = follower.position

    assert follower.messages == []
    assert follower.keep_alives
    assert [int(part) for part in moved.split(".")] > [int(part) for part in first.split(".")]
    assert {each["type"] for each in positions} == {"stream.position"}


async def test_a_reader_that_does_not_read_is_cut_off_and_misses_nothing(
    api: Api, url: str, platform: Platform
) -> None:
    flow_id, headers = await a_flow_id(platform), key_of(platform)
    first = await platform.started(flow_id)
    executions = api.database[collections.EXECUTIONS]
    model = await executions.find_one({"_id": first.id})
    assert model is not None
    # Few and large, so that what the operating system keeps for the reader is full soon; and
    # nothing that a socket could compress.
    filler = {"triggered_task_executor_name": random.Random(SEED).randbytes(8_000).hex()}  # noqa: S311
    async with (
        by_socket(url, flow_id, headers) as follower,
        by_sent_events(url, flow_id, headers) as reading,
    ):
        follower.socket.transport.pause_reading()
        for _ in range(5):
            made = [{**model, **filler, "_id": str(uuid4())} for _ in range(400)]
            await executions.insert_many(made)
            for _ in made:
                await reading.next()
        follower.socket.transport.resume_reading()
        ended = await follower.end()

    assert ended.code == 4408
    async with by_sent_events(
        url, flow_id, headers | {"Last-Event-ID": follower.position}
    ) as again:
        while len(follower.messages) + len(again.messages) < 2_000:
            await again.until("flow_execution.created")
    created = [each["flow_execution_id"] for each in (*follower.messages, *again.messages)]
    assert len(set(created)) == 2_000


async def test_tags_are_told_of_once_they_are_committed(url: str, platform: Platform) -> None:
    flow_id = await a_flow_id(platform)
    execution = await platform.started(flow_id)
    tag = {
        "flow_execution_id": execution.id,
        "task_name": "a",
        "tag": "urgent",
        "tag_type": "label",
    }
    async with by_socket(url, flow_id, key_of(platform)) as follower:
        for operation in ("add", "add", "remove"):
            answer = await platform.client.patch(
                "/api/task-tags", json={"tags": [{**tag, "operation": operation}]}
            )
            assert answer.status_code == 200, answer.text
        await follower.until("task_tags.updated", status="deleted")

    of_tags = [each for each in follower.messages if each["type"] == "task_tags.updated"]
    assert told(of_tags) == [
        ("task_tags.updated", "a", "active"),
        ("task_tags.updated", "a", "deleted"),
    ]
    assert {each["data"]["tag"] for each in of_tags} == {"urgent"}


async def test_reports_and_corrections_are_told(url: str, platform: Platform) -> None:
    flow_id = await a_flow_id(platform)
    execution = await platform.started(flow_id)
    client, place = platform.client, {"flow_execution_id": execution.id}
    async with by_socket(url, f"{flow_id}?summaries=true", key_of(platform)) as follower:
        reported = await client.post(
            f"{execution.path}/task-status",
            json={"statuses": [{"task_name": "a", "status": "completed"}]},
        )
        assert reported.status_code == 200, reported.text
        word = await follower.until("task_status.updated")
        outputs, summaries = [], []
        for seen in (1, 2):
            body = {**place, "task_name": "a", "summary": {"seen": seen}}
            body["organization_id"] = platform.organization_id
            posted = await client.post("/api/task-outputs", json=body)
            assert posted.status_code == 201, posted.text
            outputs.append(await follower.until("task_output.created", task_name="a"))
            summaries.append(await follower.until("task_output.summary", task_name="a"))
        await set_status(execution, "completed")
        (row,) = await execution.task_executions(task_name="start")
        corrected = await client.put("/api/task-executions", json={**row, "output": {"text": "y"}})
        assert corrected.status_code == 200, corrected.text
        edit = await follower.until("task_execution.updated", task_name="start", status="completed")
        again = await follower.until("task_output.summary", task_name="start")

    assert (word["task_name"], word["status"]) == ("a", "completed")
    assert {each["data"]["id"] for each in (*outputs, *summaries)} == {posted.json()["id"]}
    assert {each["status"] for each in outputs} == {"queued"}
    assert [each["data"]["summary"] for each in summaries] == [{"seen": 1}, {"seen": 2}]
    assert edit["data"]["id"] == row["id"]
    assert edit["data"]["edited_status"] == "edited_not_reexecuted"
    assert again["data"]["edited_status"] == "edited"
    assert again["data"]["summary"] == {"text": "y"}


async def test_a_worker_follows_what_it_is_invited_to(
    url: str, strict_url: str, platform: Platform
) -> None:
    flow_id = await a_flow_id(platform)
    worker_id = str(uuid4())
    token = bearer(sub=worker_id, organization_id=platform.organization_id, role="worker")
    headers = {"Authorization": f"Bearer {token}"}
    async with by_socket(url, flow_id, headers) as follower:
        assert (await follower.end()).code == 4403
    # Whoever has not been met cannot be invited.
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        assert (await client.get("/api/profile/me")).status_code == 200
    invitations, people = f"/api/flows/{flow_id}/invitations", {"user_ids": [worker_id]}
    invited = await platform.client.put(invitations, json=people)
    assert invited.status_code == 200, invited.text

    async with by_socket(strict_url, flow_id, headers) as follower:
        execution = await platform.started(flow_id)
        assert (await follower.next())["flow_execution_id"] == execution.id
        await platform.client.request("DELETE", invitations, json=people)
        ended = await follower.end()

    assert ended.code == 4403


def test_the_document_tells_streams_from_refusals(api: Api) -> None:
    answers = api.app.openapi()["paths"]["/api/flows/{flow_id}/events"]["get"]["responses"]

    kinds = {status: [*answer["content"]] for status, answer in answers.items()}
    assert kinds.pop("200") == ["text/event-stream"]
    assert {kind for each in kinds.values() for kind in each} == {"application/json"}
    assert {"400", "401", "403", "404", "409", "429", "503"} <= set(kinds)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def test_a_run_tells_of_attempts_items_waits_and_outputs(
    working_api: Api, receiver: Receiver
) -> None:
    platform = await working_api.organization()
    receiver.failures_left["/flaky"] = 1
    retry: Json = {"max_attempts": 2, "initial_interval_seconds": 0.01}
    urls: Json = {
        "name": "urls",
        "task_executor_name": "python_code",
        "parameters": {
            "code": f"result = ['{receiver.url}/each'] * 3",
            "input_data": "{{start.text}}",
        },
    }
    each: Json = {
        "name": "each",
        "task_executor_name": "http_request",
        "parameters": {"url": "{{urls.output}}", "method": "POST"},
    }
    ask: Json = {
        "name": "ask",
        "task_executor_name": "webhook_receiver",
        "parameters": {"fields": [{"id": "name"}]},
    }
    flaky = call("flaky", f"{receiver.url}/flaky", retry_policy=retry)
    flow_id = str(
        (await platform.flow(a_flow(urls, each, flaky, ask, edges=[edge("each", "ask")])))["id"]
    )
    async with (
        served(working_api.app) as url,
        by_socket(url, f"{flow_id}?summaries=true", key_of(platform)) as follower,
    ):
        execution = await platform.started(flow_id)
        await follower.until("flow_execution.status", status="awaiting_input")
        submitted = await platform.client.post(
            f"{execution.path}/webhook-data", json={"task_name": "ask", "data": {"name": "Ada"}}
        )
        assert submitted.status_code == 200, submitted.text
        await follower.until("flow_execution.status", status="completed")

    messages = told(follower.messages)
    created = [name for kind, name, _ in messages if kind == "task_output.created"]
    summaries = {
        each["task_name"]: each["data"]
        for each in follower.messages
        if each["type"] == "task_output.summary"
    }
    assert sorted(map(str, created)) == ["ask", "each", "flaky", "start", "urls"]
    assert summaries["ask"]["summary"] == {"name": "Ada"}
    assert len(summaries["each"]["summary"]) == 3
    assert ("task_execution.updated", "ask", "awaiting_input") in messages
    attempts = [
        (message["data"]["task_execution_idx"], message["status"])
        for message in follower.messages
        if (message["type"], message["task_name"]) == ("task_execution.updated", "flaky")
    ]
    assert [each for each in attempts if each[1] in ("failed", "completed")] == [
        (0, "failed"),
        (1, "completed"),
    ]
    ended = {
        message["data"]["task_execution_idx"]
        for message in follower.messages
        if (message["type"], message["task_name"], message["status"])
        == ("task_execution.updated", "each", "completed")
    }
    assert ended == {0, 1, 2}


async def test_an_attempt_that_fails_for_good_is_told_as_an_output(
    working_api: Api, receiver: Receiver
) -> None:
    platform = await working_api.organization()
    receiver.broken.add("/broken")
    once: Json = {"max_attempts": 1}
    broken = call("broken", f"{receiver.url}/broken", retry_policy=once)
    flow_id = str((await platform.flow(a_flow(broken)))["id"])
    async with (
        served(working_api.app) as url,
        by_sent_events(url, flow_id, key_of(platform)) as follower,
    ):
        await platform.started(flow_id)
        await follower.until("flow_execution.status", status="failed")

    assert ("task_output.created", "broken", "failed") in told(follower.messages)
