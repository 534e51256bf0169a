"""What outside workers send about tasks, and what they get back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from api.schemas.parameters import AnIndex, AnInstant, AUuid
from api.schemas.statuses import StaleStatus, TaskOutputEditedStatus
from flows.errors import InvalidError
from store.models import ProcessingStatus
from store.posted_outputs import PostedOutput
from store.reported_tasks import TaskStatusRecord
from store.task_reports import TaskReport

_TWO_WORDS = "processing_status and status say different things"


class CreateTaskExecutionRequest(BaseModel):
    """What a worker says about one attempt of a task, or about one item.

    ``processing_status`` may be sent as ``status`` instead.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("processing_status", "status")
            ]
        }
    )

    flow_execution_id: AUuid
    task_name: str = Field(min_length=1, max_length=200)
    task_execution_idx: AnIndex
    processing_status: str | None = Field(
        default=None, description="Any processing status but `deleted`."
    )
    status: str | None = Field(default=None, description="The same under its older name.")
    input: JsonValue = None
    output: JsonValue = Field(default=None, description="Kept if the status is `completed`.")
    error: JsonValue = Field(default=None, description="Kept if the status is `failed`.")
    source_task_executions: JsonValue = None
    started_at: AnInstant | None = None
    completed_at: AnInstant | None = None
    terminal_task_status: Literal["completed", "failed"] | None = Field(
        default=None, description="Sent with the last report of a task: how it ended as a whole."
    )
    generation: Annotated[int, Field(ge=1, le=2**31)] | None = Field(
        default=None,
        description="Which run of the execution this is about; refused once there is a newer one.",
    )

    @model_validator(mode="after")
    def _has_status(self) -> Self:
        if self.processing_status is None and self.status is None:
            raise PydanticCustomError("missing", "processing_status or status is required")
        return self

    def report(self) -> TaskReport:
        """Return what is reported.

        Raises:
            InvalidError: Two statuses that differ, or a word that is none.
        """
        if None not in (self.processing_status, self.status) and (
            self.processing_status != self.status
        ):
            raise InvalidError(_TWO_WORDS)
        word = self.processing_status if self.processing_status is not None else self.status
        try:
            status = ProcessingStatus(word or "")
        except ValueError as error:
            raise InvalidError("no such processing status", status=word) from error
        ended = self.terminal_task_status
        return TaskReport(
            flow_execution_id=self.flow_execution_id,
            task_name=self.task_name,
            task_execution_idx=self.task_execution_idx,
            status=status,
            told=frozenset(self.model_fields_set),
            may_iterate=False,
            input=self.input,
            output=self.output,
            error=_error(self.error),
            source_task_executions=self.source_task_executions,
            started_at=self.started_at,
            completed_at=self.completed_at,
            ends_task=None if ended is None else ProcessingStatus(ended),
            generation=self.generation,
        )


class AddTaskStatusRequestItem(BaseModel):
    """A word on a task; any word, null means queued."""

    task_name: str = Field(min_length=1, max_length=255)
    status: Annotated[str, Field(max_length=50)] | None = None


class AddTaskStatusRequest(BaseModel):
    """Words on tasks, applied in order."""

    statuses: list[AddTaskStatusRequestItem] = Field(min_length=1, max_length=100)

    def words(self) -> list[tuple[str, str | None]]:
        """Return task names, each with a word."""
        return [(item.task_name, item.status) for item in self.statuses]


class FlowTaskStatusAPI(TypedDict):
    """A row of the history of a task's status; ``status`` is what the word comes closest to."""

    id: AUuid
    flow_execution_id: AUuid
    task_name: str
    status: ProcessingStatus
    created_at: datetime | None
    organization_id: AUuid


class TaskOutput(BaseModel):
    """What a worker says of a task as a whole.

    The id follows from execution and task, and the times are the server's own.
    """

    flow_execution_id: AUuid
    task_name: str
    summary: JsonValue
    organization_id: AUuid
    id: AUuid | None = None
    output: JsonValue = None
    tags: JsonValue = Field(default=None, description="A list of texts, or an object.")
    processing_status: ProcessingStatus = ProcessingStatus.QUEUED
    edited_status: TaskOutputEditedStatus = TaskOutputEditedStatus.NOT_EDITED
    stale_status: StaleStatus = StaleStatus.CONSISTENT
    error: JsonValue = None
    created_at: AnInstant | None = None
    updated_at: AnInstant | None = None
    modified_by: str | None = None

    def posted(self) -> PostedOutput:
        """Return what is said.

        Raises:
            InvalidError: Tags that are neither texts nor an object, or the status ``deleted``.
        """
        if self.processing_status is ProcessingStatus.DELETED:
            raise InvalidError("a task output cannot be posted as deleted")
        return PostedOutput(
            flow_execution_id=self.flow_execution_id,
            task_name=self.task_name,
            summary=self.summary,
            output=self.output,
            tags=_tags(self.tags),
            error=_error(self.error),
            processing_status=self.processing_status,
            edited_status=self.edited_status.value,
            stale_status=self.stale_status.value,
        )


def task_status_views(records: Iterable[TaskStatusRecord]) -> list[FlowTaskStatusAPI]:
    """Return rows of the history as they are shown."""
    return [
        {
            "id": record.id,
            "flow_execution_id": record.flow_execution_id,
            "task_name": record.task_name,
            "status": record.status,
            "created_at": record.created_at,
            "organization_id": record.organization_id,
        }
        for record in records
    ]


def _error(error: JsonValue) -> dict[str, JsonValue] | None:
    """Return an error as an object; a bare text is its message."""
    if error is None or isinstance(error, dict):
        return error
    return {"message": error if isinstance(error, str) else str(error)}


def _tags(tags: JsonValue) -> JsonValue:
    if tags is None or isinstance(tags, dict):
        return tags
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        return tags
    raise InvalidError("tags are a list of texts, or an object")
