"""Which parameters of an executor are marked secret, from the mark in its parameters' schema.

Source: docs/secrets.md, "Secret parameters".
"""

from collections.abc import Iterator
from functools import cache, lru_cache

from pydantic import BaseModel, JsonValue

from flows.executors.catalogue import executor_named
from flows.executors.spec import JsonSchema

Path = tuple[str | int, ...]

MARK = "secret"

_UNIONS = ("anyOf", "oneOf", "allOf")
_MAX_REF_HOPS = 32


def is_marked(executor_name: str, path: Path) -> bool:
    """Tell whether text at a place in an executor's parameters is secret.

    What stands inside something that is marked is secret as well. Nothing is known of an unknown
    executor, so nothing of it is secret.
    """
    executor = executor_named(executor_name)
    if executor is None or not has_marks(executor.parameters):
        return False
    return _is_marked(executor.parameters, path)


@cache
def has_marks(parameters: type[BaseModel]) -> bool:
    """Tell whether anything in a parameters model is marked."""
    return _holds_mark(_schema(parameters))


@lru_cache(maxsize=4_096)
def _is_marked(parameters: type[BaseModel], path: Path) -> bool:
    """Walk the schema along the path, looking for the mark on each member of each union."""
    root = _schema(parameters)
    current = list(_opened(root, root, _MAX_REF_HOPS))
    for step in path:
        if any(schema.get(MARK) is True for schema in current):
            return True
        current = [
            found
            for schema in current
            for inner in _inside(schema, step)
            for found in _opened(inner, root, _MAX_REF_HOPS)
        ]
    return any(schema.get(MARK) is True for schema in current)


@cache
def _schema(parameters: type[BaseModel]) -> JsonSchema:
    return parameters.model_json_schema()


def _holds_mark(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return value.get(MARK) is True or any(_holds_mark(item) for item in value.values())
    return isinstance(value, list) and any(map(_holds_mark, value))


def _opened(schema: JsonValue, root: JsonSchema, hops: int) -> Iterator[JsonSchema]:
    """Yield a schema, what it refers to, and the members of its unions."""
    if not isinstance(schema, dict) or not hops:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target: JsonValue = root
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        yield from _opened(target, root, hops - 1)
    for key in _UNIONS:
        members = schema.get(key)
        for member in members if isinstance(members, list) else []:
            yield from _opened(member, root, hops - 1)


def _inside(schema: JsonSchema, step: str | int) -> Iterator[JsonValue]:
    """Yield what a schema says about one of its members."""
    if isinstance(step, int):
        yield schema.get("items")
        members = schema.get("prefixItems")
        yield from members if isinstance(members, list) else []
        return
    properties = schema.get("properties")
    if isinstance(properties, dict) and step in properties:
        yield properties[step]
        return
    yield schema.get("additionalProperties")
    patterns = schema.get("patternProperties")
    yield from patterns.values() if isinstance(patterns, dict) else []
