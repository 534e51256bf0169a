"""Interactive workflows as callers send and see them.

Source: docs/workflows-api.md.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, JsonValue, StrictBool
from pydantic_core import PydanticKnownError
from typing_extensions import TypedDict

from api.schemas.parameters import within_reach
from dialogs.diff import changes, entities
from flows.errors import InvalidError
from operations.workflows import NewWorkflow, graph_from
from store.models import Page
from store.workflows import GraphDocument, WorkflowRecord, WorkflowVersionRecord

OBJECT_ID = "^[0-9a-f]{24}$"

AnObjectId = Annotated[str, Path(pattern=OBJECT_ID)]
AVersionNumber = Annotated[int, Path(ge=0), AfterValidator(within_reach)]
PageNumber = Annotated[int, Query(ge=1, le=10_000)]
PageSize = Annotated[int, Query(ge=1, le=1_000)]


def a_number(value: object) -> object:
    """Refuse truth values and texts, which pydantic would read as numbers; 2.0 is 2 in JSON."""
    if isinstance(value, bool | str):
        raise PydanticKnownError("int_type")
    return value


Number = Annotated[int, Field(ge=0), BeforeValidator(a_number), AfterValidator(within_reach)]
Name = Annotated[str, Field(min_length=1, max_length=255)]

_GRAPH_KEYS = frozenset(
    {"workflow_config", "node_configs", "edge_configs", "dynamic_variables", "runtime_variables"}
)


class WorkflowCreateRequest(BaseModel):
    """A new workflow: by name, or with its whole graph beside it; what else is sent is ignored."""

    name: Name | None = None
    description: str | None = None
    config: GraphDocument | None = None
    workflow_config: GraphDocument | None = None
    node_configs: list[GraphDocument] | None = None
    edge_configs: list[GraphDocument] | None = None
    dynamic_variables: GraphDocument | None = None
    runtime_variables: GraphDocument | None = None

    def new(self) -> NewWorkflow:
        """Return what is to be created.

        Raises:
            InvalidError: It has no name, neither beside the graph nor in it.
        """
        sent: GraphDocument = self.model_dump(include=set(_GRAPH_KEYS), exclude_none=True)
        graph = graph_from(sent) if sent else graph_from(self.config or {"workflow_config": {}})
        config = graph["workflow_config"]
        within = config if isinstance(config, dict) else {}
        name = self.name or within.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidError("a workflow needs a name")
        description = self.description
        if description is None and isinstance(within.get("description"), str):
            description = str(within["description"])
        return NewWorkflow(name=name, description=description, graph=graph)


class WorkflowPatchRequest(BaseModel):
    """Changes: an absent key stays, a null clears."""

    name: Name | None = None
    description: str | None = None

    def changes(self) -> dict[str, str | int | None]:
        """Return what was sent."""
        sent: dict[str, str | int | None] = self.model_dump(include=self.model_fields_set)
        return sent


class ConcurrencyRequest(BaseModel):
    """How many runs may be open at once; null for any number."""

    max_concurrent_runs: Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(a_number)] | None


class CloneRequest(BaseModel):
    """What of a workflow is copied, and what the copy is called."""

    name: Name | None = None
    description: str | None = None
    clone_all_versions: StrictBool = True
    version_numbers_to_clone: list[Number] | None = None
    fallback_active_version: Number | None = None

    def chosen(self) -> set[int] | None:
        """Return the versions to copy; None for all."""
        return None if self.clone_all_versions else {*(self.version_numbers_to_clone or ())}

    def changes(self) -> dict[str, str | None]:
        """Return what was sent about the copy itself."""
        sent: dict[str, str | None] = self.model_dump(
            include=self.model_fields_set & {"name", "description"}
        )
        return sent


class VersionCreateRequest(BaseModel):
    """Which version is copied, what the copy is called, and whether it becomes active."""

    mark_as_active: StrictBool = False
    version_name: Name | None = None
    source_version_number: Number | None = None


class VersionRenameRequest(BaseModel):
    """What a version is called from now on."""

    version_name: Name


class VersionConfigRequest(BaseModel):
    """A whole graph, or a configuration that leaves nodes and edges as they are."""

    config: GraphDocument


class WorkflowView(TypedDict):
    """A workflow; ``workflow_config`` is a whole graph where that was asked for."""

    _id: str
    team_id: str
    created_by: str
    updated_by: str
    created_at: datetime
    updated_at: datetime
    active_version_number: int
    max_concurrent_runs: int | None
    workflow_config: GraphDocument


class WorkflowEnvelope(TypedDict):
    """A workflow, and where to talk to it."""

    workflow: WorkflowView
    execution_url: str


class WorkflowListResponse(TypedDict):
    """A page of workflows."""

    workflows: list[WorkflowView]
    total: int
    page: int
    size: int


class VersionView(TypedDict):
    """A version, with its graph as ``config``."""

    _id: str
    workflow_id: str
    version_number: int
    version_name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    team_id: str
    created_by: str
    workflow_config: JsonValue
    config: GraphDocument


class VersionEnvelope(TypedDict):
    """A version, and which one is active."""

    version: VersionView
    parent_active_version: int


class VersionListResponse(TypedDict):
    """Every version of a workflow."""

    versions: list[VersionView]


class ConcurrencyResponse(TypedDict):
    """How many runs may be open at once."""

    workflow_id: str
    max_concurrent_runs: int | None
    message: str


class VersionDiffResponse(TypedDict):
    """What is different between two versions; paths are dotted."""

    version1_number: int
    version1_name: str
    version2_number: int
    version2_name: str
    workflow_config_changes: list[JsonValue]
    nodes: list[JsonValue]
    edges: list[JsonValue]
    summary: dict[str, int]


def workflow_view(
    workflow: WorkflowRecord, graph: GraphDocument | None, *, hydrates: bool = False
) -> WorkflowView:
    """Return a workflow; its own name and description stand over those in its graph.

    Args:
        graph: Of the active version; None for a row of a list.
    """
    config = graph.get("workflow_config") if graph is not None else None
    own: GraphDocument = {
        "category": workflow.category,
        **(config if isinstance(config, dict) else {}),
        "name": workflow.name,
        "description": workflow.description,
    }
    return {
        "_id": workflow.id,
        "team_id": workflow.organization_id,
        "created_by": workflow.created_by,
        "updated_by": workflow.updated_by,
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
        "active_version_number": workflow.active_version,
        "max_concurrent_runs": workflow.max_concurrent_runs,
        "workflow_config": {**(graph or {}), "workflow_config": own} if hydrates else own,
    }


def workflow_envelope(
    found: tuple[WorkflowRecord, WorkflowVersionRecord], *, hydrates: bool = False
) -> WorkflowEnvelope:
    """Return a workflow as it is shown alone."""
    workflow, version = found
    return {
        "workflow": workflow_view(workflow, version.graph, hydrates=hydrates),
        "execution_url": f"/v1/workflows/{workflow.id}/execute",
    }


def workflow_list(found: Page[WorkflowRecord], page: int, size: int) -> WorkflowListResponse:
    """Return a page of workflows."""
    return {
        "workflows": [workflow_view(each, None) for each in found.items],
        "total": found.total,
        "page": page,
        "size": size,
    }


def version_view(workflow: WorkflowRecord, version: WorkflowVersionRecord) -> VersionView:
    """Return a version."""
    return {
        "_id": version.id,
        "workflow_id": version.workflow_id,
        "version_number": version.number,
        "version_name": version.name,
        "is_active": version.number == workflow.active_version,
        "created_at": version.created_at,
        "updated_at": version.updated_at,
        "team_id": version.organization_id,
        "created_by": version.created_by,
        "workflow_config": version.graph.get("workflow_config"),
        "config": version.graph,
    }


def version_envelope(found: tuple[WorkflowRecord, WorkflowVersionRecord]) -> VersionEnvelope:
    """Return a version as it is shown alone."""
    workflow, version = found
    return {
        "version": version_view(workflow, version),
        "parent_active_version": workflow.active_version,
    }


def version_list(
    workflow: WorkflowRecord, versions: Sequence[WorkflowVersionRecord]
) -> VersionListResponse:
    """Return every version."""
    return {"versions": [version_view(workflow, each) for each in versions]}


def version_diff(old: WorkflowVersionRecord, new: WorkflowVersionRecord) -> VersionDiffResponse:
    """Return what is different in the second version."""
    nodes = entities(old.graph, new.graph, "node_configs", "node_type")
    edges = entities(old.graph, new.graph, "edge_configs", "edge_type")
    configs = (old.graph.get("workflow_config"), new.graph.get("workflow_config"))
    config_changes: list[JsonValue] = [*changes(*configs)]
    return {
        "version1_number": old.number,
        "version1_name": old.name,
        "version2_number": new.number,
        "version2_name": new.name,
        "workflow_config_changes": config_changes,
        "nodes": nodes,
        "edges": edges,
        "summary": {
            "workflow_config_changes": len(config_changes),
            **_counts("nodes", nodes),
            **_counts("edges", edges),
        },
    }


def _counts(kind: str, found: Sequence[JsonValue]) -> dict[str, int]:
    states = [each["status"] for each in found if isinstance(each, dict)]
    return {f"{kind}_{state}": states.count(state) for state in ("added", "removed", "modified")}
