"""What an API process is put together from: clients, repositories and use cases.

The part of the composition root that outlives no request; ``api.app`` makes the application.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import httpx

from api.auth import Authenticator
from api.correcting import correcting_on
from api.readiness import OutsidePart
from api.reviewing import reviews_on
from api.services import Services
from api.tokens import FixedKey, KeySource, PublishedKeys, TokenVerifier
from api.waiting import webhook_submissions_on
from flows.errors import StoreUnavailableError
from operations.access import Guests
from operations.background import Background
from operations.bundles import Bundles
from operations.carrying import Carrying
from operations.credentials import Credentials
from operations.definitions import Definitions
from operations.executions import Executions
from operations.file_links import FileLinks
from operations.files import Files
from operations.flow_words import FlowWords
from operations.flows import Flows
from operations.global_variables import GlobalVariables
from operations.interactive_runs import InteractiveRuns
from operations.invitations import Invitations
from operations.key_uses import KeyUses
from operations.notifications import Notifications
from operations.organizations import Organizations
from operations.outside_workers import OutsideWorkers
from operations.pinned import PinnedDefinitions
from operations.profiles import Profiles
from operations.run_feedback import RunFeedback
from operations.run_listening import RunListening
from operations.run_reruns import RunReruns
from operations.runnable import RunnableWorkflows
from operations.schedules import Schedules
from operations.sealing import Sealing
from operations.service_accounts import ServiceAccounts
from operations.starting import Starter
from operations.stream_places import StreamPlaces
from operations.super_nodes import SuperNodes
from operations.task_tags import TaskTags
from operations.triggers import Triggers
from operations.vault import Vault
from operations.webhooks import Webhooks
from operations.worker_groups import WorkerGroups
from operations.workflow_catalogue import Catalogue
from operations.workflows import Workflows
from runtime.gateway import Gateway
from runtime.metrics import Metrics
from runtime.mongo import Mongo, MongoProbe, watching_mongo
from runtime.mongo_pool import PoolListener
from runtime.payload_encryption import codec_of
from runtime.run_gateway import RunGateway
from runtime.settings import Settings
from runtime.temporal import client_runtime, connect
from runtime.tracing import Tracing
from store import schema
from store.accounts import AccountRepository
from store.change_feed import ChangeFeed
from store.credentials import CredentialRepository
from store.executions import ExecutionRepository
from store.file_contents import GridFSContents
from store.files import FileRepository
from store.flows import FlowRepository
from store.global_variables import VariableRepository
from store.interactive_runs import RunRepository
from store.invitations import InvitationRepository
from store.organizations import OrganizationRepository
from store.people import PersonRepository
from store.posted_outputs import PostedOutputRepository
from store.rerun_tokens import RerunTokenRepository
from store.run_events import RunEventRepository
from store.run_feed import RunFeed
from store.run_feedback import FeedbackRepository
from store.schedules import ScheduleRepository
from store.service_accounts import ServiceAccountRepository
from store.tallies import Tallies
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository
from store.task_reports import TaskReportRepository
from store.task_statuses import TaskStatusRepository
from store.task_tags import TaskTagRepository
from store.worker_groups import WorkerGroupRepository
from store.workflow_catalogue import WorkflowCatalogue
from store.workflows import WorkflowRepository


@asynccontextmanager
async def running_services(
    settings: Settings, metrics: Metrics, tracing: Tracing
) -> AsyncIterator[Services]:
    """Build clients and everything on top of them, and close them in the end."""
    async with AsyncExitStack() as stack:
        mongo = Mongo(
            settings.mongodb_uri.get_secret_value(),
            settings.mongodb_database,
            listeners=[PoolListener(metrics)],
        )
        stack.callback(mongo.close)
        probe = MongoProbe(settings.mongodb_uri.get_secret_value())
        stack.push_async_callback(probe.close)
        http = await stack.enter_async_context(httpx.AsyncClient())
        client = await connect(
            settings.temporal_address,
            settings.temporal_namespace,
            storage_driver=mongo.storage_driver(),
            codec=codec_of(settings),
            runtime=client_runtime(),
            lazy=True,
            interceptors=tracing.interceptors,
        )
        gateway = Gateway(client, settings.task_queue)
        key_uses = KeyUses(ServiceAccountRepository(mongo.database))
        stack.push_async_callback(key_uses.close)
        background = Background()
        stack.push_async_callback(background.drain)
        carrying = Carrying()
        stack.push_async_callback(carrying.close)
        streams = await stack.enter_async_context(_streams(settings, mongo))
        services = _services(
            settings,
            mongo,
            probe,
            gateway,
            RunGateway(client, settings.task_queue),
            http,
            metrics,
            key_uses,
            background,
            carrying,
            *streams,
        )
        for part in (services.mongodb, services.temporal):
            part.start()
            stack.push_async_callback(part.stop)
        yield services


def _services(
    settings: Settings,
    mongo: Mongo,
    probe: MongoProbe,
    gateway: Gateway,
    runs: RunGateway,
    http: httpx.AsyncClient,
    metrics: Metrics,
    key_uses: KeyUses,
    background: Background,
    carrying: Carrying,
    notifications: Notifications,
    run_listening: RunListening,
) -> Services:
    flows_stored = FlowRepository(mongo.database)
    executions_stored = ExecutionRepository(mongo.database)
    task_executions_stored = TaskExecutionRepository(mongo.database)
    task_outputs_stored = TaskOutputRepository(mongo.database)
    definitions = Definitions()
    pinned = PinnedDefinitions(flows_stored, definitions)
    starter = Starter(
        flows=flows_stored,
        executions=executions_stored,
        task_executions=task_executions_stored,
        gateway=gateway,
        definitions=definitions,
        background=background,
    )
    accounts = AccountRepository(mongo.database)
    organizations_stored = OrganizationRepository(mongo.database)
    people = PersonRepository(mongo.database)
    groups = WorkerGroupRepository(mongo.database)
    invited = InvitationRepository(mongo.database)
    credentials_stored = CredentialRepository(mongo.database)
    vault = Vault.over(mongo.database, settings.keys())
    variables_stored = VariableRepository(mongo.database)
    sealing = Sealing(vault, credentials_stored)
    executions = Executions(
        flows=flows_stored,
        executions=executions_stored,
        starter=starter,
        gateway=gateway,
        definitions=definitions,
        created=metrics.executions_created.inc,
        max_queued=settings.max_queued_executions,
        sealing=sealing,
    )
    workflows = Workflows(WorkflowRepository(mongo.database), vault)
    catalogue = WorkflowCatalogue(mongo.database)
    runnable = RunnableWorkflows(
        workflows,
        WorkflowRepository(mongo.database),
        credentials_stored,
        variables_stored,
        has_default_model=settings.llm_base_url is not None,
    )
    runs_stored = RunRepository(mongo.database)
    corrections, planning = correcting_on(mongo, definitions, sealing, starter)
    return Services(
        authenticator=Authenticator(
            accounts, Guests(invited, groups), key_uses, _token_verifier(settings, http)
        ),
        carrying=carrying,
        corrections=corrections,
        planning=planning,
        credentials=Credentials(credentials_stored, vault),
        executions=executions,
        files=_files(settings, mongo, flows_stored),
        flow_words=FlowWords(flows_stored, Tallies(mongo.database)),
        flows=Flows(
            flows=flows_stored,
            task_outputs=task_outputs_stored,
            definitions=definitions,
            sealing=sealing,
            public_url=settings.public_url,
            task_queue=settings.task_queue,
            schedules=Schedules(
                flows=flows_stored,
                schedules=ScheduleRepository(mongo.database),
                gateway=gateway,
                definitions=definitions,
            ),
        ),
        invitations=Invitations(
            flows=flows_stored, invitations=invited, groups=groups, people=people
        ),
        organizations=Organizations(organizations_stored, starter.promotion),
        profiles=Profiles(people, organizations_stored),
        global_variables=GlobalVariables(variables_stored, vault),
        bundles=Bundles(workflows),
        catalogue=Catalogue(catalogue, workflows),
        super_nodes=SuperNodes(catalogue, workflows),
        workflows=workflows,
        interactive_runs=InteractiveRuns(runnable, runs_stored, runs),
        run_reruns=RunReruns(runs_stored, runnable, RerunTokenRepository(mongo.database), runs),
        run_feedback=RunFeedback(runs_stored, FeedbackRepository(mongo.database), people),
        worker_groups=WorkerGroups(groups, people, invited),
        service_accounts=ServiceAccounts(accounts, ServiceAccountRepository(mongo.database)),
        reviews=reviews_on(mongo, gateway, definitions, settings.review_timeout),
        webhook_submissions=webhook_submissions_on(mongo, gateway, definitions),
        notifications=notifications,
        run_listening=run_listening,
        webhooks=Webhooks(Triggers(flows_stored, accounts, definitions), executions, vault),
        task_executions=task_executions_stored,
        task_outputs=task_outputs_stored,
        task_tags=TaskTags(executions_stored, TaskTagRepository(mongo.database), pinned),
        outside_workers=OutsideWorkers(
            executions=executions_stored,
            pinned=pinned,
            reports=TaskReportRepository(mongo.database),
            statuses=TaskStatusRepository(mongo.database),
            posted=PostedOutputRepository(mongo.database),
            task_outputs=task_outputs_stored,
        ),
        public_url=settings.public_url,
        stream_check=settings.stream_check,
        models=settings.llm_models if settings.llm_base_url else (),
        mongodb=_mongodb(mongo, probe),
        temporal=_temporal(gateway, settings.reconcile_interval),
    )


@asynccontextmanager
async def _streams(
    settings: Settings, mongo: Mongo
) -> AsyncIterator[tuple[Notifications, RunListening]]:
    uri, database = settings.mongodb_uri.get_secret_value(), settings.mongodb_database
    async with watching_mongo(uri, database) as watched:
        places = StreamPlaces(
            max_streams=settings.max_streams,
            max_streams_of_organization=settings.max_streams_of_organization,
        )
        notifications = Notifications(FlowRepository(mongo.database), ChangeFeed(watched), places)
        listening = RunListening(
            RunRepository(mongo.database),
            RunEventRepository(mongo.database),
            RunFeed(watched),
            places,
        )
        try:
            yield notifications, listening
        finally:
            for streams in (notifications, listening):
                streams.stop()
                await streams.close()


def _files(settings: Settings, mongo: Mongo, flows_stored: FlowRepository) -> Files:
    secret = settings.jwt_secret
    return Files(
        flows=flows_stored,
        files=FileRepository(mongo.database),
        contents=GridFSContents(mongo.database),
        links=FileLinks.of(settings.keys(), secret.get_secret_value() if secret else None),
    )


def _mongodb(mongo: Mongo, probe: MongoProbe) -> OutsidePart:
    async def prepare() -> None:
        # One cheap question first: creating indexes takes many of the driver's threads at once.
        if not await probe.is_healthy():
            raise StoreUnavailableError("the store does not answer")
        await schema.prepare(mongo.database)

    return OutsidePart("MongoDB", prepare, probe.is_healthy)


def _temporal(gateway: Gateway, reconcile_every: timedelta) -> OutsidePart:
    async def prepare() -> None:
        await gateway.ensure_search_attributes()
        await gateway.ensure_schedule(reconcile_every)

    return OutsidePart("Temporal", prepare, gateway.is_healthy)


def _token_verifier(settings: Settings, http: httpx.AsyncClient) -> TokenVerifier | None:
    keys: KeySource
    if settings.jwt_jwks_url is not None:
        keys = PublishedKeys(settings.jwt_jwks_url, http)
    elif settings.jwt_secret is not None:
        keys = FixedKey(settings.jwt_secret.get_secret_value())
    else:
        return None
    return TokenVerifier(keys=keys, audience=settings.jwt_audience, issuer=settings.jwt_issuer)
