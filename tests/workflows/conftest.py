"""A worker of the real workflows for each test."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.support.engine import Engine, running_engine


@pytest.fixture
async def engine(temporal_client: Client, task_queue: str) -> AsyncIterator[Engine]:
    """The workflows over recording activities, on a task queue of the test's own."""
    async with running_engine(temporal_client, task_queue) as running:
        yield running
