"""Builds the activities of task executors."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from activities.code import CodeActivities
from activities.data import DataActivities
from activities.databases import DatabaseActivities
from activities.document_source import DocumentSource
from activities.documents import DocumentActivities
from activities.egress import EgressGuard, guarded_client
from activities.http import HttpActivities
from activities.language_models import LanguageModels
from activities.mail import MailActivities, MailServer
from activities.model_tasks import ModelActivities
from activities.sandbox import Sandbox
from activities.stored_files import StoredFiles
from activities.waiting import WaitActivities
from activities.webhooks import WebhookActivities
from composition.models import model_endpoint
from runtime.mongo import Mongo
from runtime.settings import Settings
from runtime.tracing import Tracing, traced
from store.file_contents import GridFSContents
from store.files import FileRepository

SANDBOXES_PER_CPU = 2
"""So that one organization's code, which gets half of them, can use every processor."""

Activity = Callable[..., Any]


def sandbox_of_process() -> Sandbox:
    """Return the sandbox that everything in a worker shares; open it with ``async with``."""
    return Sandbox(max_processes=SANDBOXES_PER_CPU * (os.cpu_count() or 1))


@asynccontextmanager
async def task_activities(
    settings: Settings, mongo: Mongo, spans: Tracing, sandbox: Sandbox
) -> AsyncIterator[list[Activity]]:
    """Build the activities of task executors, and close what they share in the end."""
    async with (
        guarded_client(settings.allowed_private_hosts) as client,
        # The operator chose the endpoint of models, so it may be anywhere.
        guarded_client(["*"]) as model_client,
    ):
        traced(client, spans)
        traced(model_client, spans)
        data = DataActivities()
        files = StoredFiles(FileRepository(mongo.database), GridFSContents(mongo.database))
        documents = DocumentActivities(DocumentSource(client, files))
        models = ModelActivities(
            LanguageModels(model_client, model_endpoint(settings)), documents.doc_to_text
        )
        guard = EgressGuard.of(settings.allowed_private_hosts)
        yield [
            data.format_data,
            data.branch,
            data.validation,
            HttpActivities(client).http_request,
            WebhookActivities(client).webhook_notification,
            MailActivities(guard, _mail_server(settings)).send_email,
            documents.doc_to_text,
            documents.read_sheet,
            models.doc_to_structured,
            models.classify_document,
            models.classify_text,
            DatabaseActivities(guard, settings.sqlite_folder).external_db,
            CodeActivities(sandbox).python_code,
            WaitActivities().wait,
        ]


def _mail_server(settings: Settings) -> MailServer | None:
    """Return the platform's own mail server, if there is one."""
    if settings.smtp_host is None or settings.smtp_sender is None:
        return None
    password = settings.smtp_password
    return MailServer(
        host=settings.smtp_host,
        sender=settings.smtp_sender,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=None if password is None else password.get_secret_value(),
    )
