"""Human reviews as callers send and see them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import AFlowId, AnExecutionId, AnIndex, AUuid, Limit, Offset
from flows.errors import InvalidError
from operations.reviews import NewReview
from store.models import Page
from store.people import Person
from store.review_models import Assignment, Review, ReviewQuery, ReviewStatus, ReviewTarget

MAX_ASKED = 1_000


class HumanReviewTargetTaskExecution(BaseModel):
    """What to look at: a task execution's output, or one item of a collection in it."""

    task_name: str
    task_execution_idx: AnIndex
    is_editable: bool = Field(default=False, description="Whether the reviewer may change it.")
    output_name: str | None = Field(default=None, description="The collection.")
    output_collection_idx: AnIndex | None = Field(
        default=None, description="The item in it, from 0; given together with `output_name`."
    )

    def target(self) -> ReviewTarget:
        """Return it as a target whose value is not known yet."""
        return ReviewTarget(**self.model_dump(), schema={})


class HumanReviewTaskCreateRequest(BaseModel):
    """A review, and who is asked."""

    flow_execution_id: AUuid
    target_task_executions: list[HumanReviewTargetTaskExecution] = Field(
        min_length=1, max_length=1_000
    )
    source_task_name: str
    source_task_execution_idx: AnIndex
    instructions: str | None = None
    human_messages: list[str] | None = None
    assigned_users: list[AUuid] = Field(default_factory=list, max_length=MAX_ASKED)
    assigned_worker_groups: list[AUuid] = Field(default_factory=list, max_length=MAX_ASKED)

    def new(self) -> NewReview:
        """Return what is asked for."""
        return NewReview(
            flow_execution_id=self.flow_execution_id,
            targets=[target.target() for target in self.target_task_executions],
            source_task_name=self.source_task_name,
            source_task_execution_idx=self.source_task_execution_idx,
            instructions=self.instructions,
            human_messages=self.human_messages,
            user_ids=self.assigned_users,
            group_ids=self.assigned_worker_groups,
        )


class HumanReviewTaskCompleteRequest(BaseModel):
    """What the reviewer decided."""

    review_result: bool
    reviewed_output: list[JsonValue] = Field(
        description="One entry for each target, in the same order."
    )


class HumanReviewTaskResponse(TypedDict):
    """A review."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    organization_id: AUuid
    flow_execution_id: AUuid
    target_task_executions: list[HumanReviewTargetTaskExecution]
    source_task_name: str
    source_task_execution_idx: int
    status: str
    instructions: str | None
    human_messages: list[str] | None
    review_result: bool | None
    reviewed_output: list[JsonValue] | None
    task_metadata: dict[str, JsonValue] | None
    completed_by: AUuid | None
    completed_at: datetime | None
    signal_sent: bool


class PaginatedHumanReviewTasksResponse(TypedDict):
    """Some of the caller's reviews, and how many there are."""

    items: list[HumanReviewTaskResponse]
    total_count: int
    offset: int
    limit: int


class app__api__user__user_api_model__UserResponse(TypedDict):
    """A person who is asked. Clients generate a type from this name."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    first_name: str
    last_name: str
    email: str
    role: str
    status: str
    organization_id: AUuid


class HumanReviewTaskAssignmentResponse(TypedDict):
    """Who is asked: a person, a group, or a person who claimed what a group was asked."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    human_review_task_id: AUuid
    user_id: AUuid | None
    worker_group_id: AUuid | None
    organization_id: AUuid
    status: str
    started_at: datetime | None
    user: app__api__user__user_api_model__UserResponse | None


async def _query(
    offset: Offset = 0,
    limit: Limit = 100,
    status: Annotated[
        str | None, Query(description="One or several, separated by commas: any of these.")
    ] = None,
    source_task_name: str | None = None,
    flow_execution_id: AnExecutionId | None = None,
    flow_id: AFlowId | None = None,
    tags: Annotated[list[str] | None, Query(description="Any of these, on the execution.")] = None,
    metadata: Annotated[
        str | None,
        Query(description='JSON, e.g. `[{"key": "customer", "values": ["ACME"]}]`; all must hold.'),
    ] = None,
    sort_field: Literal["created_at", "updated_at"] | None = None,
    sort_direction: Literal["asc", "desc"] | None = None,
) -> ReviewQuery:
    return ReviewQuery(
        statuses=_statuses(status),
        source_task_name=source_task_name,
        flow_execution_id=flow_execution_id,
        flow_id=flow_id,
        tags=tuple(tags or ()),
        metadata=_metadata(metadata),
        sort_field=sort_field or "created_at",
        descending=sort_direction != "asc",
        offset=offset,
        limit=limit,
    )


ReviewQueryDep = Annotated[ReviewQuery, Depends(_query)]


def _statuses(text: str | None) -> tuple[ReviewStatus, ...]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    known = {status.value: status for status in ReviewStatus}
    for word in words:
        if word not in known:
            raise InvalidError("status holds an unknown status", unknown=word)
    return tuple(known[word] for word in words)


def _metadata(text: str | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if text is None:
        return ()
    try:
        filters = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidError("metadata is not JSON") from error
    if not isinstance(filters, list):
        raise InvalidError("metadata is not a list")
    return tuple(_metadata_filter(position, each) for position, each in enumerate(filters))


def _metadata_filter(position: int, entry: JsonValue) -> tuple[str, tuple[str, ...]]:
    key = entry.get("key") if isinstance(entry, dict) else None
    values = entry.get("values") if isinstance(entry, dict) else None
    texts = [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
    if not isinstance(key, str) or not isinstance(values, list) or len(texts) != len(values):
        raise InvalidError(f"metadata.{position} needs a key, and values that are texts")
    for text in (key, *texts):
        if "\x00" in text or text.encode(errors="replace").decode() != text:
            raise InvalidError(f"metadata.{position} holds what is no text")
    return key, tuple(texts)


def review_view(review: Review) -> dict[str, object]:
    """Return a review as it is shown."""
    return {
        "id": review.id,
        "created_at": review.created_at,
        "updated_at": review.updated_at,
        "modified_by": review.modified_by,
        "organization_id": review.organization_id,
        "flow_execution_id": review.flow_execution_id,
        "target_task_executions": [
            {
                "task_name": target.task_name,
                "task_execution_idx": target.task_execution_idx,
                "is_editable": target.is_editable,
                "output_name": target.output_name,
                "output_collection_idx": target.output_collection_idx,
            }
            for target in review.targets
        ],
        "source_task_name": review.source_task_name,
        "source_task_execution_idx": review.source_task_execution_idx,
        "status": review.status.value,
        "instructions": review.instructions,
        "human_messages": review.human_messages,
        "review_result": review.review_result,
        "reviewed_output": review.reviewed_output,
        "task_metadata": {"flow_id": review.flow_id},
        "completed_by": review.completed_by,
        "completed_at": review.completed_at,
        "signal_sent": review.signal_sent,
    }


def review_page(page: Page[Review], query: ReviewQuery) -> dict[str, object]:
    """Return a page of reviews."""
    return {
        "items": [review_view(review) for review in page.items],
        "total_count": page.total,
        "offset": query.offset,
        "limit": query.limit,
    }


def assignment_views(
    assignments: Sequence[Assignment], people: Mapping[str, Person]
) -> list[dict[str, object]]:
    """Return assignments as they are shown; people of whom nothing is known are null."""
    return [
        {
            "id": each.id,
            "created_at": each.created_at,
            "updated_at": each.updated_at,
            "modified_by": each.modified_by,
            "human_review_task_id": each.review_id,
            "user_id": each.user_id,
            "worker_group_id": each.worker_group_id,
            "organization_id": each.organization_id,
            "status": each.status.value,
            "started_at": each.started_at,
            "user": _person(people.get(each.user_id or "")),
        }
        for each in assignments
    ]


def _person(person: Person | None) -> dict[str, object] | None:
    if person is None:
        return None
    return {
        "id": person.id,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
        "modified_by": person.modified_by,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "role": person.role,
        "status": "active",
        "organization_id": person.organization_id,
    }
