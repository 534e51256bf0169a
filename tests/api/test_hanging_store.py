"""What callers see while MongoDB takes connections and requests, and answers none of them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue
from temporalio.client import Client

from runtime.embedded import EmbeddedMongo
from runtime.readiness import free_port
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.children import freeze
from tests.support.documents import a_flow, task
from tests.support.eventually import eventually
from tests.support.following import sent
from tests.support.served import served
from tests.support.uploads import a_folder

Json = dict[str, JsonValue]

# A frozen server never answers, and the driver by itself would wait for ever.
UNASSISTED_SECONDS = 25


@pytest.fixture(scope="module")
async def mongod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedMongo]:
    """A mongod that may be frozen."""
    server = EmbeddedMongo(tmp_path_factory.mktemp("mongo"), free_port(), cache_mb=256)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def api(
    temporal_address: str, temporal_client: Client, mongod: EmbeddedMongo
) -> AsyncIterator[Api]:
    """An application on that mongod."""
    async with ready_api(settings_for(temporal_address, mongod.uri), temporal_client) as running:
        yield running


@contextmanager
def frozen(mongod: EmbeddedMongo) -> Iterator[None]:
    """Keep a mongod from running for a while, its sockets open."""
    pid = mongod.process.pid
    assert pid is not None
    freeze(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def is_answering(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/flows")).status_code == 200


async def test_every_call_is_a_quick_503_and_what_is_repeated_happens_once(
    api: Api, mongod: EmbeddedMongo
) -> None:
    platform = await api.organization()
    client = platform.client
    flow = await platform.flow(a_flow(task("a")))
    folder = await a_folder(platform)
    url, _ = await folder.announced()
    key = {"Idempotency-Key": str(uuid4())}
    body: Json = {"flow_id": flow["id"], "input": {"text": "hello"}}

    with frozen(mongod):
        async with asyncio.timeout(UNASSISTED_SECONDS):
            answers = await asyncio.gather(
                *(client.get("/api/flows") for _ in range(5)),
                client.post("/api/flow-executions", json=body, headers=key),
                client.patch(f"/api/flows/{flow['id']}", json={"display_name": "another"}),
                client.put(url, content=b"content"),
            )
            later = [await client.get("/api/flows"), await client.get("/health/ready")]
    await eventually(lambda: is_answering(client), saying="the store is used again")
    created = [await client.post("/api/flow-executions", json=body, headers=key) for _ in range(2)]
    executions = (
        await client.get("/api/flow-executions", params={"flow_id": str(flow["id"])})
    ).json()

    assert {answer.status_code for answer in [*answers, *later]} == {503}
    assert {answer.json()["error"]["code"] for answer in answers} == {"unavailable"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert [answer.status_code for answer in created] == [201, 201]
    assert [each["id"] for each in executions] == [created[0].json()["id"]]
    assert created[1].json()["id"] == created[0].json()["id"]
    assert await folder.files() == []


async def test_a_reader_of_events_stays_and_misses_nothing(api: Api, mongod: EmbeddedMongo) -> None:
    platform = await api.organization()
    flow_id = str((await platform.flow(a_flow(task("a"))))["id"])
    headers = {"X-API-Key": platform.client.headers["X-API-Key"]}
    async with served(api.app) as url, sent(url, f"/api/flows/{flow_id}/events", headers) as reader:
        before = await platform.started(flow_id)
        await reader.until("task_output.created")
        with frozen(mongod):
            silent = await platform.client.get("/api/flows")
        client = platform.client
        await eventually(lambda: is_answering(client), saying="the store is back")
        after = await platform.started(flow_id)
        await reader.until("task_output.created", flow_execution_id=after.id)

    created = [each for each in reader.messages if each["type"] == "flow_execution.created"]
    assert silent.status_code == 503
    assert [each["flow_execution_id"] for each in created] == [before.id, after.id]
