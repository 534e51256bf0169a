"""Task outputs, in full and in summary."""

from datetime import datetime

from pydantic import JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid, CountedFromOne
from api.schemas.statuses import StaleStatus, TaskOutputEditedStatus, status_word
from store.models import ProcessingStatus, TaskOutputRecord


class TaskOutputAPI(TypedDict):
    """What became of a task as a whole; of an iteration, the list over its items."""

    id: AUuid
    flow_execution_id: AUuid
    task_name: str
    summary: JsonValue
    output: JsonValue
    tags: list[str] | dict[str, JsonValue] | None
    status: str
    processing_status: ProcessingStatus
    edited_status: TaskOutputEditedStatus
    stale_status: StaleStatus
    error: dict[str, JsonValue] | None
    created_at: datetime
    updated_at: datetime
    modified_by: str
    flow_version: CountedFromOne | None
    organization_id: AUuid


class TaskSummaryResponse(TypedDict):
    """A task output without the output."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    flow_execution_id: AUuid
    task_name: str
    summary: JsonValue
    status: str
    processing_status: ProcessingStatus
    edited_status: TaskOutputEditedStatus
    stale_status: StaleStatus
    tags: list[str] | None
    flow_version: CountedFromOne | None


def task_output_view(record: TaskOutputRecord) -> TaskOutputAPI:
    """Return a task output as it is shown."""
    return {
        "id": record.id,
        "flow_execution_id": record.flow_execution_id,
        "task_name": record.task_name,
        "summary": record.summary,
        "output": record.output,
        "tags": record.tags,
        "status": status_word(record.processing_status, record.stale_status),
        "processing_status": record.processing_status,
        "edited_status": TaskOutputEditedStatus(record.edited_status),
        "stale_status": StaleStatus(record.stale_status),
        "error": record.error,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "modified_by": record.modified_by,
        "flow_version": record.flow_version,
        "organization_id": record.organization_id,
    }


def task_summary_view(record: TaskOutputRecord) -> TaskSummaryResponse:
    """Return a task output without its output."""
    return {
        "id": record.id,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "modified_by": record.modified_by,
        "flow_execution_id": record.flow_execution_id,
        "task_name": record.task_name,
        "summary": record.summary,
        "status": status_word(record.processing_status, record.stale_status),
        "processing_status": record.processing_status,
        "edited_status": TaskOutputEditedStatus(record.edited_status),
        "stale_status": StaleStatus(record.stale_status),
        "tags": record.tags if isinstance(record.tags, list) else None,
        "flow_version": record.flow_version,
    }
