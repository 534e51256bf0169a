"""Readers of events while processes stop, die and come back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from temporalio.client import Client

from runtime.embedded import EmbeddedMongo
from runtime.mongo import Mongo
from runtime.parts import ApiPart
from runtime.readiness import free_port
from store.accounts import AccountRepository
from tests.fixtures.api import ready_api, settings_for
from tests.support.documents import a_flow, task
from tests.support.following import sent, socket
from tests.support.platform import Platform
from tests.support.served import served


@pytest.fixture
async def own_mongo(tmp_path: Path) -> AsyncIterator[EmbeddedMongo]:
    """A mongod that may be stopped."""
    server = EmbeddedMongo(tmp_path / "mongo", free_port(), cache_mb=256)
    await server.start()
    yield server
    await server.stop()


@dataclass
class Site:
    """Two API processes of one platform.

    Attributes:
        key: An administrator's.
    """

    apis: tuple[ApiPart, ApiPart]
    platform: Platform
    key: str
    logs: tuple[Path, Path]


async def test_a_reader_stays_while_the_store_is_restarted(
    temporal_address: str, temporal_client: Client, own_mongo: EmbeddedMongo
) -> None:
    settings = settings_for(temporal_address, own_mongo.uri)
    async with ready_api(settings, temporal_client) as api, served(api.app) as url:
        platform = await api.organization()
        flow_id = str((await platform.flow(a_flow(task("a"))))["id"])
        headers = {"X-API-Key": platform.client.headers["X-API-Key"]}
        async with sent(url, f"/api/flows/{flow_id}/events", headers) as follower:
            before = await platform.started(flow_id)
            await follower.until("task_output.created")
            position = follower.position
            await own_mongo.stop()
            await own_mongo.start()
            after = await _started(platform, flow_id)
            await follower.until("task_output.created", flow_execution_id=after)

        headers |= {"Last-Event-ID": position}
        async with socket(url, f"/ws/flows/{flow_id}", headers) as again:
            await again.until("task_output.created", flow_execution_id=after)

    created = [each for each in follower.messages if each["type"] == "flow_execution.created"]
    assert [each["flow_execution_id"] for each in created] == [before.id, after]
    behind = [each["id"] for each in follower.messages].index(position) + 1
    assert again.messages == follower.messages[behind:]


async def _started(platform: Platform, flow_id: str) -> str:
    """Create an execution once the store answers again; one key makes one of many tries."""
    headers = {"Idempotency-Key": str(uuid4())}
    body = {"flow_id": flow_id, "input": {"text": "after"}}
    async with asyncio.timeout(30):
        while True:
            answer = await platform.client.post("/api/flow-executions", json=body, headers=headers)
            if answer.status_code == httpx.codes.CREATED:
                return str(answer.json()["id"])
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(float(answer.headers["Retry-After"]))


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str, mongo_uri: str) -> AsyncIterator[Site]:
    settings = settings_for(temporal_address, mongo_uri)
    environment = {
        **os.environ,
        "PERDURE_TEMPORAL_ADDRESS": temporal_address,
        "PERDURE_MONGODB_URI": mongo_uri,
        "PERDURE_MONGODB_DATABASE": settings.mongodb_database,
        "PERDURE_TASK_QUEUE": settings.task_queue,
        "PERDURE_API_METRICS_PORT": "0",
        "PERDURE_API_DRAIN": "0.2",
    }
    folders = tmp_path / "a", tmp_path / "b"
    apis = (
        ApiPart(folders[0], environment, free_port()),
        ApiPart(folders[1], environment, free_port()),
    )
    async with AsyncExitStack() as stack:
        mongo = Mongo(mongo_uri, settings.mongodb_database)
        stack.callback(mongo.close)
        for api in apis:
            stack.push_async_callback(api.process.stop)
        await asyncio.gather(*(api.start() for api in apis))
        accounts = AccountRepository(mongo.database)
        organization = await accounts.create_organization("events")
        account = await accounts.create_service_account(organization.id, "it", role="org_admin")
        _, key = await accounts.create_key(organization.id, account.id)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=apis[1].url, headers={"X-API-Key": key}, trust_env=False)
        )
        logs = folders[0] / "logs" / "api.log", folders[1] / "logs" / "api.log"
        yield Site(apis, Platform(client, organization.id), key, logs)


async def test_a_stop_ends_streams_in_order_and_another_process_goes_on(site: Site) -> None:
    first, second = site.apis
    flow_id = str((await site.platform.flow(a_flow(task("a"))))["id"])
    path = f"/ws/flows/{flow_id}?token={site.key}"
    events = f"/api/flows/{flow_id}/events?token={site.key}"
    async with socket(first.url, path) as follower, sent(first.url, events) as other:
        execution = await site.platform.started(flow_id)
        for each in (follower, other):
            await each.until("task_output.created")
        stopping = asyncio.create_task(first.process.stop())
        ends = [await each.end() for each in (follower, other)]
        await stopping
    missed = await site.platform.started(flow_id)

    async with (
        socket(second.url, f"{path}&last_event_id={follower.position}") as again,
        sent(second.url, f"{events}&last_event_id={other.position}") as again_sent,
    ):
        created, same = await again.next(), await again_sent.next()
        pid = second.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await second.process.wait()
    await first.start()
    async with socket(first.url, f"{path}&last_event_id={same['id']}") as last:
        rest = await last.until("task_output.created")

    assert [each.code for each in ends] == [1012, 1012]
    assert first.process.is_running
    assert execution.id != missed.id
    assert created == same
    assert created["flow_execution_id"] == rest["flow_execution_id"] == missed.id
    for log in site.logs:
        said = log.read_text()
        assert site.key not in said
        assert "Traceback" not in said
