"""Worker groups as callers send and see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid, within_reach
from operations.worker_groups import GroupWithPeople
from store.models import Page
from store.people import Person
from store.worker_groups import Membership, WorkerGroup

Name = Annotated[str, Field(min_length=1, max_length=255)]
Offset = Annotated[int, Field(ge=0), AfterValidator(within_reach)]
Limit = Annotated[int, Field(ge=1, le=250)]


class WorkerGroupCreateRequest(BaseModel):
    """A new group."""

    name: Name
    description: str | None = None
    member_user_ids: list[AUuid] = Field(default_factory=list)


class WorkerGroupUpdateRequest(BaseModel):
    """Changes: an absent key stays, and so does a name that is null."""

    name: Name | None = None
    description: str | None = None

    def changes(self) -> dict[str, str | None]:
        """Return what was sent."""
        sent: dict[str, str | None] = self.model_dump(include=self.model_fields_set)
        return sent


class WorkerGroupMembersUpdateRequest(BaseModel):
    """Who joins and who leaves."""

    add_user_ids: list[AUuid] = Field(default_factory=list)
    remove_user_ids: list[AUuid] = Field(default_factory=list)


class UserSummary(TypedDict):
    """A person in short; what is not known of somebody is an empty text."""

    id: AUuid
    first_name: str
    last_name: str
    email: str
    role: str
    added_at: datetime | None


class WorkerGroupResponse(TypedDict):
    """A group."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    organization_id: AUuid
    name: str
    description: str | None
    member_count: int


class WorkerGroupDetailResponse(WorkerGroupResponse):
    """A group with its members, in the order in which they came."""

    members: list[UserSummary]


class WorkerGroupListResponse(TypedDict):
    """Some of the organization's groups by name, and how many it has."""

    items: list[WorkerGroupResponse]
    total: int


def group_view(group: WorkerGroup) -> WorkerGroupResponse:
    """Return a group as it is listed."""
    return {
        "id": group.id,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "modified_by": group.modified_by,
        "organization_id": group.organization_id,
        "name": group.name,
        "description": group.description,
        "member_count": len(group.members),
    }


def group_detail(found: GroupWithPeople) -> WorkerGroupDetailResponse:
    """Return a group as it is shown alone."""
    return {
        **group_view(found.group),
        "members": [_member(member, found.people) for member in found.group.members],
    }


def group_list(page: Page[WorkerGroup]) -> WorkerGroupListResponse:
    """Return a page of groups."""
    return {"items": [group_view(group) for group in page.items], "total": page.total}


def _member(member: Membership, people: Mapping[str, Person]) -> UserSummary:
    person = people.get(member.user_id)
    return {
        "id": member.user_id,
        "first_name": person.first_name if person else "",
        "last_name": person.last_name if person else "",
        "email": person.email if person else "",
        "role": person.role if person else "",
        "added_at": member.added_at,
    }
