"""Where a thread goes from a node that was executed.

Source: docs/workflow-language.md, "The way on".
"""

from dialogs.chosen import Chosen
from dialogs.conditions import holds
from dialogs.events import (
    ConditionalEdge,
    DirectEdge,
    JsonObject,
    SelfLoopEdge,
    WorkflowNavigationMessage,
)
from dialogs.expressions import parsed
from dialogs.made_up import speak_made_up
from dialogs.model import Edge, LlmNode, Node
from dialogs.placeholders import pieces
from dialogs.templates import render
from dialogs.turn import Turn, origin


def way_on(turn: Turn, node: Node, chosen: Chosen | None) -> Edge | None:
    """Return the edge that is taken; a direct one is never an else-branch of the others."""
    if chosen is not None:
        return chosen.edge
    return direct_way(turn, node) or conditional_way(turn, node)


def direct_way(turn: Turn, node: Node) -> Edge | None:
    """Return the unconditional edge out of a node."""
    return next((edge for edge in turn.ways_out(node) if edge.is_main), None)


def conditional_way(turn: Turn, node: Node) -> Edge | None:
    """Return the first edge out of a node whose expression holds.

    Raises:
        ExpressionError: An expression on the way there is none.
    """
    for edge in turn.ways_out(node):
        expression = edge.condition.condition_expression
        if edge.type == "conditional" and expression and holds(parsed(expression), turn.lookup):
            return edge
    return None


def loops_to_itself(node: Node) -> bool:
    """Return whether a thread that found no way on stays here."""
    return isinstance(node, LlmNode) and node.self_loop


async def follow(turn: Turn, node: Node, visit: int, edge: Edge, chosen: Chosen | None) -> None:
    """Move the thread along an edge, and say so."""
    destination = turn.node(edge.destination_node_logical_id)
    count = turn.state.edge_runs.get(edge.logical_id, 0) + 1
    turn.state.edge_runs[edge.logical_id] = count
    way: JsonObject = {
        "edge_name": edge.name or edge.logical_id,
        "edge_logical_id": edge.logical_id,
        "edge_run_id": str(count),
        **between(node, destination),
    }
    turn.thread.node = destination.logical_id
    turn.thread.must_wait = False
    if edge.type == "direct":
        turn.tell(DirectEdge, way)
        memo = f"moved from '{node.shown_name}' to '{destination.shown_name}'"
        turn.tell(WorkflowNavigationMessage, origin(node, visit), {"message": memo})
        return
    by_model = chosen is not None and chosen.edge is edge
    reason = edge.condition.condition_freeform if by_model else _hydrated(turn, edge)
    filled = chosen.args_filled if chosen is not None and by_model else {}
    turn.write(node, filled)
    turn.tell(
        ConditionalEdge,
        way,
        {
            "reason": reason,
            "args_filled": filled,
            "super_node_exit_origin": edge.super_node_exit_origin,
        },
    )
    texts = edge.condition.static_messages_config
    if texts is not None:
        turn.say_one_of(node, visit, texts, nth=count)
    prompt = edge.condition.dynamic_messages_config.dynamic_message_prompt
    if prompt:
        await speak_made_up(turn, node, visit, prompt)


def stay(turn: Turn, node: Node) -> None:
    """Let the thread wait where it is for what the person says next."""
    turn.thread.must_wait = True
    turn.tell(SelfLoopEdge, between(node, node))


def between(source: Node, destination: Node) -> JsonObject:
    """Return the two ends of a way, as its events carry them."""
    return {
        "source_node_logical_id": source.logical_id,
        "source_node_name": source.shown_name,
        "destination_node_logical_id": destination.logical_id,
        "destination_node_name": destination.shown_name,
    }


def _hydrated(turn: Turn, edge: Edge) -> str:
    """Return an expression with its values, for people; never to be read again."""
    text = edge.condition.condition_expression or ""
    return render(text, turn.lookup) if any(pieces(text)) else text
