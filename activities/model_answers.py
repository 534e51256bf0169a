"""What a model may answer, and what an answer holds."""

from pydantic import JsonValue

from activities.json_values import NotJsonError, parse_json
from flows.errors import TaskFailedError
from flows.executors.spec import JsonSchema
from flows.json_schemas import first_fault

_FENCE = "```"
_SHOWN_CHARS = 400
_UNSUPPORTED = ("format",)


def strict_schema(schema: JsonSchema) -> JsonSchema | None:
    """Return the schema in the form that models can be held to; None if it has none.

    There every object is closed and all its properties must be present, null where unknown.
    """
    types = schema.get("type")
    kinds = set(types if isinstance(types, list) else [types])
    strict = {key: value for key, value in schema.items() if key not in _UNSUPPORTED}
    if "object" in kinds:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or schema.get("additionalProperties") is not False:
            return None
        inner = {name: _strict(value) for name, value in properties.items()}
        if None in inner.values():
            return None
        strict.update({"properties": {**inner}, "required": [*inner]})
    if "array" in kinds:
        items = _strict(schema.get("items"))
        if items is None:
            return None
        strict["items"] = items
    return strict


def _strict(schema: JsonValue) -> JsonSchema | None:
    """Return an inner schema in its strict form; one that allows anything has none."""
    return strict_schema(schema) if isinstance(schema, dict) and schema else None


def value_of(model: str, text: str) -> JsonValue:
    """Return the JSON of an answer, also where a model put it into a block of Markdown.

    Raises:
        TaskFailedError: ``InvalidAnswer``, worth a retry.
    """
    bare = text.strip()
    if bare.startswith(_FENCE) and bare.endswith(_FENCE):
        bare = bare.partition("\n")[2].removesuffix(_FENCE)
    try:
        return parse_json(bare)
    except NotJsonError as error:
        raise _invalid(f"{model} answered no JSON: {error}") from None


def completed(value: JsonValue, schema: JsonSchema) -> dict[str, JsonValue]:
    """Return the answer with null for every optional property that it leaves out.

    Raises:
        TaskFailedError: ``InvalidAnswer``, worth a retry; it does not fit the schema.
        ValueError: The schema is none.
    """
    fault = first_fault(schema, value, "the answer")
    if fault is not None:
        raise _invalid(f"the model's answer does not fit: {fault[:_SHOWN_CHARS]}")
    whole = _with_nulls(value, schema)
    if not isinstance(whole, dict):
        raise _invalid("the model's answer is no object")
    return whole


def _with_nulls(value: JsonValue, schema: JsonValue) -> JsonValue:
    """Fill in what objects leave out, at every depth that the schema describes."""
    if not isinstance(schema, dict):
        return value
    properties = schema.get("properties")
    if isinstance(value, dict) and isinstance(properties, dict):
        described = {
            name: _with_nulls(value.get(name), inner) for name, inner in properties.items()
        }
        return {**described, **{k: v for k, v in value.items() if k not in properties}}
    if isinstance(value, list):
        return [_with_nulls(item, schema.get("items")) for item in value]
    return value


def _invalid(message: str) -> TaskFailedError:
    return TaskFailedError(message, type="InvalidAnswer", retryable=True)
