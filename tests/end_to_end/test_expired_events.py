"""Readers of events who were away for longer than the store remembers."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from bson import Timestamp
from motor.motor_asyncio import AsyncIOMotorClient
from temporalio.client import Client

from runtime.embedded import EmbeddedMongo
from runtime.readiness import free_port
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.documents import a_flow, task
from tests.support.eventually import eventually
from tests.support.following import sent, socket
from tests.support.oplog import forget_up_to
from tests.support.served import served


@pytest.fixture
async def own_mongo(tmp_path: Path) -> AsyncIterator[EmbeddedMongo]:
    """A mongod that may be stopped."""
    server = EmbeddedMongo(tmp_path, free_port(), cache_mb=256)
    await server.start()
    yield server
    await server.stop()


async def until_ready(api: Api) -> None:
    client = await api.client()

    async def is_ready() -> bool:
        return (await client.get("/health/ready")).status_code == httpx.codes.OK

    await eventually(is_ready, saying="the application has its store again")


async def written_elsewhere(folder: Path) -> Timestamp:
    """Write something that no reader sees, and return a moment between two entries of the oplog."""
    server = EmbeddedMongo(folder, free_port(), cache_mb=256)
    await server.start()
    client: AsyncIOMotorClient = AsyncIOMotorClient(server.uri)
    try:
        first, _ = [
            await client["elsewhere"].command("insert", "notes", documents=[{"n": number}])
            for number in range(2)
        ]
    finally:
        client.close()
        await server.stop()
    found: Timestamp = first["operationTime"]
    return found


async def test_whoever_was_away_too_long_is_told_and_may_begin_anew(
    tmp_path: Path, temporal_address: str, temporal_client: Client, own_mongo: EmbeddedMongo
) -> None:
    settings = settings_for(temporal_address, own_mongo.uri)
    async with ready_api(settings, temporal_client) as api, served(api.app) as url:
        platform = await api.organization()
        flow_id = str((await platform.flow(a_flow(task("a"))))["id"])
        headers = {"X-API-Key": platform.client.headers["X-API-Key"]}
        events, path = f"/api/flows/{flow_id}/events", f"/ws/flows/{flow_id}"
        async with sent(url, events, headers) as staying:
            await platform.started(flow_id)
            early = await staying.until("task_output.created")
            await own_mongo.stop()
            assert await forget_up_to(tmp_path, await written_elsewhere(tmp_path)) > 0
            await own_mongo.start()
            await until_ready(api)
            left_behind = await staying.end()

        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            refused = await client.get(events, headers={**headers, "Last-Event-ID": early["id"]})
        async with socket(url, f"{path}?last_event_id={early['id']}", headers) as cut_off:
            ended = await cut_off.end()
        async with socket(url, path, headers) as anew:
            after = await platform.started(flow_id)
            created = await anew.next()
            going_on_from = {**headers, "Last-Event-ID": created["id"]}
            async with sent(url, events, going_on_from) as going_on:
                assert await going_on.next() == await anew.next()

    assert refused.status_code == httpx.codes.CONFLICT
    assert refused.json()["error"]["code"] == "conflict"
    assert (ended.code, ended.reason) == (4409, refused.json()["error"]["message"])
    assert left_behind.code == ended.code
    assert cut_off.messages == []
    assert created["flow_execution_id"] == after.id
