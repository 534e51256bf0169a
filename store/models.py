"""What repositories take and return. None of it knows a document, a cursor or an ``_id``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from pydantic import JsonValue

T = TypeVar("T")


class ExecutionStatus(StrEnum):
    """Status of a flow execution, as the API shows it."""

    QUEUED = "queued"
    RUNNING = "running"
    IN_PROGRESS = "in_progress"
    AWAITING_INPUT = "awaiting_input"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    EDITED = "edited"
    STALE = "stale"
    DELETED = "deleted"


class ProcessingStatus(StrEnum):
    """Where one attempt, or a task as a whole, stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    DELETED = "deleted"
    AWAITING_INPUT = "awaiting_input"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"


class SlotState(StrEnum):
    """How an execution of an organization with a limit stands to its slot.

    The first two wait for one, in the order of the words: resumes go before fresh starts.
    """

    DEFERRED = "deferred"
    FRESH = "fresh"
    HELD = "held"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """A flow with one of its versions (the latest, unless asked otherwise)."""

    id: str
    organization_id: str
    created_at: datetime
    updated_at: datetime
    modified_by: str
    created_by: str
    display_name: str
    description: str | None
    visibility: JsonValue
    status: Literal["draft", "published"]
    settings: dict[str, JsonValue] | None
    tags: list[str]
    version: int
    is_latest: bool
    definition: dict[str, JsonValue]
    deleted: bool = False
    version_name: str | None = None
    is_favourite: bool = False
    version_created_at: datetime | None = None
    version_updated_at: datetime | None = None
    version_modified_by: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """A flow execution.

    Attributes:
        generation: 1 at creation, +1 on each re-execution.
        mode: ``full``, or ``stale`` when completed results may be reused.
        is_open: Whether the current generation has not settled yet; what the reconciler looks at.
        started_generation: The newest generation whose workflow is known to have been started.
        run_id: Temporal run of that workflow, once known.
        error: Why the current generation failed, with ``task_name``.
        modified_by: Who changed it last.
        slot: Where its organization limits how many run; None where nothing is counted.
        queued_at: Since when it waits for a slot.
        edit_count: How often a person changed a result of it, in all generations.
    """

    id: str
    organization_id: str
    flow_id: str
    flow_version: int
    status: ExecutionStatus
    input: dict[str, JsonValue]
    input_task_name: str
    run_number: int
    created_at: datetime
    updated_at: datetime
    modified_by: str
    generation: int = 1
    mode: Literal["full", "stale"] = "full"
    is_open: bool = True
    started_generation: int = 0
    started_at: datetime | None = None
    closed_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    run_id: str | None = None
    triggered_task_executor_name: str | None = None
    error: dict[str, JsonValue] | None = None
    deleted_at: datetime | None = None
    slot: SlotState | None = None
    queued_at: datetime | None = None
    edit_count: int = 0


@dataclass(frozen=True, slots=True)
class EngineWord:
    """What the engine says of a result that a person has changed since."""

    processing_status: ProcessingStatus
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class TaskExecutionRecord:
    """One attempt of a task, or of one item of an iteration.

    Attributes:
        item: Which item of an iteration, None for a task that runs once.
        attempt: Temporal's attempt, from 1.
        rank: How final it is: 0 queued, 1 running, 2 reported, 3 settled; never goes down.
        is_outside: Whether an outside worker says so, and not the workflow.
        engine: What stood there before a person changed it; None where nobody did.
    """

    id: str
    organization_id: str
    flow_id: str
    flow_execution_id: str
    task_name: str
    task_execution_idx: int
    generation: int
    item: int | None
    attempt: int
    processing_status: ProcessingStatus
    created_at: datetime
    updated_at: datetime
    modified_by: str = "system"
    edited_status: str = "not_edited"
    stale_status: str = "consistent"
    input: JsonValue = None
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None
    fingerprint: str = ""
    output_digest: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    source_task_executions: JsonValue = None
    rank: int = 0
    run_id: str | None = None
    is_outside: bool = False
    engine: EngineWord | None = None


@dataclass(frozen=True, slots=True)
class TaskOutputRecord:
    """What became of a task as a whole: its last attempt, or the list over an iteration's items.

    Attributes:
        is_outside: Whether outside workers say so, and not the workflow.
    """

    id: str
    organization_id: str
    flow_id: str
    flow_version: int
    flow_execution_id: str
    task_name: str
    processing_status: ProcessingStatus
    created_at: datetime
    updated_at: datetime
    modified_by: str = "system"
    edited_status: str = "not_edited"
    stale_status: str = "consistent"
    output: JsonValue = None
    summary: JsonValue = None
    error: dict[str, JsonValue] | None = None
    tags: list[str] | dict[str, JsonValue] | None = None
    item_count: int | None = None
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that somebody uploaded, or may upload still.

    Attributes:
        id: What callers name it by, the ``file_key``.
        content_type: None until somebody said one.
        content_id: Where its bytes are kept; None until they are.
        created_at: When it was stored; before that, when its upload was announced.
        upload_until: When the announced upload must have begun.
        sha256: Of its bytes, in hex.
    """

    id: str
    organization_id: str
    flow_id: str
    filename: str | None
    content_type: str | None
    created_at: datetime
    created_by: str
    upload_until: datetime
    content_id: str | None = None
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant.

    Attributes:
        settings: As its administrators left them; what they did not say is absent.
        execution_limit: How many executions may run at once; None for as many as there are.
    """

    id: str
    name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    modified_by: str
    tier: str
    settings: Mapping[str, JsonValue]
    execution_limit: int | None

    @property
    def is_limited(self) -> bool:
        """Return whether only so many executions may run at once."""
        return self.execution_limit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A machine identity of an organization.

    Attributes:
        is_active: Only then do its keys authenticate.
        role: What its keys allow.
    """

    id: str
    organization_id: str
    name: str
    description: str | None
    is_active: bool
    role: str
    created_at: datetime
    updated_at: datetime
    modified_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of a service account or of a person; the token itself is never kept.

    Attributes:
        user_id: Whose it is, if a person's; then there is no service account.
        token_prefix: The beginning of the token, by which people tell keys apart.
        last_used_at: To about a minute; None until it was used.
    """

    id: str
    organization_id: str
    user_id: str | None
    service_account_id: str | None
    name: str
    description: str | None
    token_prefix: str
    token_hash: bytes
    created_at: datetime
    updated_at: datetime
    modified_by: str
    last_used_at: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionQuery:
    """Filters of the execution list; repeated values mean OR, different filters AND."""

    flow_id: str
    statuses: tuple[ExecutionStatus, ...] = ()
    excluded_statuses: tuple[ExecutionStatus, ...] = ()
    tags: tuple[str, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    sort_field: Literal["created_at", "updated_at"] = "created_at"
    descending: bool = True
    start_from_execution_id: str | None = None
    page: int = 1
    page_size: int = 10


@dataclass(frozen=True, slots=True)
class FlowQuery:
    """Filters of the flow list.

    Attributes:
        only: Ids of the flows that may be shown at all; None for every flow.
    """

    search: str | None = None
    sort_field: Literal["created_at", "updated_at", "display_name"] = "created_at"
    descending: bool = True
    page: int = 1
    page_size: int = 20
    tag_filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_cleanable: bool = False
    created_by: str | None = None
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page and how many there are in all."""

    items: list[T] = field(default_factory=list)
    total: int = 0
