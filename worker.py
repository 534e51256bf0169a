"""Composition root of the worker process: ``python worker.py``."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.interceptor import ProjectionInterceptor
from activities.observation import ObservationInterceptor
from activities.secrets import opened
from composition.interactive import interactive_activities
from composition.mail import receiving_mail
from composition.outside_starts import outside_start_activities
from composition.records import promotion_of, record_activities
from composition.task_activities import sandbox_of_process, task_activities
from flows.errors import StartUpError, TemporalUnavailableError
from operations.open_watch import watch_open
from operations.reopening import Reopening
from operations.vault import Vault
from runtime.deployment import deployment_config
from runtime.extensions import load_extensions
from runtime.gateway import Gateway
from runtime.heap import settle_heap
from runtime.logs import configure_logs
from runtime.metrics import Metrics
from runtime.metrics_server import serving_metrics
from runtime.mongo import Mongo
from runtime.mongo_pool import PoolListener
from runtime.payload_encryption import codec_of
from runtime.readiness import free_port
from runtime.run_gateway import RunGateway
from runtime.settings import Settings, load_settings
from runtime.shutdown import run_until_signalled, unless_stopped
from runtime.temporal import connect, worker_runtime, workflow_runner
from runtime.tracing import Tracing, tracing
from runtime.waiting import once_available
from runtime.worker_stop import stopped
from store import schema
from store.adoption import Adoption
from store.open_executions import OpenExecutions
from store.projection import Projection
from workflows.flow_execution import FlowExecutionWorkflow
from workflows.interactive_run import InteractiveRunWorkflow
from workflows.iteration import IterationWorkflow
from workflows.outside_start import StartFlowExecutionWorkflow, StartInteractiveRunWorkflow
from workflows.reconciliation import MovingReconciliationWorkflow, ReconciliationWorkflow
from workflows.scheduled_start import MovingScheduledStartWorkflow, ScheduledStartWorkflow

WORKFLOWS: Sequence[type] = (
    FlowExecutionWorkflow,
    IterationWorkflow,
    ReconciliationWorkflow,
    ScheduledStartWorkflow,
    InteractiveRunWorkflow,
    StartFlowExecutionWorkflow,
    StartInteractiveRunWorkflow,
)
VERSIONED_WORKFLOWS: Sequence[type] = (
    FlowExecutionWorkflow,
    IterationWorkflow,
    MovingReconciliationWorkflow,
    MovingScheduledStartWorkflow,
    InteractiveRunWorkflow,
    StartFlowExecutionWorkflow,
    StartInteractiveRunWorkflow,
)

MAX_CACHED_WORKFLOWS = 2_000
MAX_CONCURRENT_ACTIVITIES = 200
HEARTBEAT_THROTTLE = timedelta(seconds=3)
"""Activities hear of a cancellation when they heartbeat; by default the SDK holds heartbeats back
for most of the heartbeat timeout."""

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
        run_gateway = RunGateway(client, settings.task_queue)
        reopening = Reopening(Adoption(mongo.database), gateway)
        freed = promotion_of(mongo, gateway).promote
        projection = Projection(mongo.database, reopening.adopt, freed)
        created = metrics.executions_created.inc
        sandbox = await stack.enter_async_context(sandbox_of_process())
        activities = [
            *record_activities(settings, mongo, gateway, run_gateway, projection, created),
            *outside_start_activities(settings, mongo, gateway, run_gateway, created),
            *await stack.enter_async_context(task_activities(settings, mongo, spans, sandbox)),
            *await stack.enter_async_context(
                interactive_activities(settings, mongo, spans, sandbox)
            ),
            *more_activities,
        ]
        open_secrets = partial(opened, Vault.over(mongo.database, settings.keys()))
        interceptor = ProjectionInterceptor(projection, open_secrets)
        worker = _worker(settings, client, interceptor, activities, metrics)
        watching = asyncio.create_task(watch_open(OpenExecutions(mongo.database), metrics))
        stack.callback(watching.cancel)
        await stack.enter_async_context(receiving_mail(settings, mongo, gateway, created))
        running = asyncio.create_task(worker.run())
        facts = {"task_queue": settings.task_queue, "build_id": settings.build_id}
        logger.info("working", extra=facts | {"pid": os.getpid()})
        try:
            await unless_stopped(stop, asyncio.shield(running))
        finally:
            logger.info("stopping")
            await stopped(worker, running, settings.shutdown_grace)
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


def main() -> None:
    """Run a worker until SIGTERM or SIGINT."""
    try:
        settings = load_settings()
        brought = [each.activity for each in load_extensions() if each.activity is not None]
    except StartUpError as error:
        sys.exit(f"perdure: {error.message}")
    configure_logs(settings.log_format, settings.log_level)
    settle_heap()
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
