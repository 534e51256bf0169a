"""The use cases on a database and a task queue of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr
from temporalio.client import Client

import worker
from runtime.embedded import NAMESPACE
from runtime.payload_storage import MongoStorageDriver
from runtime.readiness import LOOPBACK, free_port
from runtime.settings import Settings
from runtime.temporal import connect
from tests.support.operations import Operations, operations_on
from tests.support.receiver import Receiver, receiving


@pytest.fixture
async def operations(
    database: AsyncIOMotorDatabase, temporal_client: Client, task_queue: str
) -> Operations:
    """Use cases that reach Temporal; no worker runs what they start."""
    return await operations_on(database, temporal_client, task_queue)


@pytest.fixture
async def cut_off(database: AsyncIOMotorDatabase, task_queue: str) -> Operations:
    """Use cases on the same database, whose Temporal is down."""
    client = await connect(f"{LOOPBACK}:{free_port()}", NAMESPACE, lazy=True)
    return await operations_on(database, client, task_queue)


@pytest.fixture
async def at_work(
    database: AsyncIOMotorDatabase, mongo_uri: str, temporal_address: str, task_queue: str
) -> AsyncIterator[Operations]:
    """Use cases with a whole worker that runs what they start; it hardly ever reconciles itself."""
    settings = Settings(
        temporal_address=temporal_address,
        temporal_namespace=NAMESPACE,
        task_queue=task_queue,
        mongodb_uri=SecretStr(mongo_uri),
        mongodb_database=database.name,
        allowed_private_hosts=(LOOPBACK,),
        metrics_port=0,
        log_level="WARNING",
        reconcile_interval=timedelta(days=1),
        sandbox_workflows=True,
    )
    client = await connect(temporal_address, NAMESPACE, storage_driver=MongoStorageDriver(database))
    stop = asyncio.Event()
    serving = asyncio.create_task(worker.serve(settings, stop))
    yield await operations_on(database, client, task_queue)
    stop.set()
    await serving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A service that effects call."""
    async with receiving() as receiver:
        yield receiver
