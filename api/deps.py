"""What routes ask for, as annotated aliases; all of it is filled when the process starts."""

import re
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import Headers

from api.services import services_of
from flows.errors import ForbiddenError, InvalidError
from operations.bundles import Bundles
from operations.caller import Caller
from operations.corrections import Corrections
from operations.credentials import Credentials
from operations.executions import Executions
from operations.files import Files
from operations.flow_words import FlowWords
from operations.flows import Flows
from operations.global_variables import GlobalVariables
from operations.interactive_runs import InteractiveRuns
from operations.invitations import Invitations
from operations.organizations import Organizations
from operations.outside_workers import OutsideWorkers
from operations.planning import Planning
from operations.profiles import Profiles
from operations.reviews import Reviews
from operations.run_feedback import RunFeedback
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

_USER_ID = re.compile(r"[A-Za-z0-9_.@+-]{1,128}")


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _team_caller(request: Request) -> Caller:
    """Return the caller, unless they say that they act for another team than their own."""
    caller: Caller = request.state.caller
    ensure_own_team(caller, request.headers)
    return acting(caller, request.headers)


def acting(caller: Caller, headers: Headers) -> Caller:
    """Return the caller as whom they act for; what may be done stays what the key allows.

    Raises:
        InvalidError: That is no id of a user.
    """
    user_id = headers.get("uuid")
    if not user_id or caller.kind != "service_account":
        return caller
    if not _USER_ID.fullmatch(user_id):
        raise InvalidError("the header uuid is no id of a user")
    return replace(caller, user_id=user_id)


def ensure_own_team(caller: Caller, headers: Headers) -> None:
    """Refuse whoever says that they act for another team than their own.

    Raises:
        ForbiddenError: They do.
    """
    if headers.get("teamid", caller.organization_id) != caller.organization_id:
        raise ForbiddenError("the team is not the caller's")


async def _executions(request: Request) -> Executions:
    return services_of(request).executions


async def _corrections(request: Request) -> Corrections:
    return services_of(request).corrections


async def _planning(request: Request) -> Planning:
    return services_of(request).planning


async def _credentials(request: Request) -> Credentials:
    return services_of(request).credentials


async def _files(request: Request) -> Files:
    return services_of(request).files


async def _flows(request: Request) -> Flows:
    return services_of(request).flows


async def _invitations(request: Request) -> Invitations:
    return services_of(request).invitations


async def _organizations(request: Request) -> Organizations:
    return services_of(request).organizations


async def _profiles(request: Request) -> Profiles:
    return services_of(request).profiles


async def _worker_groups(request: Request) -> WorkerGroups:
    return services_of(request).worker_groups


async def _reviews(request: Request) -> Reviews:
    return services_of(request).reviews


async def _global_variables(request: Request) -> GlobalVariables:
    return services_of(request).global_variables


async def _interactive_runs(request: Request) -> InteractiveRuns:
    return services_of(request).interactive_runs


async def _run_feedback(request: Request) -> RunFeedback:
    return services_of(request).run_feedback


async def _run_reruns(request: Request) -> RunReruns:
    return services_of(request).run_reruns


async def _bundles(request: Request) -> Bundles:
    return services_of(request).bundles


async def _catalogue(request: Request) -> Catalogue:
    return services_of(request).catalogue


async def _super_nodes(request: Request) -> SuperNodes:
    return services_of(request).super_nodes


async def _workflows(request: Request) -> Workflows:
    return services_of(request).workflows


async def _service_accounts(request: Request) -> ServiceAccounts:
    return services_of(request).service_accounts


async def _flow_words(request: Request) -> FlowWords:
    return services_of(request).flow_words


async def _outside_workers(request: Request) -> OutsideWorkers:
    return services_of(request).outside_workers


async def _task_tags(request: Request) -> TaskTags:
    return services_of(request).task_tags


async def _webhooks(request: Request) -> Webhooks:
    return services_of(request).webhooks


async def _webhook_submissions(request: Request) -> WebhookSubmissions:
    return services_of(request).webhook_submissions


async def _task_executions(request: Request) -> TaskExecutionRepository:
    return services_of(request).task_executions


async def _task_outputs(request: Request) -> TaskOutputRepository:
    return services_of(request).task_outputs


CallerDep = Annotated[Caller, Depends(_caller)]
CorrectionsDep = Annotated[Corrections, Depends(_corrections)]
TeamCallerDep = Annotated[Caller, Depends(_team_caller)]
CredentialsDep = Annotated[Credentials, Depends(_credentials)]
ExecutionsDep = Annotated[Executions, Depends(_executions)]
FilesDep = Annotated[Files, Depends(_files)]
FlowWordsDep = Annotated[FlowWords, Depends(_flow_words)]
FlowsDep = Annotated[Flows, Depends(_flows)]
InvitationsDep = Annotated[Invitations, Depends(_invitations)]
OrganizationsDep = Annotated[Organizations, Depends(_organizations)]
PlanningDep = Annotated[Planning, Depends(_planning)]
ProfilesDep = Annotated[Profiles, Depends(_profiles)]
GlobalVariablesDep = Annotated[GlobalVariables, Depends(_global_variables)]
InteractiveRunsDep = Annotated[InteractiveRuns, Depends(_interactive_runs)]
RunRerunsDep = Annotated[RunReruns, Depends(_run_reruns)]
RunFeedbackDep = Annotated[RunFeedback, Depends(_run_feedback)]
BundlesDep = Annotated[Bundles, Depends(_bundles)]
CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]
SuperNodesDep = Annotated[SuperNodes, Depends(_super_nodes)]
WorkflowsDep = Annotated[Workflows, Depends(_workflows)]
WorkerGroupsDep = Annotated[WorkerGroups, Depends(_worker_groups)]
ReviewsDep = Annotated[Reviews, Depends(_reviews)]
ServiceAccountsDep = Annotated[ServiceAccounts, Depends(_service_accounts)]
TaskExecutionsDep = Annotated[TaskExecutionRepository, Depends(_task_executions)]
TaskOutputsDep = Annotated[TaskOutputRepository, Depends(_task_outputs)]
OutsideWorkersDep = Annotated[OutsideWorkers, Depends(_outside_workers)]
TaskTagsDep = Annotated[TaskTags, Depends(_task_tags)]
WebhooksDep = Annotated[Webhooks, Depends(_webhooks)]
WebhookSubmissionsDep = Annotated[WebhookSubmissions, Depends(_webhook_submissions)]
