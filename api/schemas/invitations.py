"""Invitations to flows as callers send and see them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid
from api.schemas.profiles import UserRole
from operations.invitations import Invited
from store.invitations import Invitation
from store.people import Person
from store.worker_groups import WorkerGroup

MAX_AT_ONCE = 1_000

Ids = Annotated[list[AUuid], Field(min_length=1, max_length=MAX_AT_ONCE)]


class FlowInvitationRequest(BaseModel):
    """People to invite, or whose invitations are taken back."""

    user_ids: Ids


class FlowTeamInvitationRequest(BaseModel):
    """Worker groups to invite, or whose invitations are taken back."""

    worker_group_ids: Ids


class FlowInvitationBulkResponse(TypedDict):
    """Who of the people that were named is invited now."""

    flow_id: AUuid
    invited_user_ids: list[AUuid]
    total_invitations: int
    skipped_user_ids: list[AUuid]
    message: str


class FlowTeamInvitationBulkResponse(TypedDict):
    """Which of the groups that were named are invited now."""

    flow_id: AUuid
    invited_worker_group_ids: list[AUuid]
    total_invitations: int
    skipped_worker_group_ids: list[AUuid]
    message: str


class FlowInvitationResponse(TypedDict):
    """An invited person; what is not known of somebody is an empty text."""

    flow_id: AUuid
    user_id: AUuid
    email: str
    first_name: str
    last_name: str
    role: UserRole
    organization_id: AUuid
    created_at: datetime
    updated_at: datetime


class FlowTeamInvitationResponse(TypedDict):
    """An invited worker group."""

    flow_id: AUuid
    worker_group_id: AUuid
    worker_group_name: str
    member_count: int
    organization_id: AUuid
    created_at: datetime
    updated_at: datetime


def people_invited_view(invited: Invited) -> FlowInvitationBulkResponse:
    """Return what became of inviting people."""
    return {
        "flow_id": invited.flow_id,
        "invited_user_ids": [*invited.ids],
        "total_invitations": invited.total,
        "skipped_user_ids": [*invited.skipped],
        "message": _message(invited, "people"),
    }


def groups_invited_view(invited: Invited) -> FlowTeamInvitationBulkResponse:
    """Return what became of inviting worker groups."""
    return {
        "flow_id": invited.flow_id,
        "invited_worker_group_ids": [*invited.ids],
        "total_invitations": invited.total,
        "skipped_worker_group_ids": [*invited.skipped],
        "message": _message(invited, "worker groups"),
    }


def person_invitation_view(invitation: Invitation, person: Person | None) -> FlowInvitationResponse:
    """Return a person's invitation; who is not known is taken for a worker."""
    return {
        "flow_id": invitation.flow_id,
        "user_id": invitation.invitee_id,
        "email": person.email if person else "",
        "first_name": person.first_name if person else "",
        "last_name": person.last_name if person else "",
        "role": UserRole(person.role) if person else UserRole.WORKER,
        "organization_id": invitation.organization_id,
        "created_at": invitation.created_at,
        "updated_at": invitation.updated_at,
    }


def group_invitation_view(invitation: Invitation, group: WorkerGroup) -> FlowTeamInvitationResponse:
    """Return a worker group's invitation."""
    return {
        "flow_id": invitation.flow_id,
        "worker_group_id": invitation.invitee_id,
        "worker_group_name": group.name,
        "member_count": len(group.members),
        "organization_id": invitation.organization_id,
        "created_at": invitation.created_at,
        "updated_at": invitation.updated_at,
    }


def _message(invited: Invited, whom: str) -> str:
    skipped = f", {len(invited.skipped)} skipped" if invited.skipped else ""
    return f"{whom} invited: {len(invited.ids)}{skipped}"
