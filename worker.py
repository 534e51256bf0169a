"""Composition root of the worker process: ``python worker.py``."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.code import CodeActivities
from activities.data import DataActivities
from activities.databases import DatabaseActivities
from activities.document_source import DocumentSource
from activities.documents import DocumentActivities
from activities.egress import EgressGuard, guarded_client
from activities.http import HttpActivities
from activities.interceptor import ProjectionInterceptor
from activities.language_models import LanguageModels, ModelEndpoint
from activities.mail import MailActivities, MailServer
from activities.model_tasks import ModelActivities
from activities.observation import ObservationInterceptor
from activities.reconciliation import ReconciliationActivities
from activities.records import RecordActivities
from activities.sandbox import Sandbox
from activities.schedules import ScheduleActivities
from activities.secrets import opened
from activities.stored_files import StoredFiles
from activities.waiting import WaitActivities
from activities.webhooks import WebhookActivities
from flows.errors import StartUpError, TemporalUnavailableError
from operations.aftermath import Aftermath
from operations.definitions import Definitions
from operations.executions import Executions
from operations.files import FileSweep
from operations.mail_intake import MailIntake
from operations.open_watch import watch_open
from operations.reconciliation import Reconciler
from operations.reopening import Reopening
from operations.schedules import ScheduledStarts, Schedules
from operations.sealing import Sealing
from operations.starting import Starter
from operations.triggers import Triggers
from operations.vault import Vault
from runtime.deployment import deployment_config
from runtime.extensions import load_extensions
from runtime.gateway import Gateway
from runtime.logs import configure_logs
from runtime.metrics import Metrics
from runtime.metrics_server import serving_metrics
from runtime.mongo import Mongo
from runtime.mongo_pool import PoolListener
from runtime.payload_encryption import codec_of
from runtime.readiness import free_port
from runtime.settings import Settings, load_settings
from runtime.shutdown import run_until_signalled, unless_stopped
from runtime.smtp_receiver import receiving_mail
from runtime.temporal import connect, worker_runtime, workflow_runner
from runtime.tracing import Tracing, traced, tracing
from runtime.waiting import once_available
from store import schema
from store.accounts import AccountRepository
from store.adoption import Adoption
from store.credentials import CredentialRepository
from store.executions import ExecutionRepository
from store.expiry import Expiry
from store.file_contents import GridFSContents
from store.files import FileRepository
from store.flows import FlowRepository
from store.mail_addresses import MailAddressRepository
from store.open_executions import OpenExecutions
from store.payloads import PayloadRepository
from store.projection import Projection
from store.schedules import ScheduleRepository
from store.task_executions import TaskExecutionRepository
from workflows.flow_execution import FlowExecutionWorkflow
from workflows.iteration import IterationWorkflow
from workflows.reconciliation import MovingReconciliationWorkflow, ReconciliationWorkflow
from workflows.scheduled_start import ScheduledStartWorkflow

WORKFLOWS: Sequence[type] = (
    FlowExecutionWorkflow,
    IterationWorkflow,
    ReconciliationWorkflow,
    ScheduledStartWorkflow,
)
VERSIONED_WORKFLOWS: Sequence[type] = (
    *(each for each in WORKFLOWS if each is not ReconciliationWorkflow),
    MovingReconciliationWorkflow,
)

MAX_CACHED_WORKFLOWS = 2_000
MAX_CONCURRENT_ACTIVITIES = 200
HEARTBEAT_THROTTLE = timedelta(seconds=3)
"""Activities hear of a cancellation when they heartbeat; by default the SDK holds heartbeats back
for most of the heartbeat timeout."""

SANDBOXES_PER_CPU = 2
"""So that one organization's code, which gets half of them, can use every processor."""

Activity = Callable[..., Any]

logger = logging.getLogger("worker")


async def serve(
    settings: Settings, stop: asyncio.Event, more_activities: Sequence[Activity] = ()
) -> None:
    """Work until told to stop; what runs then may finish within the grace period.

    Temporal and MongoDB may both be down at first: it waits for them, and says so.

    Args:
        more_activities: Of task executors that do not ship with the platform.
    """
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        spans = await stack.enter_async_context(tracing("perdure-worker"))
        mongo = Mongo(
            settings.mongodb_uri.get_secret_value(),
            settings.mongodb_database,
            listeners=[PoolListener(metrics)],
        )
        stack.callback(mongo.close)
        sdk_port = free_port()
        stack.enter_context(
            serving_metrics(
                metrics, settings.metrics_host, settings.metrics_port, sdk_port=sdk_port
            )
        )
        client = await unless_stopped(stop, _prepared(settings, mongo, sdk_port, spans))
        if client is None:
            return
        gateway = Gateway(client, settings.task_queue)
        reopening = Reopening(Adoption(mongo.database), gateway)
        projection = Projection(mongo.database, reopening.adopt)
        activities = [
            *_record_activities(settings, mongo, gateway, projection),
            *await stack.enter_async_context(_task_activities(settings, mongo, spans)),
            *more_activities,
        ]
        open_secrets = partial(opened, Vault.over(mongo.database, settings.keys()))
        interceptor = ProjectionInterceptor(projection, open_secrets)
        worker = _worker(settings, client, interceptor, activities, metrics)
        watching = asyncio.create_task(watch_open(OpenExecutions(mongo.database), metrics))
        stack.callback(watching.cancel)
        await stack.enter_async_context(_mail(settings, mongo, gateway))
        running = asyncio.ensure_future(worker.run())
        facts = {"task_queue": settings.task_queue, "build_id": settings.build_id}
        logger.info("working", extra=facts | {"pid": os.getpid()})
        try:
            await unless_stopped(stop, asyncio.shield(running))
        finally:
            logger.info("stopping")
            await worker.shutdown()
            await running
            await projection.drain()


async def _prepared(
    settings: Settings, mongo: Mongo, sdk_metrics_port: int, spans: Tracing
) -> Client:
    """Return a connected client, once MongoDB has its indexes and Temporal what we need there."""
    await once_available("MongoDB", lambda: schema.prepare(mongo.database))
    runtime = worker_runtime(sdk_metrics_port)

    async def connected() -> Client:
        try:
            return await connect(
                settings.temporal_address,
                settings.temporal_namespace,
                storage_driver=mongo.storage_driver(),
                codec=codec_of(settings),
                runtime=runtime,
                interceptors=spans.interceptors,
            )
        except RuntimeError as error:
            raise TemporalUnavailableError(f"Temporal does not answer: {error}") from error

    client = await once_available("Temporal", connected)
    gateway = Gateway(client, settings.task_queue)

    async def prepare() -> None:
        await gateway.ensure_search_attributes()
        await gateway.ensure_schedule(settings.reconcile_interval)

    await once_available("Temporal", prepare)
    return client


def _worker(
    settings: Settings,
    client: Client,
    interceptor: ProjectionInterceptor,
    activities: Sequence[Activity],
    metrics: Metrics,
) -> Worker:
    """Return the Temporal worker of workflows and activities, eager activities on."""
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS if settings.build_id is None else VERSIONED_WORKFLOWS,
        activities=activities,
        interceptors=[ObservationInterceptor(metrics), interceptor],
        workflow_runner=workflow_runner(sandboxed=settings.sandbox_workflows),
        max_cached_workflows=MAX_CACHED_WORKFLOWS,
        max_concurrent_activities=MAX_CONCURRENT_ACTIVITIES,
        max_concurrent_local_activities=MAX_CONCURRENT_ACTIVITIES,
        disable_eager_activity_execution=False,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=settings.shutdown_grace,
        deployment_config=deployment_config(settings.deployment_name, settings.build_id),
    )


def _record_activities(
    settings: Settings, mongo: Mongo, gateway: Gateway, projection: Projection
) -> list[Activity]:
    """Return the activities that keep the read model true."""
    executions = ExecutionRepository(mongo.database)
    flows, definitions = FlowRepository(mongo.database), Definitions()
    scheduled = ScheduleRepository(mongo.database)
    starter = Starter(
        flows=flows,
        executions=executions,
        task_executions=TaskExecutionRepository(mongo.database),
        gateway=gateway,
        definitions=definitions,
    )
    reconciler = Reconciler(
        executions=executions,
        starter=starter,
        gateway=gateway,
        aftermath=Aftermath(projection),
        expiry=Expiry(mongo.database),
        payloads=PayloadRepository(mongo.database),
        uploads=FileSweep(FileRepository(mongo.database), GridFSContents(mongo.database)),
        payload_retention=settings.payload_retention,
        schedules=Schedules(
            flows=flows, schedules=scheduled, gateway=gateway, definitions=definitions
        ),
    )
    triggers = Triggers(flows, AccountRepository(mongo.database), definitions)
    starts = ScheduledStarts(
        triggers=triggers,
        schedules=scheduled,
        executions=_executions(settings, mongo, gateway, definitions),
    )
    records = RecordActivities(projection)
    return [
        records.open_task,
        records.close_task,
        records.settle_tasks,
        records.settle_execution,
        ReconciliationActivities(reconciler).reconcile,
        ScheduleActivities(starts).fire_trigger,
    ]


def _executions(
    settings: Settings, mongo: Mongo, gateway: Gateway, definitions: Definitions
) -> Executions:
    """Return what creates executions on behalf of whatever fires triggers."""
    flows, executions = FlowRepository(mongo.database), ExecutionRepository(mongo.database)
    return Executions(
        sealing=Sealing(
            Vault.over(mongo.database, settings.keys()), CredentialRepository(mongo.database)
        ),
        flows=flows,
        executions=executions,
        starter=Starter(
            flows=flows,
            executions=executions,
            task_executions=TaskExecutionRepository(mongo.database),
            gateway=gateway,
            definitions=definitions,
        ),
        gateway=gateway,
        definitions=definitions,
    )


@asynccontextmanager
async def _mail(settings: Settings, mongo: Mongo, gateway: Gateway) -> AsyncIterator[None]:
    """Receive mail that starts flows, if this worker is to."""
    if settings.smtp_receive_host is None:
        yield
        return
    definitions = Definitions()
    intake = MailIntake(
        addresses=MailAddressRepository(mongo.database),
        triggers=Triggers(
            FlowRepository(mongo.database), AccountRepository(mongo.database), definitions
        ),
        executions=_executions(settings, mongo, gateway, definitions),
        files=FileRepository(mongo.database),
        contents=GridFSContents(mongo.database),
    )
    async with receiving_mail(
        intake,
        settings.smtp_receive_host,
        settings.smtp_receive_port,
        max_bytes=settings.smtp_receive_max_bytes,
    ):
        yield


@asynccontextmanager
async def _task_activities(
    settings: Settings, mongo: Mongo, spans: Tracing
) -> AsyncIterator[list[Activity]]:
    """Build the activities of task executors, and close what they share in the end."""
    async with (
        guarded_client(settings.allowed_private_hosts) as client,
        # The operator chose the endpoint of models, so it may be anywhere.
        guarded_client(["*"]) as model_client,
        Sandbox(max_processes=SANDBOXES_PER_CPU * (os.cpu_count() or 1)) as sandbox,
    ):
        traced(client, spans)
        traced(model_client, spans)
        data = DataActivities()
        files = StoredFiles(FileRepository(mongo.database), GridFSContents(mongo.database))
        documents = DocumentActivities(DocumentSource(client, files))
        models = ModelActivities(
            LanguageModels(model_client, _model_endpoint(settings)), documents.doc_to_text
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


def _model_endpoint(settings: Settings) -> ModelEndpoint | None:
    """Return where language models answer, if there are any."""
    if settings.llm_base_url is None:
        return None
    key = settings.llm_api_key
    return ModelEndpoint(
        base_url=settings.llm_base_url,
        models=settings.llm_models,
        api_key=None if key is None else key.get_secret_value(),
        headers=settings.headers_of_models(),
    )


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


def main() -> None:
    """Run a worker until SIGTERM or SIGINT."""
    try:
        settings = load_settings()
        brought = [each.activity for each in load_extensions() if each.activity is not None]
    except StartUpError as error:
        sys.exit(f"perdure: {error.message}")
    configure_logs(settings.log_format, settings.log_level)
    try:
        run_until_signalled(lambda stop: serve(settings, stop, brought))
    except StartUpError as error:
        logger.error("the worker cannot start", extra={"reason": error.message})
        sys.exit(1)
    except Exception:
        logger.exception("the worker failed")
        sys.exit(1)


if __name__ == "__main__":
    main()
