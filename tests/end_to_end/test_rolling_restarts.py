"""Every process of ours is replaced while callers go on calling."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import cast
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from runtime.embedded import NAMESPACE
from runtime.mongo import Mongo
from runtime.parts import ApiPart, WorkerPart
from runtime.readiness import free_port
from store import schema
from store.accounts import AccountRepository
from tests.support.effect_flows import INPUT, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiving

PATH = "/effect"
CALLERS = 3
PAUSE_SECONDS = 0.1
"""Between two requests of a caller: so much that every process is busy, not that the machine is."""

ENOUGH = 12
"""Executions that are started between one restart and the next."""


@dataclass
class Site:
    """Two API processes and two workers, as behind a proxy that knows both.

    Attributes:
        failures: What callers met besides a connection that was refused.
        refused: How many connections were.
    """

    folder: Path
    environment: dict[str, str]
    apis: list[ApiPart] = field(default_factory=list)
    workers: list[WorkerPart] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def parts(self) -> list[ApiPart | WorkerPart]:
        return [*self.apis, *self.workers]

    def worker(self, name: str) -> WorkerPart:
        return WorkerPart(
            self.folder / name,
            self.environment,
            address=self.environment["PERDURE_TEMPORAL_ADDRESS"],
            namespace=NAMESPACE,
            task_queue=self.environment["PERDURE_TASK_QUEUE"],
        )

    async def call(self, flow_id: str, key: str, stop: asyncio.Event) -> None:
        """Start executions one after another, over connections that are kept."""
        async with httpx.AsyncClient(
            headers={"X-API-Key": key}, trust_env=False, timeout=30
        ) as client:
            for api in cycle(self.apis):
                if stop.is_set():
                    return
                await self._start(client, api.url, flow_id)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _start(self, client: httpx.AsyncClient, url: str, flow_id: str) -> None:
        body: dict[str, JsonValue] = {"flow_id": flow_id, "input": cast(JsonValue, INPUT)}
        try:
            answer = await client.post(f"{url}/api/flow-executions", json=body)
        except httpx.ConnectError:
            self.refused[url] += 1
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
        else:
            if answer.status_code == httpx.codes.CREATED:
                self.started.append(answer.json()["id"])
            else:
                self.failures.append(answer.text)

    async def more(self) -> None:
        """Wait until some more executions were started."""
        wanted = len(self.started) + ENOUGH
        await eventually(lambda: len(self.started) >= wanted, 60, saying="callers get on")

    async def restart(self, part: ApiPart | WorkerPart) -> None:
        """Stop a process as an orchestrator does, and start it again."""
        await part.process.stop()
        assert part.process.exit_status == 0, part.process.log_tail()
        await part.start()


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str, mongo_uri: str) -> AsyncIterator[Site]:
    unique = uuid4().hex
    environment = {
        **os.environ,
        "PERDURE_TEMPORAL_ADDRESS": temporal_address,
        "PERDURE_MONGODB_URI": mongo_uri,
        "PERDURE_MONGODB_DATABASE": f"rolling_{unique}",
        "PERDURE_TASK_QUEUE": f"rolling-{unique}",
        "PERDURE_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "PERDURE_METRICS_PORT": "0",
        "PERDURE_API_METRICS_PORT": "0",
        "PERDURE_API_DRAIN": "0.5",
    }
    made = Site(tmp_path, environment)
    made.apis = [ApiPart(tmp_path / name, environment, free_port()) for name in ("a", "b")]
    made.workers = [made.worker(name) for name in ("c", "d")]
    async with AsyncExitStack() as stack:
        for part in made.parts:
            stack.push_async_callback(part.process.stop)
            await part.start()
        yield made


@pytest.fixture
async def key(site: Site, mongo_uri: str) -> AsyncIterator[str]:
    """An administrator's key."""
    mongo = Mongo(mongo_uri, site.environment["PERDURE_MONGODB_DATABASE"])
    await schema.prepare(mongo.database)
    accounts = AccountRepository(mongo.database)
    organization = await accounts.create_organization("rolling")
    account = await accounts.create_service_account(organization.id, "admin", role="org_admin")
    yield (await accounts.create_key(organization.id, account.id))[1]
    mongo.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def test_no_request_fails_and_every_execution_completes_with_one_effect(
    site: Site, key: str, receiver: Receiver
) -> None:
    receiver.slow[PATH] = 0.05
    definition = a_flow(an_effect("call", receiver, PATH, reads="form"), a_note("note", "call"))
    headers = {"X-API-Key": key}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as client:
        url = site.apis[0].url
        created = await client.post(
            f"{url}/api/flows", json={"display_name": "rolling", "definition": definition}
        )
        assert created.status_code == httpx.codes.CREATED, created.text
        stop = asyncio.Event()
        callers = [
            asyncio.create_task(site.call(created.json()["id"], key, stop)) for _ in range(CALLERS)
        ]
        for part in site.parts:
            await site.more()
            await site.restart(part)
        await site.more()
        stop.set()
        await asyncio.gather(*callers)

        async def status(execution_id: str) -> str:
            shown = await client.get(f"{url}/api/flow-executions/{execution_id}")
            return str(shown.json()["status"])

        async def open_ones() -> list[str]:
            return [each for each in site.started if await status(each) in ("queued", "running")]

        async def all_ended() -> bool:
            return not await open_ones()

        await eventually(all_ended, 120, saying="every execution ends")
        assert {await status(each) for each in site.started} == {"completed"}

    assert site.failures == []
    assert len(set(receiver.keys[PATH])) == len(receiver.keys[PATH]) == len(site.started)
