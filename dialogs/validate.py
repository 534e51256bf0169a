"""Rules that a graph must keep to be stored; ``InvalidGraph`` names the one that is broken.

What is not a graph at all is a matter of ``dialogs.model``. A condition's syntax is looked at when
a run gets there, so a graph with a faulty one can be stored and mended.

Source: docs/workflow-language.md, "What is refused".
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dialogs.model import Edge, Graph, Node

GRAPH = "Invalid workflow graph"
COMPANIONS = "Invalid companion thread configuration"
SELF_LOOPS = "Invalid self loop configuration"
WAITING = "Invalid waiting evaluation configuration"

_THREAD_ID = re.compile(r"[A-Za-z0-9_-]+")
_INTERNAL = "_companion_"


@dataclass(frozen=True, slots=True)
class InvalidGraph:
    """A rule that a graph breaks.

    Attributes:
        category: What kind of rule.
        error: Which rule, and where.
    """

    category: str
    error: str


def first_fault(graph: Graph) -> InvalidGraph | None:
    """Return the first rule that a graph breaks; None if it keeps them all."""
    nodes = {node.logical_id: node for node in graph.node_configs}
    return (
        _repeated(graph)
        or _first(_loose_end(edge, nodes) for edge in graph.edge_configs)
        or _first(_endless(node) for node in graph.node_configs)
        or _first(_forked(node, graph) for node in graph.node_configs)
        or _threads(graph)
        or _first(_companion_paths(edge, graph, nodes) for edge in graph.edge_configs)
        or _first(_waiting(edge, graph, nodes) for edge in graph.edge_configs)
    )


def _first(faults: Iterable[InvalidGraph | None]) -> InvalidGraph | None:
    return next((fault for fault in faults if fault is not None), None)


def _repeated(graph: Graph) -> InvalidGraph | None:
    ids = Counter(each.logical_id for each in (*graph.node_configs, *graph.edge_configs))
    twice = next((logical_id for logical_id, count in ids.items() if count > 1), None)
    if twice is None:
        return None
    return InvalidGraph(GRAPH, f"the logical_id '{twice}' is used more than once")


def _loose_end(edge: Edge, nodes: Mapping[str, Node]) -> InvalidGraph | None:
    for end, logical_id in (
        ("source", edge.source_node_logical_id),
        ("destination", edge.destination_node_logical_id),
    ):
        if logical_id not in nodes:
            return InvalidGraph(
                GRAPH, f"edge '{_name(edge)}' has the {end} node '{logical_id}', which is not there"
            )
    return None


def _endless(node: Node) -> InvalidGraph | None:
    loop = node.self_loop_config
    if not loop.enabled or loop.max_retries is not None or loop.expiry_time is not None:
        return None
    return InvalidGraph(
        SELF_LOOPS, f"node '{node.shown_name}' loops without max_retries or expiry_time"
    )


def _forked(node: Node, graph: Graph) -> InvalidGraph | None:
    direct = [
        edge for edge in _out(graph, node.logical_id) if edge.type == "direct" and not edge.disabled
    ]
    main = sum(edge.is_main for edge in direct)
    if main > 1:
        return InvalidGraph(COMPANIONS, f"node '{node.shown_name}' has {main} main direct edges")
    if direct and not main:
        return InvalidGraph(COMPANIONS, f"node '{node.shown_name}' has no main direct edge")
    return None


def _threads(graph: Graph) -> InvalidGraph | None:
    seen: set[str] = set()
    for edge in graph.edge_configs:
        thread_id = edge.companion_thread_config.thread_id
        if not _starts_thread(edge) or thread_id is None:
            continue
        if not _THREAD_ID.fullmatch(thread_id) or _INTERNAL in thread_id or thread_id == "0":
            return InvalidGraph(
                COMPANIONS, f"edge '{_name(edge)}' has the invalid thread_id '{thread_id}'"
            )
        if thread_id in seen:
            return InvalidGraph(COMPANIONS, f"the thread_id '{thread_id}' is used more than once")
        seen.add(thread_id)
    return None


def _companion_paths(edge: Edge, graph: Graph, nodes: Mapping[str, Node]) -> InvalidGraph | None:
    """Look along a companion thread: it neither waits, nor forks, nor comes back."""
    if not _starts_thread(edge):
        return None
    main = _reachable(
        graph,
        [
            each.destination_node_logical_id
            for each in _out(graph, edge.source_node_logical_id)
            if each.is_main
        ],
    )
    for logical_id in _reachable(graph, [edge.destination_node_logical_id]):
        node = nodes[logical_id]
        where = f"the companion thread of edge '{_name(edge)}'"
        if node.waits:
            return InvalidGraph(COMPANIONS, f"{where} reaches the waiting node '{node.shown_name}'")
        if any(_starts_thread(each) for each in _out(graph, logical_id)):
            return InvalidGraph(COMPANIONS, f"{where} forks again at node '{node.shown_name}'")
        if logical_id in main or logical_id == edge.source_node_logical_id:
            return InvalidGraph(
                COMPANIONS, f"{where} rejoins the main thread at node '{node.shown_name}'"
            )
    return None


def _waiting(edge: Edge, graph: Graph, nodes: Mapping[str, Node]) -> InvalidGraph | None:
    config = edge.evaluate_while_waiting_config
    if edge.type != "conditional" or not config.enabled:
        return None
    source = nodes[edge.source_node_logical_id]
    reason = None
    if not edge.condition.condition_expression or edge.condition.condition_freeform:
        reason = "needs an expression, and no freeform condition"
    elif not source.waits:
        reason = f"leaves node '{source.shown_name}', which does not wait for input"
    elif any(each.is_main for each in _out(graph, source.logical_id)):
        reason = f"leaves node '{source.shown_name}', which has a direct edge"
    elif config.trigger_mode == "on_node_completion":
        triggers = config.trigger_node_logical_ids
        wrong = [each for each in triggers if each not in nodes or nodes[each].waits]
        if not triggers:
            reason = "names no trigger nodes"
        elif wrong:
            reason = f"names the trigger node '{wrong[0]}', which is not there or waits itself"
    elif config.min_seconds_between_evaluations <= 0:
        reason = "needs min_seconds_between_evaluations above 0"
    return InvalidGraph(WAITING, f"edge '{_name(edge)}' {reason}") if reason else None


def _reachable(graph: Graph, beginnings: list[str]) -> list[str]:
    """Return what can be reached from some nodes, these included, in the order of its finding."""
    found = dict.fromkeys(beginnings)
    open_ends = [*beginnings]
    while open_ends:
        for edge in _out(graph, open_ends.pop()):
            if edge.destination_node_logical_id not in found:
                found[edge.destination_node_logical_id] = None
                open_ends.append(edge.destination_node_logical_id)
    return [*found]


def _out(graph: Graph, logical_id: str) -> list[Edge]:
    return [edge for edge in graph.edge_configs if edge.source_node_logical_id == logical_id]


def _starts_thread(edge: Edge) -> bool:
    return edge.type == "direct" and edge.companion_thread_config.is_companion_thread


def _name(edge: Edge) -> str:
    return edge.name or edge.logical_id
