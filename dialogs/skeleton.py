"""Which dynamic variables a graph asks its callers for.

Source: docs/workflows-api.md, "Workflows".
"""

import copy
from collections.abc import Iterator

from pydantic import JsonValue

from dialogs.placeholders import Placeholder, pieces, steps
from dialogs.variables import GLOBAL

Document = dict[str, JsonValue]

SECRETS = "secrets"
DEFAULTS = "default_dynamic_variables"


def skeleton(graph: Document, own: frozenset[str]) -> Document:
    """Return the dynamic variables that a graph names, nested; "" where there is no default.

    Args:
        own: Names that the platform itself gives values.
    """
    found = _defaults(graph)
    named: dict[str, None] = {}
    for text in _texts([graph.get(key) for key in ("node_configs", "edge_configs")]):
        named.update(dict.fromkeys(_names(text)))
    for text in _texts(graph.get("workflow_config")):
        named.update(dict.fromkeys(_names(text)))
    for path in named:
        taken = [step for step in (steps(path) or ()) if isinstance(step, str)]
        if taken and taken[0] not in (GLOBAL, SECRETS) and taken[0] not in own:
            _put(found, taken)
    return found


def _defaults(graph: Document) -> Document:
    config = graph.get("workflow_config")
    more = config.get("miscellaneous") if isinstance(config, dict) else None
    layers = [more.get(DEFAULTS) if isinstance(more, dict) else None]
    layers.append(graph.get("dynamic_variables"))
    merged: Document = {}
    for layer in layers:
        if isinstance(layer, dict):
            merged.update(copy.deepcopy(layer))
    return merged


def _put(found: Document, path: list[str]) -> None:
    """Make a place for a variable; what has a value keeps it."""
    place = found
    for step in path[:-1]:
        below = place.setdefault(step, {})
        if below == "":
            below = place[step] = {}
        if not isinstance(below, dict):
            return
        place = below
    place.setdefault(path[-1], "")


def _names(text: str) -> Iterator[str]:
    for piece in pieces(text):
        if isinstance(piece, Placeholder) and piece.kind == "dynamic":
            yield piece.path


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
