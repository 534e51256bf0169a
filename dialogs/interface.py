"""Puts the values that a super node gives its inputs into the graph that it stands for.

Source: docs/workflow-language.md, "Super nodes".
"""

import copy

from pydantic import JsonValue

from dialogs.placeholders import steps

Document = dict[str, JsonValue]

_PLACES = {"node_config_field": "node_configs", "edge_config_field": "edge_configs"}
_LAYERS = {"dynamic_variable": "dynamic_variables", "runtime_variable": "runtime_variables"}


def with_field_values(graph: Document, node: Document) -> Document:
    """Return a copy of a graph with a super node's values, or their defaults, where they belong."""
    result = copy.deepcopy(graph)
    interface = node.get("super_node_interface") or _interface_of(graph)
    fields = interface.get("input_fields") if isinstance(interface, dict) else None
    values = node.get("field_values")
    given = values if isinstance(values, dict) else {}
    for field in fields if isinstance(fields, list) else ():
        if not isinstance(field, dict):
            continue
        name = field.get("name")
        value = given.get(name) if isinstance(name, str) else None
        if value is None:
            value = field.get("default_value")
        mappings = field.get("mappings")
        for mapping in mappings if isinstance(mappings, list) else ():
            if isinstance(mapping, dict) and value is not None:
                _apply(result, mapping, value)
    return result


def _interface_of(graph: Document) -> JsonValue:
    config = graph.get("workflow_config")
    return config.get("super_node_interface") if isinstance(config, dict) else None


def _apply(graph: Document, mapping: Document, value: JsonValue) -> None:
    kind = mapping.get("target_type")
    variable = mapping.get("target_variable_name")
    path = mapping.get("target_field_path")
    if kind in _LAYERS and isinstance(variable, str):
        layer = graph.setdefault(_LAYERS[str(kind)], {})
        if isinstance(layer, dict):
            layer[variable] = value
    elif kind == "workflow_config_field" and isinstance(path, str):
        _set(graph.setdefault("workflow_config", {}), path, value)
    elif kind in _PLACES and isinstance(path, str):
        wanted = mapping.get("target_node_or_edge_logical_id")
        entities = graph.get(_PLACES[str(kind)])
        for entity in entities if isinstance(entities, list) else ():
            if isinstance(entity, dict) and entity.get("logical_id") == wanted:
                _set(entity, path, value)


def _set(target: JsonValue, path: str, value: JsonValue) -> None:
    """Set what a path names, making the objects on the way; a path that does not fit is ignored."""
    taken = steps(path)
    if taken is None:
        return
    place = target
    for step in taken[:-1]:
        if isinstance(place, dict) and isinstance(step, str):
            place = place.setdefault(step, {})
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            place = place[step]
        else:
            return
    last = taken[-1]
    if isinstance(place, dict) and isinstance(last, str):
        place[last] = value
    if isinstance(place, list) and isinstance(last, int) and last < len(place):
        place[last] = value
