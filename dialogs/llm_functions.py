"""What a model may call while it answers for a node: its tools, and the ways out of the node.

Source: docs/workflow-language.md, "say_llm and worker_llm".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dialogs.conditions import placeholders
from dialogs.effects import Function
from dialogs.expressions import parsed
from dialogs.failures import RunFailedError
from dialogs.model import Edge, LlmNode
from dialogs.placeholders import ABSENT
from dialogs.tool_work import AnyTool, tools_listed
from dialogs.tools import object_schema, parameters_of, read_tool
from dialogs.turn import Turn

MAX_FUNCTIONS = 128
_MAX_NAME_CHARS = 56
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Offer:
    """Functions, each with what stands behind its name."""

    functions: tuple[Function, ...] = ()
    tools: dict[str, AnyTool] = field(default_factory=dict)
    exits: dict[str, Edge] = field(default_factory=dict)

    def without_tools(self) -> "Offer":
        """Return the ways out alone."""
        kept = tuple(each for each in self.functions if each.name in self.exits)
        return Offer(kept, {}, self.exits)


def offer(turn: Turn, tools: Iterable[AnyTool], exits: Iterable[Edge] = ()) -> Offer:
    """Return what a model may call, under names that its protocol allows.

    Raises:
        RunFailedError: There are more than a model can be told.
    """
    made = Offer((), {}, {})
    functions: list[Function] = []
    for edge in exits:
        name = _free_name(edge.name or edge.logical_id, made)
        made.exits[name] = edge
        condition = turn.render(edge.condition.condition_freeform or "")
        functions.append(
            Function(
                name=name,
                description=f"Go on to the next step. Call this as soon as it holds: {condition}",
                parameters=object_schema(edge.condition.args_schema),
            )
        )
    for tool in tools:
        name = _free_name(tool.shown_name, made)
        made.tools[name] = tool
        described = "\n".join(part for part in (tool.description, tool.signature) if part)
        functions.append(
            Function(
                name=name,
                description=turn.render(described),
                parameters=parameters_of(tool),
            )
        )
    if len(functions) > MAX_FUNCTIONS:
        raise RunFailedError(f"a node has more than {MAX_FUNCTIONS} tools and ways out for a model")
    return Offer(tuple(functions), made.tools, made.exits)


def tools_of(turn: Turn, node: LlmNode) -> list[AnyTool]:
    """Return the tools that a node's model may use: its own, and its workflow's.

    Raises:
        RunFailedError: One of them cannot be run here.
    """
    shared = turn.graph.workflow_config.model_extra or {}
    if node.use_mcp_tools and shared.get("mcp_servers"):
        raise RunFailedError("the workflow names MCP servers, which cannot be asked from here")
    own = (node.model_extra or {}).get("tools_config")
    listed = [*tools_listed(own), *tools_listed(shared.get("tools_config"))]
    return [read_tool(each) for each in listed if not each.get("disabled")]


def exits_of(turn: Turn, node: LlmNode) -> Sequence[Edge]:
    """Return the edges that the model may choose: those that no expression decides by now."""
    return [
        edge
        for edge in turn.ways_out(node)
        if edge.type == "conditional"
        and edge.condition.condition_freeform
        and not _is_decided(turn, edge.condition.condition_expression)
    ]


def _is_decided(turn: Turn, expression: str | None) -> bool:
    if not expression:
        return False
    return any(turn.lookup(each) is not ABSENT for each in placeholders(parsed(expression)))


def _free_name(wanted: str, taken: Offer) -> str:
    """Return a name that the protocol allows, and that nothing else has."""
    base = _NOT_IN_NAMES.sub("_", wanted).strip("_")[:_MAX_NAME_CHARS] or "function"
    name, count = base, 1
    while name in taken.tools or name in taken.exits:
        count += 1
        name = f"{base}_{count}"
    return name
