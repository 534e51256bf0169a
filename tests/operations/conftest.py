"""The use cases on a database and a task queue of the test's own."""

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client

from runtime.embedded import NAMESPACE
from runtime.readiness import LOOPBACK, free_port
from runtime.temporal import connect
from tests.support.operations import Operations, operations_on


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
