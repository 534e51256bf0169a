"""Builds the activities of interactive runs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from activities.chat import ChatModels
from activities.egress import guarded_client
from activities.interactive import RunRecordActivities, RunServiceActivities, opened_marks
from activities.run_code import RunCodeActivities
from activities.run_models import RunModelActivities
from activities.sandbox import Sandbox
from activities.speech import Speech
from composition.models import model_endpoint
from operations.vault import Vault
from runtime.mongo import Mongo
from runtime.settings import Settings
from runtime.tracing import Tracing, traced
from store.run_events import RunEventRepository
from store.turns import TurnRecorder

Activity = Callable[..., Any]


@asynccontextmanager
async def interactive_activities(
    settings: Settings, mongo: Mongo, spans: Tracing, sandbox: Sandbox
) -> AsyncIterator[list[Activity]]:
    """Build the activities of runs, and close what they share in the end."""
    hosts = settings.allowed_private_hosts
    async with (
        guarded_client(hosts) as client,
        guarded_client(hosts, streams=True) as model_client,
        # The operator chose this endpoint, so it may be anywhere.
        guarded_client(["*"], streams=True) as operators_client,
    ):
        for each in (client, model_client, operators_client):
            traced(each, spans)
        vault = Vault.over(mongo.database, settings.keys())
        open_secrets = partial(opened_marks, vault)
        models = ChatModels(model_client, operators_client, model_endpoint(settings))
        code = RunCodeActivities(sandbox, open_secrets, is_allowed=settings.python_tools)
        events = RunEventRepository(mongo.database)
        records = RunRecordActivities(TurnRecorder(mongo.database), events)
        yield [
            records.record_turn,
            records.show_events,
            RunServiceActivities(client, open_secrets).call_service,
            RunModelActivities(models, vault, open_secrets, Speech(events)).ask_model,
            code.run_code,
        ]
