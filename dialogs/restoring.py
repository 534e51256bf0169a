"""What a run remembered at the end of a turn, told again from the events of its turns.

Events say all that the next turn needs: where the thread stands, what was said, every variable. So
nothing is kept of a run beside its turns, and runs can be repeated that nobody meant to repeat.

Source: docs/workflows-api.md, "Re-runs"; docs/decisions/0066-runs-that-begin-in-the-middle.md.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from dialogs.events import JsonObject
from dialogs.failures import RunFailedError
from dialogs.model import Edge, Graph, HttpRequestNode, LlmNode, Node, NoOpNode, ToolNode
from dialogs.state import Remembered, RunInput, RunState, Values
from dialogs.tools import DEFAULT_VARIABLE, read_tool
from dialogs.turn import take_in
from dialogs.variables import SELF_LOOP_OUTCOME

_SHOWN_BESIDE = frozenset({"_evaluated_dynamic_variables", "_input_dynamic_variables"})


def restored(graph: Graph, beginning: RunState, pairs: Sequence[JsonValue]) -> RunState:
    """Return the state of a run after some turns, each of which ended with a wait.

    What models cost is left out: whoever goes on from here pays for their own.

    Args:
        beginning: What the run began with; not changed.
        pairs: What is kept of its turns, in order.
    """
    state = beginning.model_copy(deep=True)
    memory = _Memory(graph, state)
    for pair in pairs:
        kept = pair if isinstance(pair, dict) else {}
        take_in(graph, state, RunInput.model_validate(kept.get("run_input") or {}))
        output = kept.get("run_output")
        events = output.get("events") if isinstance(output, dict) else None
        for event in events if isinstance(events, list) else ():
            if isinstance(event, dict):
                memory.hear(event)
    state.main.is_unread = False
    return state


class _Memory:
    """Changes a state as the turn did that told an event."""

    def __init__(self, graph: Graph, state: RunState) -> None:
        self._state = state
        self._thread = state.main
        self._nodes = {node.logical_id: node for node in graph.node_configs}
        self._edges = {edge.logical_id: edge for edge in graph.edge_configs}
        self._ended: JsonObject | None = None
        self._is_exhausted = False
        self._hops = 0

    def hear(self, event: JsonObject) -> None:
        """Take in one event."""
        thread = self._thread
        match event.get("type"):
            case "user_messages":
                messages = event.get("messages")
                for message in messages if isinstance(messages, list) else ():
                    if isinstance(message, dict):
                        self._remember("user", message)
            case "assistant_response":
                self._remember("assistant", event)
            case "start_node_run":
                thread.node = _text(event, "origin_node_logical_id")
                self._state.node_runs[thread.node] = _count(event, "origin_node_run_id")
                self._is_exhausted = False
            case "end_node_run":
                output = event.get("run_output")
                self._ended = output if isinstance(output, dict) else {}
            case "workflow_show_state":
                self._show(event)
            case "busy_wait_for_user_message":
                thread.node = _text(event, "origin_node_logical_id")
            case "self_loop_edge":
                thread.must_wait = True
            case "self_loop_exhausted":
                self._is_exhausted = True
                thread.runtime_variables[SELF_LOOP_OUTCOME] = event.get("outcome")
            case "direct_edge" | "conditional_edge":
                self._follow(event)
            case "end_thread":
                thread.node = None

    def _remember(self, role: Literal["user", "assistant"], said: JsonObject) -> None:
        self._thread.remember(Remembered(role=role, content=_text(said, "content")))

    def _show(self, event: JsonObject) -> None:
        """Take over all variables, and note which of them the node at work wrote."""
        before = self._thread.runtime_variables
        variables = _values(event, "runtime_variables")
        common = _values(event, "workflow_runtime_variables")
        self._state.workflow_variables = {
            name: value for name, value in common.items() if name not in _SHOWN_BESIDE
        }
        self._thread.runtime_variables = variables
        node = self._nodes.get(self._thread.node or "")
        if node is None or self._ended is None:
            return
        changed = {
            name
            for name, value in variables.items()
            if name != SELF_LOOP_OUTCOME and (name not in before or before[name] != value)
        }
        wrote = changed | (_always_written(node, self._ended) & variables.keys())
        # In the order of the variables, so that the same turns give the same state.
        self._write(node, {name: variables[name] for name in variables if name in wrote})
        if isinstance(node, LlmNode):
            self._hops, self._thread.conditional_hops = self._thread.conditional_hops, 0
        self._ended = None

    def _follow(self, event: JsonObject) -> None:
        thread = self._thread
        edge_id = _text(event, "edge_logical_id")
        self._state.edge_runs[edge_id] = _count(event, "edge_run_id")
        thread.node = _text(event, "destination_node_logical_id")
        thread.must_wait = False
        source = self._nodes.get(_text(event, "source_node_logical_id"))
        edge = self._edges.get(edge_id)
        if source is None or edge is None:
            return
        if source.self_loop_config.enabled and not self._is_exhausted:
            thread.runtime_variables.pop(SELF_LOOP_OUTCOME, None)
        if edge.type == "conditional":
            filled = _values(event, "args_filled")
            thread.runtime_variables.update(filled)
            self._write(source, filled)
            if isinstance(source, LlmNode) and _was_chosen(edge, event):
                thread.conditional_hops = self._hops + 1

    def _write(self, node: Node, values: Values) -> None:
        if values:
            self._thread.written_by_node.setdefault(node.logical_id, {}).update(values)


def _always_written(node: Node, output: JsonObject) -> set[str]:
    """Return the variables that an execution wrote, whether or not their values are new.

    Of tools that a model called only what changed something is known.
    """
    match node:
        case NoOpNode():
            name = node.output_runtime_variable_name
            return {name, f"{name}_success"}
        case HttpRequestNode():
            name = node.result_runtime_variable_name
            return {name, f"{name}_success", f"{name}_status_code"}
        case ToolNode():
            name = _variable_of(node)
            return {name, f"{name}_success", f"{name}_error"}
        case LlmNode():
            return {*_values(output, "structured_output")}
        case _:
            return set()


def _variable_of(node: ToolNode) -> str:
    own = node.result_runtime_variable_name
    if own != DEFAULT_VARIABLE:
        return own
    try:
        return read_tool(node.tool_config).result_runtime_variable_name
    except RunFailedError:  # such a node ended its run, and wrote nothing
        return own


def _was_chosen(edge: Edge, event: JsonObject) -> bool:
    """Return whether a model took an edge, and no expression."""
    freeform = edge.condition.condition_freeform
    return bool(freeform) and event.get("reason") == freeform


def _text(event: JsonObject, key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def _count(event: JsonObject, key: str) -> int:
    text = _text(event, key)
    return int(text) if text.isdecimal() else 0


def _values(event: JsonObject, key: str) -> Values:
    value = event.get(key)
    return dict(value) if isinstance(value, dict) else {}
