"""Builds the activities of interactive runs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from activities.egress import guarded_client
from activities.interactive import RunRecordActivities, RunServiceActivities, opened_marks
from operations.vault import Vault
from runtime.mongo import Mongo
from runtime.settings import Settings
from runtime.tracing import Tracing, traced
from store.interactive_runs import RunRepository
from store.run_events import RunEventRepository

Activity = Callable[..., Any]


@asynccontextmanager
async def interactive_activities(
    settings: Settings, mongo: Mongo, spans: Tracing
) -> AsyncIterator[list[Activity]]:
    """Build the activities of runs, and close what they share in the end."""
    async with guarded_client(settings.allowed_private_hosts) as client:
        traced(client, spans)
        open_secrets = partial(opened_marks, Vault.over(mongo.database, settings.keys()))
        records = RunRecordActivities(
            RunRepository(mongo.database), RunEventRepository(mongo.database)
        )
        yield [
            records.record_turn,
            records.show_events,
            RunServiceActivities(client, open_secrets).call_service,
        ]
