"""Workflows that stand for a node of others, as callers send and see them.

Source: docs/workflows-api.md, "Super nodes".
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StrictBool
from typing_extensions import TypedDict

from api.schemas.workflows import Number, a_number
from dialogs.snapshots import SnapshotStatus, SuperNode
from flows.errors import InvalidGraphError
from operations.super_nodes import Embedding, Interface, Published

MAX_FIELDS = 200
CATEGORY = "Invalid super node interface"

ValueType = Literal["string", "integer", "number", "boolean", "object", "array", "enum", "any"]
TargetType = Literal[
    "node_config_field",
    "edge_config_field",
    "workflow_config_field",
    "dynamic_variable",
    "runtime_variable",
]
Measure = Annotated[float, BeforeValidator(a_number)]
_JSON_TYPES = ("string", "integer", "number", "boolean", "object", "array")


class InputMapping(BaseModel):
    """Where the value of an input goes."""

    model_config = ConfigDict(extra="allow")

    target_type: TargetType
    target_node_or_edge_logical_id: str | None = None
    target_field_path: str | None = None
    target_variable_name: str | None = None


class InputField(BaseModel):
    """One input of a workflow that is embedded."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(min_length=1, max_length=255)]
    required: StrictBool | None = None
    default_value: JsonValue = None
    value_type: ValueType | None = None
    enum_values: list[JsonValue] | None = None
    min_value: Measure | None = None
    max_value: Measure | None = None
    min_length: Number | None = None
    max_length: Number | None = None
    mappings: list[InputMapping] | None = None


class SuperNodeInterface(BaseModel):
    """What a workflow asks of whoever embeds it."""

    model_config = ConfigDict(extra="allow")

    input_fields: Annotated[list[InputField], Field(max_length=MAX_FIELDS)] = Field(
        default_factory=list
    )


class SuperNodeInterfaceRequest(BaseModel):
    """The interface that a workflow offers from now on."""

    interface: SuperNodeInterface

    def sent(self) -> Interface:
        """Return it as it was sent.

        Raises:
            InvalidGraphError: Two inputs have one name.
        """
        names = Counter(field.name for field in self.interface.input_fields)
        twice = next((name for name, count in names.items() if count > 1), None)
        if twice is not None:
            raise InvalidGraphError(CATEGORY, f"the input '{twice}' is named twice")
        found: Interface = self.interface.model_dump(mode="json", exclude_unset=True)
        return {"input_fields": [], **found}


class InterfaceResponse(TypedDict):
    """What a workflow offers now."""

    workflow_id: str
    workflow_version_number: int
    message: str
    num_input_fields: int


class EmbeddingView(TypedDict):
    """A version of a workflow that embeds another."""

    workflow_id: str
    name: str
    workflow_version_number: int


class InterfaceWithdrawnResponse(TypedDict):
    """What a workflow offers now, and who embeds it still."""

    workflow_id: str
    workflow_version_number: int
    message: str
    num_input_fields: int
    workflows_referencing: list[EmbeddingView]


class DependentsResponse(TypedDict):
    """Every version that embeds a workflow."""

    workflow_id: str
    workflows_referencing: list[EmbeddingView]


class ExpandedResponse(TypedDict):
    """A version as a run takes it."""

    workflow_id: str
    workflow_version_number: int
    config: dict[str, JsonValue]


class SnapshotView(TypedDict):
    """A super node, and how the graph that it carries stands to the one that it names."""

    logical_id: str
    name: str | None
    super_workflow_id: str | None
    super_workflow_version_number: int | None
    status: SnapshotStatus


class SnapshotsResponse(TypedDict):
    """The super nodes of a version."""

    workflow_id: str
    workflow_version_number: int
    super_nodes: list[SnapshotView]


class SuperNodeView(TypedDict):
    """A workflow that offers an interface."""

    workflow_id: str
    workflow_version_number: int
    name: str
    description: str | None
    interface: dict[str, JsonValue]


def embeddings(found: Sequence[Embedding]) -> list[EmbeddingView]:
    """Return who embeds a workflow."""
    return [
        {
            "workflow_id": each.workflow_id,
            "name": each.name,
            "workflow_version_number": each.version_number,
        }
        for each in found
    ]


def snapshot_views(found: Sequence[tuple[SuperNode, SnapshotStatus]]) -> list[SnapshotView]:
    """Return how super nodes stand to what they name."""
    return [
        {
            "logical_id": each.logical_id,
            "name": each.name,
            "super_workflow_id": each.workflow_id,
            "super_workflow_version_number": each.version_number,
            "status": status,
        }
        for each, status in found
    ]


def super_node_view(found: Published) -> SuperNodeView:
    """Return a workflow that offers an interface."""
    return {
        "workflow_id": found.workflow_id,
        "workflow_version_number": found.version_number,
        "name": found.name,
        "description": found.description,
        "interface": found.interface,
    }


def values_schema(found: Published) -> dict[str, JsonValue]:
    """Return a JSON Schema of the values that an interface asks for."""
    fields = found.interface.get("input_fields")
    known = [each for each in fields if isinstance(each, dict)] if isinstance(fields, list) else []
    properties: dict[str, JsonValue] = {str(each.get("name")): _schema(each) for each in known}
    required: list[JsonValue] = [each.get("name") for each in known if each.get("required")]
    return {"type": "object", "properties": properties, "required": required}


def _schema(field: Interface) -> Interface:
    kind = field.get("value_type")
    schema: Interface = {"type": kind} if kind in _JSON_TYPES else {}
    if kind == "enum":
        schema["enum"] = field.get("enum_values") or []
    words = {
        "default": "default_value",
        "minimum": "min_value",
        "maximum": "max_value",
        "minLength": "min_length",
        "maxLength": "max_length",
    }
    known = {word: field.get(name) for word, name in words.items()}
    return {**schema, **{word: value for word, value in known.items() if value is not None}}
