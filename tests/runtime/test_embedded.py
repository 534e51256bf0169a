import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from runtime.embedded import NAMESPACE, RETENTION, EmbeddedMongo, EmbeddedTemporal
from runtime.process import ManagedProcess
from runtime.readiness import free_port
from runtime.temporal import connect


async def kill(process: ManagedProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


@pytest.fixture
async def mongo(tmp_path: Path) -> AsyncIterator[EmbeddedMongo]:
    server = EmbeddedMongo(tmp_path / "a folder", free_port(), cache_mb=256)
    await server.start()
    yield server
    await server.stop()


async def test_the_namespace_keeps_closed_workflows_for_a_week(temporal_client: Client) -> None:
    described = await temporal_client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=NAMESPACE)
    )

    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    assert kept == RETENTION > timedelta(days=1)


async def test_our_search_attributes_exist(temporal_client: Client) -> None:
    known = await temporal_client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=NAMESPACE)
    )

    ours = {"OrganizationId", "FlowId", "FlowVersion", "FlowExecutionId", "InteractiveWorkflowId"}
    assert ours <= set(known.custom_attributes)


async def test_transactions_work(
    mongo_client: AsyncIOMotorClient, database: AsyncIOMotorDatabase
) -> None:
    async with await mongo_client.start_session() as session, session.start_transaction():
        await database.things.insert_one({"_id": 1}, session=session)

    assert await database.things.count_documents({}) == 1


async def test_documents_survive_a_kill_and_another_port(mongo: EmbeddedMongo) -> None:
    client: AsyncIOMotorClient = AsyncIOMotorClient(mongo.uri)
    await client.kept.things.insert_one({"_id": 1})
    client.close()
    await kill(mongo.process)

    moved = EmbeddedMongo(mongo.process.log_path.parents[1], free_port(), cache_mb=256)
    await moved.start()

    client = AsyncIOMotorClient(moved.uri)
    try:
        assert await client.kept.things.count_documents({}) == 1
    finally:
        client.close()
        await moved.stop()


async def test_the_temporal_server_starts_again_on_its_file(tmp_path: Path) -> None:
    first = EmbeddedTemporal(tmp_path, free_port(), ui_port=None)
    await first.start()
    client = await connect(first.address, NAMESPACE)
    handle = await client.start_workflow("Anything", id="kept", task_queue="nobody")
    await kill(first.process)

    second = EmbeddedTemporal(tmp_path, free_port(), ui_port=None)
    await second.start()

    try:
        described = await (
            (await connect(second.address, NAMESPACE)).get_workflow_handle("kept").describe()
        )
        assert described.run_id == handle.result_run_id
    finally:
        await second.stop()
