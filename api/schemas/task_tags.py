"""Tags of tasks as callers send and see them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid
from store.task_tags import TagChange, TagOutcome, TaskTag

TaskName = Annotated[str, Field(min_length=1, max_length=200)]
Tag = Annotated[str, Field(min_length=1, max_length=200)]
TagType = Annotated[str, Field(min_length=1, max_length=100)]


class PatchFlowTaskTagsRequestItem(BaseModel):
    """One tag to add or to remove; with other metadata it is another tag."""

    operation: Literal["add", "remove"]
    flow_execution_id: AUuid
    task_name: TaskName
    tag: Tag
    tag_type: TagType
    tag_metadata: JsonValue = Field(default=None, description="Belongs to the tag's identity.")

    def change(self) -> TagChange:
        """Return what is to be done."""
        return TagChange(**self.model_dump())


class PatchFlowTaskTagsRequest(BaseModel):
    """Changes that are made in order, all of them or none."""

    tags: list[PatchFlowTaskTagsRequestItem] = Field(min_length=1, max_length=100)

    def changes(self) -> list[TagChange]:
        """Return what is to be done."""
        return [item.change() for item in self.tags]


class PatchFlowTaskTagsResponseItem(TypedDict):
    """What became of one change."""

    status: TagOutcome


class PatchFlowTaskTagsResponse(TypedDict):
    """What became of each change, in the order of the request."""

    tags: list[PatchFlowTaskTagsResponseItem]


class FlowTaskTagAPI(TypedDict):
    """A tag that a task of an execution has."""

    id: AUuid
    flow_execution_id: AUuid
    task_name: TaskName
    tag: Tag
    tag_type: TagType
    tag_metadata: JsonValue
    status: str | None
    created_at: datetime | None
    updated_at: datetime | None
    modified_by: str | None
    organization_id: AUuid


def outcomes_view(outcomes: Iterable[TagOutcome]) -> PatchFlowTaskTagsResponse:
    """Return what became of a batch."""
    return {"tags": [{"status": outcome} for outcome in outcomes]}


def task_tag_views(tags: Sequence[TaskTag]) -> list[FlowTaskTagAPI]:
    """Return tags as they are shown."""
    return [
        {
            "id": tag.id,
            "flow_execution_id": tag.flow_execution_id,
            "task_name": tag.task_name,
            "tag": tag.tag,
            "tag_type": tag.tag_type,
            "tag_metadata": tag.tag_metadata,
            "status": tag.status,
            "created_at": tag.created_at,
            "updated_at": tag.updated_at,
            "modified_by": tag.modified_by,
            "organization_id": tag.organization_id,
        }
        for tag in tags
    ]
