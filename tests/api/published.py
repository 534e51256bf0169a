"""An OpenAPI document as compact lines: what clients rely on, and nothing that is prose."""

from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]


def lines_of(document: Document, operations: set[tuple[str, str]] | None = None) -> dict[str, str]:
    """Return one line an operation and one a schema that those operations use.

    An operation's line names its id, its parameters with their limits, and its statuses; a
    schema's line its properties with their types. Titles, descriptions and examples are left out.
    """
    lines: dict[str, str] = {}
    used: set[str] = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operations is None or (method.upper(), path) in operations:
                lines[f"{method.upper()} {path}"] = _operation(document, operation)
                _collect(document, operation, used)
    for name in used:
        if not _is_refusal(name):
            lines[f"schema {name}"] = _shape(document["components"]["schemas"][name])
    return lines


def _is_refusal(name: str) -> bool:
    return "Error" in name and "FlowExecution" not in name


def _operation(document: Document, operation: Document) -> str:
    parameters = sorted(
        f"{parameter['name']}{'!' if parameter.get('required') else ''}:"
        f"{_type(_resolved(document, parameter['schema']))}"
        for parameter in operation.get("parameters", [])
    )
    statuses = sorted(operation["responses"])
    return f"{operation['operationId']} ({', '.join(parameters)}) -> {' '.join(statuses)}"


def _resolved(document: Document, schema: Document) -> Document:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        found: Document = document["components"]["schemas"][name]
        return found
    return schema


def _collect(document: Document, node: object, used: set[str]) -> None:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            name = reference.rsplit("/", 1)[1]
            if name not in used:
                used.add(name)
                _collect(document, document["components"]["schemas"][name], used)
        for value in node.values():
            _collect(document, value, used)
    elif isinstance(node, list):
        for value in node:
            _collect(document, value, used)


def _shape(schema: Document) -> str:
    if "properties" not in schema:
        return _type(schema)
    return ", ".join(sorted(schema["properties"]))


def _type(schema: Document) -> str:
    """Return e.g. ``integer[1..100]=20`` or ``string/uuid|null``."""
    if "anyOf" in schema:
        return "|".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return "one of " + "/".join(sorted(map(str, schema["enum"])))
    text = str(schema.get("type", "any"))
    if "format" in schema:
        text += f"/{schema['format']}"
    if schema.get("type") == "array":
        text += f" of {_type(schema['items'])}"
    if "pattern" in schema:
        text += f" {schema['pattern']}"
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is not None or high is not None:
        text += f"[{'' if low is None else int(low)}..{'' if high is None else int(high)}]"
    if schema.get("default") is not None:
        text += f"={schema['default']}"
    return text


def properties_of(document: Document, schemas: Iterable[str]) -> dict[str, str]:
    """Return one line a property of these schemas: whether it is required, its type, its default.

    An enum under a name of its own is spelled out; other schemas are named.
    """
    lines: dict[str, str] = {}
    for name in schemas:
        schema = document["components"]["schemas"].get(name, {})
        required = set(schema.get("required", ()))
        for field, described in schema.get("properties", {}).items():
            mark = "required " if field in required else ""
            lines[f"{name}.{field}"] = mark + _described(document, described)
    return lines


def _described(document: Document, schema: Document) -> str:
    """Return the type of a property; a null option comes last, any value swallows the rest."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        meant = document["components"]["schemas"][name]
        if not meant.keys() - {"title", "description"}:
            return "any"
        text = _type(meant) if "enum" in meant else name
        return text + _default(schema)
    options = schema.get("anyOf")
    if options is not None:
        texts = sorted({_described(document, option) for option in options}, key=_null_last)
        return ("any" if "any" in texts else "|".join(texts)) + _default(schema)
    if schema.get("type") == "array":
        items = _described(document, schema.get("items", {}))
        low, high = schema.get("minItems", ""), schema.get("maxItems", "")
        return f"list[{low}..{high}] of {items}"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return "object" + _default(schema)
    return _type(schema)


def _default(schema: Document) -> str:
    default = schema.get("default")
    return "" if default is None else f"={default}"


def _null_last(text: str) -> tuple[bool, str]:
    return text == "null", text
