"""Task executions as callers see them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from api.schemas.parameters import AnIndex, AUuid
from api.schemas.statuses import StaleStatus, TaskExecutionEditedStatus, status_word
from api.schemas.task_tags import FlowTaskTagAPI, task_tag_views
from operations.corrections import Correction
from store.models import ProcessingStatus, TaskExecutionRecord
from store.task_tags import TaskTag


class TaskExecutionAPI(TypedDict):
    """One attempt of a task, or of one item of an iteration.

    ``status`` sums up ``processing_status`` and ``stale_status`` in one word.
    """

    id: AUuid
    flow_execution_id: AUuid
    task_execution_idx: int
    task_name: str
    created_at: datetime
    updated_at: datetime
    modified_by: str
    status: str
    processing_status: ProcessingStatus
    edited_status: TaskExecutionEditedStatus
    stale_status: StaleStatus
    input: JsonValue
    output: JsonValue
    error: JsonValue
    organization_id: AUuid
    source_task_executions: JsonValue
    started_at: datetime | None
    completed_at: datetime | None
    credits: int | None


class TaskExecutionWithTagsAPI(TaskExecutionAPI):
    """A task execution with the tags of its task."""

    tags: list[FlowTaskTagAPI]


class ListTaskExecutionsResponse(TypedDict):
    """Task executions, newest first."""

    task_executions: list[TaskExecutionWithTagsAPI]


class TaskExecutionUpdate(BaseModel):
    """A task execution as it was read, with another output; what else differs is not taken.

    Either ``processing_status`` or ``status`` must be there; the former counts.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("processing_status", "status")
            ]
        }
    )

    id: AUuid
    flow_execution_id: AUuid
    task_execution_idx: AnIndex
    task_name: str = Field(min_length=1, max_length=200)
    organization_id: AUuid | None = None
    processing_status: ProcessingStatus | None = None
    status: str | None = Field(default=None, max_length=50)
    output: JsonValue = Field(
        default=None, description="Must fit the task's output; left out, it stays as it is."
    )

    @model_validator(mode="after")
    def _says_a_status(self) -> Self:
        if self.processing_status is None and self.status is None:
            raise PydanticCustomError("missing", "processing_status or status is required")
        return self

    def correction(self) -> Correction:
        """Return what the caller wants changed."""
        status = self.status if self.processing_status is None else self.processing_status.value
        return Correction(
            id=self.id,
            flow_execution_id=self.flow_execution_id,
            task_name=self.task_name,
            task_execution_idx=self.task_execution_idx,
            organization_id=self.organization_id,
            status=status or "",
            output=self.output,
            has_output="output" in self.model_fields_set,
        )


def task_execution_view(record: TaskExecutionRecord) -> TaskExecutionAPI:
    """Return a task execution as it is shown."""
    return {
        "id": record.id,
        "flow_execution_id": record.flow_execution_id,
        "task_execution_idx": record.task_execution_idx,
        "task_name": record.task_name,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "modified_by": record.modified_by,
        "status": status_word(record.processing_status, record.stale_status),
        "processing_status": record.processing_status,
        "edited_status": TaskExecutionEditedStatus(record.edited_status),
        "stale_status": StaleStatus(record.stale_status),
        "input": record.input,
        "output": record.output,
        "error": record.error,
        "organization_id": record.organization_id,
        "source_task_executions": record.source_task_executions,
        "started_at": record.started_at,
        "completed_at": record.completed_at,
        "credits": None,
    }


def task_execution_list(
    records: Iterable[TaskExecutionRecord], tags: Mapping[tuple[str, str], Sequence[TaskTag]]
) -> ListTaskExecutionsResponse:
    """Return task executions with the tags of their tasks.

    Args:
        tags: By execution and task.
    """
    return {
        "task_executions": [
            {
                **task_execution_view(record),
                "tags": task_tag_views(tags.get((record.flow_execution_id, record.task_name), ())),
            }
            for record in records
        ]
    }
