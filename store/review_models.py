"""What the store of human reviews takes and returns.

Source: docs/human-review.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue


class ReviewStatus(StrEnum):
    """Where a review stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class AssignmentStatus(StrEnum):
    """Where one person, or one group, stands with a review."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTarget:
    """One thing to look at: a task execution's output, or one item of a collection in it.

    Attributes:
        output_name: The collection; None, like the index, for the whole output.
        value: What the reviewer is asked about, as it was when the review was created.
        schema: JSON Schema of the value, for what the reviewer makes of it; empty for anything.
    """

    task_name: str
    task_execution_idx: int
    is_editable: bool = False
    output_name: str | None = None
    output_collection_idx: int | None = None
    value: JsonValue = None
    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A human review task.

    Attributes:
        generation: Of the execution, when it was created.
        is_awaited: Whether a task of the flow waits for it; one that was posted is only kept.
        is_withdrawn: Whether its execution ended, or stopped, before anybody completed it.
        signal_sent: Whether the waiting task was told, as far as there is something to tell.
    """

    id: str
    organization_id: str
    flow_id: str
    flow_execution_id: str
    generation: int
    source_task_name: str
    source_task_execution_idx: int
    targets: Sequence[ReviewTarget]
    instructions: str | None
    human_messages: Sequence[str] | None
    created_at: datetime
    updated_at: datetime
    modified_by: str
    is_awaited: bool = False
    is_withdrawn: bool = False
    status: ReviewStatus = ReviewStatus.PENDING
    review_result: bool | None = None
    reviewed_output: Sequence[JsonValue] | None = None
    completed_by: str | None = None
    completed_at: datetime | None = None
    signal_sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who is asked: a person, a group, or a person who claimed what a group was asked."""

    id: str
    organization_id: str
    review_id: str
    user_id: str | None
    worker_group_id: str | None
    status: AssignmentStatus
    started_at: datetime | None
    created_at: datetime
    updated_at: datetime
    modified_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """A person, with the groups that they belong to."""

    user_id: str
    group_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQuery:
    """Filters of the list of reviews; different filters mean AND.

    Attributes:
        statuses: Any of these.
        tags: Any of these words, on the execution.
        metadata: Run metadata: each key must have one of its values.
    """

    statuses: tuple[ReviewStatus, ...] = ()
    source_task_name: str | None = None
    flow_execution_id: str | None = None
    flow_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, tuple[str, ...]], ...] = ()
    sort_field: Literal["created_at", "updated_at"] = "created_at"
    descending: bool = True
    offset: int = 0
    limit: int = 100
