"""Invitations: which workers see a flow."""

from fastapi import APIRouter, Response, status

from api.deps import CallerDep, InvitationsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.invitations import (
    FlowInvitationBulkResponse,
    FlowInvitationRequest,
    FlowInvitationResponse,
    FlowTeamInvitationBulkResponse,
    FlowTeamInvitationRequest,
    FlowTeamInvitationResponse,
    group_invitation_view,
    groups_invited_view,
    people_invited_view,
    person_invitation_view,
)
from api.schemas.parameters import AFlowId

router = APIRouter(prefix="/api/flows/{flow_id}", tags=["flows"], route_class=ProtectedRoute)


@router.put(
    "/invitations",
    summary="Invite people to a flow",
    response_model=FlowInvitationBulkResponse,
    responses=refusals(400, 403, 404, 413, 422),
)
async def upsert_flow_invitations(
    flow_id: AFlowId, body: FlowInvitationRequest, caller: CallerDep, invitations: InvitationsDep
) -> Response:
    """Let people see a flow if their role is worker; whoever is invited already stays so."""
    invited = await invitations.invite_people(caller, flow_id, body.user_ids)
    return reply(people_invited_view(invited))


@router.get(
    "/invitations",
    summary="List the people invited to a flow",
    response_model=list[FlowInvitationResponse],
    responses=refusals(403, 404, 422),
)
async def list_flow_invitations(
    flow_id: AFlowId, caller: CallerDep, invitations: InvitationsDep
) -> Response:
    """Return the people that are invited, in the order of their invitation."""
    found = await invitations.people(caller, flow_id)
    return reply([person_invitation_view(invitation, person) for invitation, person in found])


@router.delete(
    "/invitations",
    summary="Take invitations of people back",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(400, 403, 404, 413, 422),
)
async def delete_flow_invitations(
    flow_id: AFlowId, body: FlowInvitationRequest, caller: CallerDep, invitations: InvitationsDep
) -> None:
    """Hide a flow from people again, unless a group of theirs is invited."""
    await invitations.withdraw(caller, flow_id, "user", body.user_ids)


@router.put(
    "/team-invitations",
    summary="Invite worker groups to a flow",
    response_model=FlowTeamInvitationBulkResponse,
    responses=refusals(400, 403, 404, 413, 422),
)
async def upsert_flow_team_invitations(
    flow_id: AFlowId,
    body: FlowTeamInvitationRequest,
    caller: CallerDep,
    invitations: InvitationsDep,
) -> Response:
    """Let the workers in these groups see a flow, whoever belongs to them at the time."""
    invited = await invitations.invite_groups(caller, flow_id, body.worker_group_ids)
    return reply(groups_invited_view(invited))


@router.get(
    "/team-invitations",
    summary="List the worker groups invited to a flow",
    response_model=list[FlowTeamInvitationResponse],
    responses=refusals(403, 404, 422),
)
async def list_flow_team_invitations(
    flow_id: AFlowId, caller: CallerDep, invitations: InvitationsDep
) -> Response:
    """Return the worker groups that are invited, in the order of their invitation."""
    found = await invitations.groups(caller, flow_id)
    return reply([group_invitation_view(invitation, group) for invitation, group in found])


@router.delete(
    "/team-invitations",
    summary="Take invitations of worker groups back",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(400, 403, 404, 413, 422),
)
async def delete_flow_team_invitations(
    flow_id: AFlowId,
    body: FlowTeamInvitationRequest,
    caller: CallerDep,
    invitations: InvitationsDep,
) -> None:
    """Hide a flow from the workers in these groups again, unless they are invited otherwise."""
    await invitations.withdraw(caller, flow_id, "group", body.worker_group_ids)
