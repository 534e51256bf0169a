"""What our processes do on a database that belongs to a newer version."""

import asyncio
import os
import sys
from datetime import UTC, datetime

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from store import schema
from tests.fixtures.api import running_api, settings_for
from tests.support.eventually import eventually
from tests.support.platform_process import REPOSITORY

MAIN = "from cli.main import main; main()"


@pytest.fixture
async def newer(database: AsyncIOMotorDatabase) -> AsyncIOMotorDatabase:
    """A database that took a step which nobody here knows."""
    await schema.prepare(database)
    record = {"_id": 9_000, "name": "later", "keeps_older_processes": False}
    await database.schema_migrations.insert_one({**record, "applied_at": datetime.now(UTC)})
    return database


async def test_the_api_serves_nothing_and_is_not_ready(
    newer: AsyncIOMotorDatabase, temporal_address: str, mongo_uri: str
) -> None:
    settings = settings_for(temporal_address, mongo_uri, mongodb_database=newer.name)
    async with running_api(settings) as api:
        client = await api.client(X_API_Key="saf_unknown")

        async def is_refusing() -> bool:
            return (await client.get("/api/flows")).status_code == 503

        await eventually(is_refusing, saying="the schema was looked at")
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize("command", [["worker.py"], ["-c", MAIN, "admin", "migrate"]])
async def test_other_processes_refuse_in_one_line(
    newer: AsyncIOMotorDatabase, temporal_address: str, mongo_uri: str, command: list[str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        cwd=REPOSITORY,
        env={
            **os.environ,
            "PERDURE_MONGODB_URI": mongo_uri,
            "PERDURE_MONGODB_DATABASE": newer.name,
            "PERDURE_TEMPORAL_ADDRESS": temporal_address,
            "PERDURE_METRICS_PORT": "0",
            "PERDURE_LOG_LEVEL": "WARNING",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 1
    assert len(output.splitlines()) == 1
    assert b"the database is at schema 9000" in output
    assert b"start a newer version" in output
