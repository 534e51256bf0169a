"""JSON Schemas from the ``fields`` lists that authors write.

Source: docs/task-executors.md, "Fields".
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.spec import JsonSchema, Parameters

DataType = Literal[
    "str",
    "string",
    "text",
    "int",
    "integer",
    "float",
    "number",
    "bool",
    "boolean",
    "date",
    "datetime",
    "list",
    "object",
    "table",
]

_SCALARS: dict[str, JsonSchema] = {
    "str": {"type": "string"},
    "string": {"type": "string"},
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}


class Field(Parameters):
    """One field of a form, a document or a delivery."""

    id: str = Describe(min_length=1, max_length=200, description="Name of the property.")
    title: str = Describe(default="", description="Label for people.")
    data_type: DataType = Describe(default="str", description="Kind of value.")
    instructions: str = Describe(default="", description="What belongs here, in words.")
    columns: list["Field"] = Describe(
        default_factory=list, description="Fields of a table's rows, or of an object."
    )
    required: bool | None = Describe(
        default=None, description="Whether it must be present; the executor decides if left out."
    )


def object_schema(fields: Sequence[Field], *, required: bool) -> JsonSchema:
    """Return the schema of an object that has these fields and no others.

    Args:
        fields: In author's order; of two with the same id the later one counts.
        required: Whether a field that does not say so itself must be present. A field that need
            not be present may also be null.
    """
    properties: dict[str, JsonValue] = {}
    needed: list[JsonValue] = []
    for field in fields:
        is_needed = required if field.required is None else field.required
        schema = _value_schema(field, required=required)
        properties[field.id] = schema if is_needed else _nullable(schema)
        if is_needed and field.id not in needed:
            needed.append(field.id)
        elif not is_needed and field.id in needed:
            needed.remove(field.id)
    return {
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def _value_schema(field: Field, *, required: bool) -> JsonSchema:
    """Return the schema of one field's value, titles and instructions included."""
    schema: JsonSchema
    match field.data_type:
        case "list":
            schema = {"type": "array", "items": _items_schema(field, required=required)}
        case "table":
            schema = {"type": "array", "items": object_schema(field.columns, required=required)}
        case "object" if field.columns:
            schema = object_schema(field.columns, required=required)
        case "object":
            schema = {"type": "object"}
        case scalar:
            schema = dict(_SCALARS[scalar])
    if field.title:
        schema["title"] = field.title
    if field.instructions:
        schema["description"] = field.instructions
    return schema


def _items_schema(field: Field, *, required: bool) -> JsonSchema:
    """Return the schema of a list's items: anything, unless columns say what they hold."""
    return object_schema(field.columns, required=required) if field.columns else {}


def _nullable(schema: JsonSchema) -> JsonSchema:
    """Return the schema with null allowed as well."""
    return {**schema, "type": [schema["type"], "null"]}
