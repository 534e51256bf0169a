"""Puts other workflows' graphs in the places of super nodes, before a run begins.

Works on documents, so that nothing is lost that nobody here knows. Edges into a super node lead to
the start of its graph; its direct edge leaves from every node where the graph would end, and its
conditional edges leave from there and from every node with a model.

Source: docs/workflow-language.md, "Super nodes".
"""

import copy
from collections.abc import Callable

from pydantic import JsonValue

from dialogs.interface import with_field_values
from dialogs.validate import GRAPH, InvalidGraph

MAX_DEPTH = 5

Document = dict[str, JsonValue]
Load = Callable[[str, int | None], Document | None]


class InvalidEmbeddingError(Exception):
    """A super node cannot be put to use; ``fault`` says which and why."""

    def __init__(self, fault: InvalidGraph) -> None:
        """Keep what is wrong."""
        super().__init__(fault.error)
        self.fault = fault


def embedded_in(document: Document) -> list[tuple[str, int | None]]:
    """Return the workflows that a graph's super nodes name, with the versions that they want."""
    found: dict[tuple[str, int | None], None] = {}
    for node in _objects(document, "node_configs"):
        if node.get("type") != "super_node":
            continue
        inline = node.get("encapsulated_workflow_config")
        if isinstance(inline, dict):
            found.update(dict.fromkeys(embedded_in(inline)))
            continue
        workflow_id, version = node.get("super_workflow_id"), _version(node)
        if isinstance(workflow_id, str):
            found[workflow_id, version] = None
    return [*found]


def expanded(document: Document, load: Load, within: tuple[str, ...] = ()) -> Document:
    """Return a graph without super nodes; disabled ones stay, as they are passed by.

    Args:
        load: Returns the graph of a workflow and version; None for the active version.
        within: The workflows around this graph, outermost first.

    Raises:
        InvalidEmbeddingError: A graph is missing, has no start, nests too deep or holds itself.
    """
    result = copy.deepcopy(document)
    for node in _objects(document, "node_configs"):
        if node.get("type") == "super_node" and not node.get("disabled"):
            inner, around = _inner(node, load, within)
            _replace(result, node, expanded(inner, load, around))
    return result


def _inner(node: Document, load: Load, within: tuple[str, ...]) -> tuple[Document, tuple[str, ...]]:
    inline = node.get("encapsulated_workflow_config")
    workflow_id = str(node.get("super_workflow_id") or "")
    if len(within) >= MAX_DEPTH:
        raise _invalid(node, f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(inline, dict):
        return with_field_values(inline, node), (*within, "")
    if workflow_id in within:
        raise _invalid(node, "embeds a workflow that it is part of")
    graph = load(workflow_id, _version(node))
    if graph is None:
        raise _invalid(node, f"names the workflow '{workflow_id}', which has no such version")
    return with_field_values(graph, node), (*within, workflow_id)


def _replace(result: Document, node: Document, inner: Document) -> None:
    """Put a graph in the place of a node."""
    prefix = f"{node['logical_id']}__"
    nodes = [_inner_node(each, prefix, node, inner) for each in _objects(inner, "node_configs")]
    edges = [_inner_edge(each, prefix) for each in _objects(inner, "edge_configs")]
    start = next((each for each in nodes if each.pop("_starts", False)), None)
    if start is None:
        raise _invalid(node, "embeds a graph without a start node")
    start["is_start"] = bool(node.get("is_start"))
    around: list[JsonValue] = []
    for edge in _objects(result, "edge_configs"):
        if edge.get("destination_node_logical_id") == node["logical_id"]:
            edge["destination_node_logical_id"] = start["logical_id"]
        if edge.get("source_node_logical_id") == node["logical_id"]:
            around += _projected(edge, nodes, edges)
        else:
            around.append(edge)
    kept = [each for each in _objects(result, "node_configs") if each is not _same(result, node)]
    result["node_configs"] = [*kept, *nodes]
    result["edge_configs"] = [*edges, *around]
    for layer in ("dynamic_variables", "runtime_variables"):
        result[layer] = {**_object(inner, layer), **_object(result, layer)}


def _inner_node(node: Document, prefix: str, around: Document, inner: Document) -> Document:
    copied = {**node, "logical_id": f"{prefix}{node.get('logical_id')}", "is_start": False}
    copied["_starts"] = bool(node.get("is_start"))
    if node.get("type") not in ("say_llm", "worker_llm"):
        return copied
    config = _object(inner, "workflow_config")
    copied |= _prompt_and_tools(node, config)
    override = around.get("override_llm_config")
    shared = config.get("llms_config")
    own = node.get("llms_config")
    inherits = not isinstance(own, dict) or own.get("type") == "global_default_llm"
    if isinstance(override, dict):
        copied["llms_config"] = override
    elif inherits and not node.get("attachable_llm_config_id") and isinstance(shared, dict):
        copied["llms_config"] = shared
    return copied


def _prompt_and_tools(node: Document, config: Document) -> Document:
    """Return what an inner node's model has of its own workflow, which is gone afterwards."""
    found: Document = {}
    if not _object(node, "main_response_config").get("prompt"):
        found["main_response_config"] = _object(config, "main_response_config")
    shared = _objects(_object(config, "tools_config"), "tools")
    if shared:
        own = _object(node, "tools_config")
        found["tools_config"] = {**own, "tools": [*_objects(own, "tools"), *shared]}
    return found


def _inner_edge(edge: Document, prefix: str) -> Document:
    ends = ("logical_id", "source_node_logical_id", "destination_node_logical_id")
    return {**edge, **{key: f"{prefix}{edge.get(key)}" for key in ends}}


def _projected(edge: Document, nodes: list[Document], edges: list[Document]) -> list[JsonValue]:
    """Return an outgoing edge as it leaves the embedded graph, from each node that it leaves."""
    sources = {each.get("source_node_logical_id") for each in edges if not each.get("disabled")}
    leaving = [
        node
        for node in nodes
        if node["logical_id"] not in sources
        or (edge.get("type") == "conditional" and node.get("type") in ("say_llm", "worker_llm"))
    ]
    return [
        {
            **edge,
            "logical_id": f"{edge.get('logical_id')}__{node['logical_id']}",
            "source_node_logical_id": node["logical_id"],
            "super_node_exit_origin": edge.get("source_node_logical_id"),
        }
        for node in leaving
    ]


def _same(document: Document, node: Document) -> Document | None:
    wanted = node["logical_id"]
    nodes = _objects(document, "node_configs")
    return next((each for each in nodes if each.get("logical_id") == wanted), None)


def _invalid(node: Document, reason: str) -> InvalidEmbeddingError:
    name = node.get("name") or node.get("logical_id")
    return InvalidEmbeddingError(InvalidGraph(GRAPH, f"super node '{name}' {reason}"))


def _version(node: Document) -> int | None:
    version = node.get("super_workflow_version_number")
    return version if isinstance(version, int) else None


def _objects(document: Document, key: str) -> list[Document]:
    found = document.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _object(document: Document, key: str) -> Document:
    found = document.get(key)
    return found if isinstance(found, dict) else {}
