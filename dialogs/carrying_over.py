"""A run's state in another graph: a later version of the workflow that it ran.

Source: docs/workflows-api.md, "Re-runs"; docs/decisions/0066-runs-that-begin-in-the-middle.md.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from dialogs.model import Graph, Node
from dialogs.state import RunState, ThreadState

MAX_SUGGESTIONS = 20


class Mode(StrEnum):
    """How much of a state fits into a graph.

    ``EXACT``: all of it, the graph is the same. ``REMAPPED``: the thread goes on at the node where
    it stood, as far as nodes were found again. ``PORTABLE``: what was said and the variables.
    """

    EXACT = "EXACT"
    REMAPPED = "REMAPPED"
    PORTABLE = "PORTABLE"


@dataclass(frozen=True, slots=True)
class NodeMatch:
    """A node that a run executed or stood at, and the same one in another graph."""

    source: Node
    target: Node | None
    by: Literal["logical_id", "name"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOver:
    """A state in another graph.

    Attributes:
        unmapped: Logical ids of the nodes that were not found again.
        kept: What the state still has, in words.
        dropped: What it had, in words.
        suggested_entries: Where the run could go on if it cannot where it stood.
    """

    mode: Mode
    state: RunState
    matches: list[NodeMatch] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    suggested_entries: list[Node] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def carried_over(
    source: Graph, state: RunState, target: Graph, *, entry: str | None = None
) -> CarriedOver:
    """Return a state as a graph can take it.

    Args:
        source: The graph that the state is of.
        state: At the end of a turn, or before the first one; not changed.
        entry: The node to go on at, whatever fits; it is one of the target's.
    """
    matches = _matches(source, state, target)
    unmapped = [each.source.logical_id for each in matches if each.target is None]
    if entry is None and source == target:
        return CarriedOver(mode=Mode.EXACT, state=state, matches=matches, kept=_kept(state))
    stood = state.main.node
    found = {each.source.logical_id: each.target for each in matches if each.target is not None}
    if entry is None and (stood is None or stood in found):
        mode, mapped = Mode.REMAPPED, _mapped(state, found, target)
    else:
        mode, mapped = Mode.PORTABLE, _portable(state, target, entry)
    return CarriedOver(
        mode=mode,
        state=mapped,
        matches=matches,
        unmapped=unmapped,
        kept=_kept(mapped),
        dropped=_dropped(state, mapped, unmapped, mode),
        suggested_entries=_entries(target) if mode is Mode.PORTABLE else [],
        warnings=_warnings(matches, stood, mode, entry),
    )


def _matches(source: Graph, state: RunState, target: Graph) -> list[NodeMatch]:
    """Return the nodes that a run was at, with those of another graph that are the same."""
    was_at = {*state.node_runs, state.main.node}
    by_id = {node.logical_id: node for node in target.node_configs}
    known = {node.logical_id for node in source.node_configs}
    named: dict[tuple[str, str], list[Node]] = {}
    for node in target.node_configs:
        if node.name and node.logical_id not in known:
            named.setdefault((node.name, node.type), []).append(node)
    matches = []
    for node in source.node_configs:
        if node.logical_id not in was_at:
            continue
        same = by_id.get(node.logical_id)
        alike = named.get((node.name, node.type), [])
        if same is not None and same.type == node.type:
            matches.append(NodeMatch(node, same, "logical_id"))
        elif len(alike) == 1:
            matches.append(NodeMatch(node, alike[0], "name"))
        else:
            matches.append(NodeMatch(node, None, None))
    return matches


def _mapped(state: RunState, found: dict[str, Node], target: Graph) -> RunState:
    """Return a state whose nodes and edges are those of another graph."""
    edges = {edge.logical_id for edge in target.edge_configs}
    mapped = state.model_copy(deep=True)
    mapped.node_runs = {
        found[name].logical_id: count for name, count in state.node_runs.items() if name in found
    }
    mapped.edge_runs = {name: count for name, count in state.edge_runs.items() if name in edges}
    main = mapped.main
    if main.node is not None:
        main.node = found[main.node].logical_id
    main.written_by_node = {
        found[name].logical_id: values
        for name, values in main.written_by_node.items()
        if name in found
    }
    return mapped


def _portable(state: RunState, target: Graph, entry: str | None) -> RunState:
    """Return a state that has only what means the same everywhere."""
    held = state.model_copy(deep=True)
    variables = {**target.runtime_variables, **held.main.runtime_variables}
    return RunState(
        run_id=held.run_id,
        turn_number=held.turn_number,
        dynamic_variables=held.dynamic_variables,
        workflow_variables=held.workflow_variables,
        main=ThreadState(node=entry, runtime_variables=variables, messages=held.main.messages),
    )


def _kept(state: RunState) -> list[str]:
    parts = {
        "messages": state.main.messages,
        "dynamic_variables": state.dynamic_variables,
        "runtime_variables": state.main.runtime_variables,
        "workflow_variables": state.workflow_variables,
        "current_node": state.main.node,
    }
    return [name for name, value in parts.items() if value]


def _dropped(state: RunState, mapped: RunState, unmapped: list[str], mode: Mode) -> list[str]:
    if mode is Mode.PORTABLE:
        parts = {
            "current_node": state.main.node,
            "counts of nodes and edges": state.node_runs,
            "variables by the names of their nodes": state.main.written_by_node,
        }
        return [name for name, value in parts.items() if value]
    lost = [f"counts of '{name}'" for name in unmapped if name in state.node_runs]
    edges = [name for name in state.edge_runs if name not in mapped.edge_runs]
    return lost + [f"counts of '{name}'" for name in edges]


def _entries(target: Graph) -> list[Node]:
    """Return where a person could be met: the start first, then nodes that wait for them."""
    usable: list[Node] = [node for node in target.node_configs if not node.disabled]
    starts = [node for node in usable if node.is_start]
    return [*starts, *(node for node in usable if node.waits and node not in starts)][
        :MAX_SUGGESTIONS
    ]


def _warnings(
    matches: list[NodeMatch], stood: str | None, mode: Mode, entry: str | None
) -> list[str]:
    if mode is Mode.PORTABLE and entry is None:
        name = next(
            (each.source.shown_name for each in matches if each.source.logical_id == stood), stood
        )
        return [f"the node '{name}' is gone: the run begins at the start, with what was said"]
    by_name = [each.source.shown_name for each in matches if each.by == "name"]
    return [f"'{name}' was found by its name only" for name in by_name]
