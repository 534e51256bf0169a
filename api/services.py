"""What one API process holds while it serves, and where routes find it."""

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import HTTPConnection

from api.auth import Authenticator
from api.readiness import OutsidePart
from operations.bundles import Bundles
from operations.carrying import Carrying
from operations.corrections import Corrections
from operations.credentials import Credentials
from operations.executions import Executions
from operations.files import Files
from operations.flow_words import FlowWords
from operations.flows import Flows
from operations.global_variables import GlobalVariables
from operations.interactive_runs import InteractiveRuns
from operations.invitations import Invitations
from operations.notifications import Notifications
from operations.organizations import Organizations
from operations.outside_workers import OutsideWorkers
from operations.planning import Planning
from operations.profiles import Profiles
from operations.reviews import Reviews
from operations.run_feedback import RunFeedback
from operations.run_listening import RunListening
from operations.run_reruns import RunReruns
from operations.service_accounts import ServiceAccounts
from operations.super_nodes import SuperNodes
from operations.task_tags import TaskTags
from operations.webhook_data import WebhookSubmissions
from operations.webhooks import Webhooks
from operations.worker_groups import WorkerGroups
from operations.workflow_catalogue import Catalogue
from operations.workflows import Workflows
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Built once, when the process starts.

    Attributes:
        carrying: Turns that go on though the socket is gone that asked for them.
        public_url: How the API is reached from outside; None where only requests can tell.
        mongodb: Without it nothing can be answered.
        models: Names of the language models that tasks may use; the first is the default.
        stream_check: How often a stream of events looks at its reader's credential again.
        temporal: Without it executions are recorded, and start later.
    """

    authenticator: Authenticator
    bundles: Bundles
    catalogue: Catalogue
    carrying: Carrying
    corrections: Corrections
    credentials: Credentials
    executions: Executions
    files: Files
    flow_words: FlowWords
    flows: Flows
    global_variables: GlobalVariables
    interactive_runs: InteractiveRuns
    invitations: Invitations
    organizations: Organizations
    planning: Planning
    profiles: Profiles
    reviews: Reviews
    service_accounts: ServiceAccounts
    super_nodes: SuperNodes
    notifications: Notifications
    run_feedback: RunFeedback
    run_listening: RunListening
    run_reruns: RunReruns
    webhooks: Webhooks
    worker_groups: WorkerGroups
    workflows: Workflows
    webhook_submissions: WebhookSubmissions
    task_executions: TaskExecutionRepository
    task_outputs: TaskOutputRepository
    task_tags: TaskTags
    outside_workers: OutsideWorkers
    public_url: str | None
    models: tuple[str, ...]
    stream_check: timedelta
    mongodb: OutsidePart
    temporal: OutsidePart


def services_of(request: HTTPConnection) -> Services:
    """Return the services of the process that serves this request, or this socket."""
    services: Services = request.app.state.services
    return services
