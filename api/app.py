"""Composition root of the API process: ``uvicorn --factory api.app:create_app``."""

import atexit
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from api.assembly import running_services
from api.boundary import Boundary
from api.draining import Draining, Farewell, drained_first, server_of
from api.errors import install_error_handlers
from api.intake import BodyLimit, InFlightLimit
from api.mounts import WorkflowMount
from api.observation import LateTracing, Observation
from api.openapi import TAGS, PerdureAPI
from api.query_token import QueryToken
from api.request_heads import bound_heads
from api.routes import (
    credentials,
    events,
    files,
    flow_executions,
    flow_versions,
    flow_words,
    flows,
    health,
    human_reviews,
    invitations,
    models,
    organizations,
    profile,
    service_accounts,
    task_data,
    task_executions,
    task_executors,
    task_outputs,
    task_tags,
    webhook_data,
    webhooks,
    worker_groups,
)
from api.routes.v1 import (
    global_variables,
    run_feedback,
    run_reruns,
    run_streams,
    super_nodes,
    workflow_catalogue,
    workflow_runs,
    workflow_versions,
    workflows,
)
from api.routing import templates_of, yaml_operations
from flows.errors import StartUpError
from runtime.extensions import load_extensions
from runtime.heap import settle_heap
from runtime.logs import configure_logs
from runtime.metrics import Metrics
from runtime.metrics_server import serving_metrics
from runtime.settings import Settings, load_settings
from runtime.shutdown import settle_interpreter
from runtime.tracing import tracing

# In the order in which they are asked; turns of conversations are the most frequent calls.
ROUTERS = (
    workflow_runs.of_workflows,
    flows.router,
    flow_versions.router,
    flow_words.router,
    invitations.router,
    flow_executions.router,
    events.router,
    task_executions.router,
    task_outputs.router,
    task_tags.router,
    task_executors.router,
    task_data.router,
    models.router,
    webhooks.router,
    webhook_data.router,
    human_reviews.router,
    credentials.router,
    worker_groups.router,
    organizations.router,
    profile.router,
    service_accounts.router,
    files.of_flows,
    files.router,
    files.contents,
    workflow_catalogue.router,
    workflow_catalogue.categories,
    super_nodes.of_workflows,
    super_nodes.router,
    workflows.router,
    workflow_versions.router,
    workflow_runs.router,
    run_feedback.router,
    run_reruns.router,
    run_streams.router,
    global_variables.router,
    health.router,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; it starts whether or not Temporal and MongoDB answer.

    Args:
        settings: None where the process is ours: then they are read from the environment, logs
            are configured, and a malformed value ends the process with one line.
    """
    chosen = settings or _settings_of_process()

    metrics = Metrics()
    spans = LateTracing()
    draining = Draining()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if settings is None:
                bound_heads(server_of(signal.getsignal(signal.SIGTERM)))
                stack.enter_context(drained_first(draining, chosen.api_drain))
            spans.current = await stack.enter_async_context(tracing("perdure-api"))
            if settings is None:
                host, port = chosen.metrics_host, chosen.api_metrics_port
                stack.enter_context(serving_metrics(metrics, host, port))
            running = running_services(chosen, metrics, spans.current)
            services = await stack.enter_async_context(running)
            draining.ends(services.notifications.stop)
            draining.ends(services.run_listening.stop)
            app.state.services = services
            if settings is None:
                settle_heap()
            yield

    app = PerdureAPI(
        title="Perdure",
        summary="Durable flows as a service.",
        version="0.1.0",
        openapi_tags=TAGS,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(events.sockets)
    app.include_router(run_streams.sockets)
    app.state.templates = templates_of(ROUTERS)
    app.yaml_operations = yaml_operations(ROUTERS)
    app.add_middleware(BodyLimit, patience=chosen.body_patience)
    app.add_middleware(InFlightLimit, limit=chosen.max_requests_in_flight)
    app.add_middleware(Boundary)
    app.add_middleware(Farewell, draining=draining)
    app.add_middleware(WorkflowMount)
    app.add_middleware(Observation, metrics=metrics, tracing=spans)
    app.add_middleware(QueryToken)
    return app


def _settings_of_process() -> Settings:
    try:
        settings = load_settings()
        load_extensions()
    except StartUpError as error:
        sys.exit(f"perdure: {error.message}")
    configure_logs(settings.log_format, settings.log_level)
    atexit.register(settle_interpreter)
    return settings
