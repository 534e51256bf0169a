"""Questions to a JSON Schema that need no value: what may stand at a path, and of which type.

Answers err on the side of "possible": only what a schema proves counts against an author.
"""

from collections.abc import Iterable

from pydantic import JsonValue

from flows.executors.spec import JsonSchema

_COMBINATIONS = ("anyOf", "oneOf")
_MAX_REF_HOPS = 32


def alternatives(schema: JsonValue, root: JsonSchema) -> list[JsonSchema]:
    """Return the schemas of which one must hold, with ``$ref`` followed and unions opened.

    An empty schema stands for "anything"; an empty list for "nothing".
    """
    return list(_alternatives(schema, root, _MAX_REF_HOPS))


def schemas_at(root: JsonSchema, path: Iterable[str | int]) -> list[JsonSchema]:
    """Return the alternatives for the value at a path; empty when nothing can stand there.

    A field of a list is the list of that field of its items, as in ``references.value_at``.
    """
    current = alternatives(root, root)
    for step in path:
        current = [found for schema in current for found in _step(schema, step, root)]
    return current


def may_be_list(schemas: Iterable[JsonSchema]) -> bool:
    """Tell whether a value of one of these schemas can be a list."""
    return any("array" in (types := types_of(schema)) or not types for schema in schemas)


def is_list(schemas: Iterable[JsonSchema]) -> bool:
    """Tell whether a value of these schemas is a list in any case."""
    found = list(schemas)
    return bool(found) and all(types_of(schema) == {"array"} for schema in found)


def types_of(schema: JsonSchema) -> set[str]:
    """Return the types that a schema allows; empty for any type."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return {declared}
    if isinstance(declared, list):
        return {name for name in declared if isinstance(name, str)}
    if "const" in schema:
        return {_type_name(schema["const"])}
    values = schema.get("enum")
    return {_type_name(value) for value in values} if isinstance(values, list) else set()


def _alternatives(schema: JsonValue, root: JsonSchema, hops: int) -> Iterable[JsonSchema]:
    """Open references and unions; a chain of references that is too long means anything."""
    if schema is False:
        return
    if not isinstance(schema, dict) or not hops:
        yield {}
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _alternatives(_definition(reference, root), root, hops - 1)
        return
    union = next((schema[key] for key in _COMBINATIONS if key in schema), None)
    if not isinstance(union, list) or types_of(schema):
        yield schema
        return
    for member in union:
        yield from _alternatives(member, root, hops - 1)


def _definition(reference: str, root: JsonSchema) -> JsonValue:
    """Return what a reference inside the same schema points at; anything if it cannot be found."""
    current: JsonValue = root
    for part in reference.removeprefix("#/").split("/"):
        current = current.get(part, {}) if isinstance(current, dict) else {}
    return current


def _step(schema: JsonSchema, step: str | int, root: JsonSchema) -> list[JsonSchema]:
    """Return the alternatives one step further inside a schema without unions."""
    if not schema:
        return [{}]
    types = types_of(schema)
    if not types:
        return [{}]
    found: list[JsonSchema] = []
    if "object" in types:
        found.extend(_property(schema, str(step), root))
    if "array" in types:
        found.extend(_item(schema, step, root))
    return found


def _property(schema: JsonSchema, name: str, root: JsonSchema) -> list[JsonSchema]:
    """Return the alternatives for a property."""
    properties = schema.get("properties")
    if isinstance(properties, dict) and name in properties:
        return alternatives(properties[name], root)
    if "patternProperties" in schema or "allOf" in schema:
        return [{}]
    return alternatives(schema.get("additionalProperties", True), root)


def _item(schema: JsonSchema, step: str | int, root: JsonSchema) -> list[JsonSchema]:
    """Return the alternatives for an item of a list, or for a field of all its items."""
    items = alternatives(schema.get("items", True), root)
    if isinstance(step, int) or step.isdigit():
        return [{}] if "prefixItems" in schema else items
    if any(_step(item, step, root) for item in items):
        return [{"type": "array"}]
    return []


def _type_name(value: JsonValue) -> str:
    """Return the schema's word for the type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
