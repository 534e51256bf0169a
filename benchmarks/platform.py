"""Real servers, our worker and API, and the baseline's worker, in a scratch folder."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from benchmarks.caller import Api, UnreachableError, calling
from runtime.embedded import NAMESPACE, EmbeddedMongo, EmbeddedTemporal
from runtime.mongo import Mongo
from runtime.process import ManagedProcess
from runtime.readiness import LOOPBACK, await_answer, free_port
from runtime.temporal import connect
from store import schema
from store.accounts import AccountRepository

ROOT = Path(__file__).resolve().parents[1]
TASK_QUEUE = "bench"
DATABASE = "bench"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a benchmark talks to."""

    temporal: Client
    mongo: Mongo
    api: Api
    organization_id: str


@asynccontextmanager
async def running() -> AsyncIterator[Platform]:
    """Start everything, and stop it in the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-bench-")))
        temporal = EmbeddedTemporal(folder / "temporal", free_port(), ui_port=None)
        await _started(stack, temporal)
        mongod = EmbeddedMongo(folder / "mongo", free_port(), cache_mb=2_048)
        await _started(stack, mongod)
        environment = _environment(temporal.address, mongod.uri)
        mongo = Mongo(mongod.uri, DATABASE)
        stack.callback(mongo.close)
        await schema.prepare(mongo.database)
        port = free_port()
        uvicorn = ["-m", "uvicorn", "--factory", "benchmarks.app:create_app", "--no-access-log"]
        for name, arguments in (
            ("worker", ["-m", "benchmarks.worker"]),
            ("baseline", ["-m", "benchmarks.baseline"]),
            ("api", [*uvicorn, "--host", LOOPBACK, "--port", str(port)]),
        ):
            process = ManagedProcess(
                name, [sys.executable, *arguments], folder / f"{name}.log", environment, ROOT
            )
            await process.start()
            stack.push_async_callback(process.stop)
        organization, token = await _organization(mongo)
        api = await stack.enter_async_context(calling(f"http://{LOOPBACK}:{port}", token))
        await await_answer(process, lambda: _is_ready(api))
        client = await connect(temporal.address, NAMESPACE, storage_driver=mongo.storage_driver())
        yield Platform(client, mongo, api, organization)


async def _started(stack: AsyncExitStack, part: EmbeddedTemporal | EmbeddedMongo) -> None:
    await part.start()
    stack.push_async_callback(part.stop)


def _environment(temporal_address: str, mongodb_uri: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "PERDURE_TEMPORAL_ADDRESS": temporal_address,
        "PERDURE_MONGODB_URI": mongodb_uri,
        "PERDURE_MONGODB_DATABASE": DATABASE,
        "PERDURE_TASK_QUEUE": TASK_QUEUE,
        "PERDURE_METRICS_PORT": "0",
        "PERDURE_LOG_LEVEL": "WARNING",
    }


async def _organization(mongo: Mongo) -> tuple[str, str]:
    accounts = AccountRepository(mongo.database)
    organization = await accounts.create_organization("bench")
    account = await accounts.create_service_account(organization.id, "bench", role="org_admin")
    _, token = await accounts.create_key(organization.id, account.id)
    return organization.id, token


async def _is_ready(api: Api) -> bool:
    try:
        return (await api.get("/health/ready")).is_success
    except UnreachableError:
        await asyncio.sleep(timedelta(milliseconds=100).total_seconds())
        return False
