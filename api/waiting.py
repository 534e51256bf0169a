"""Builds what takes deliveries for tasks that wait for the outside."""

from flows.executors.webhook_receiver import WEBHOOK_DATA
from operations.definitions import Definitions
from operations.waiting import Wakes
from operations.webhook_data import WebhookDataSource, WebhookSubmissions
from runtime.gateway import Gateway
from runtime.mongo import Mongo
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.suspension import Suspension
from store.webhook_data import WebhookDataRepository


def webhook_submissions_on(
    mongo: Mongo, gateway: Gateway, definitions: Definitions
) -> WebhookSubmissions:
    """Return the use case over this process's clients."""
    stored = WebhookDataRepository(mongo.database)
    sources = {WEBHOOK_DATA: WebhookDataSource(stored)}
    return WebhookSubmissions(
        executions=ExecutionRepository(mongo.database),
        flows=FlowRepository(mongo.database),
        definitions=definitions,
        stored=stored,
        wakes=Wakes(Suspension(mongo.database), gateway, sources),
    )
