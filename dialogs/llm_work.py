"""What an LLM node asks of its model, and what it makes of the answer.

Source: docs/workflow-language.md, "say_llm and worker_llm".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from dialogs.conditions import placeholders
from dialogs.effects import Exit, ModelCall, ModelReply
from dialogs.events import JsonObject, LlmSpoke, LlmUsageInfo
from dialogs.expressions import parsed
from dialogs.model import Edge, LlmNode
from dialogs.placeholders import ABSENT
from dialogs.templates import render
from dialogs.turn import Turn, origin

NO_LLM = "no_llm"
INHERITED = "global_default_llm"
HOPS_LIMIT = "consecutive_conditional_edges_max_limit"
DEFAULT_HOPS_LIMIT = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """An edge that a model took, with the arguments that it filled in."""

    edge: Edge
    args_filled: JsonObject


async def ask_model(turn: Turn, node: LlmNode, visit: int) -> tuple[JsonObject, Chosen | None]:
    """Let the node's model answer; returns the node's output, and the edge that it took."""
    if node.waits or turn.thread.must_wait:
        turn.thread.is_unread = False
    config = _config(turn, node)
    if config.get("type") == NO_LLM:
        reply = ModelReply(error="no model is configured")
        return _answered(turn, node, visit, reply, ())
    exits = _exits(turn, node)
    marks: dict[str, str] = {}
    prompt = render(_prompt(turn, node), turn.with_secrets(marks))
    brakes = turn.thread.conditional_hops >= _hops_limit(turn)
    key, expires_in = turn.effect(node, visit)
    turn.model_calls += 1
    reply = await turn.driver.ask(
        ModelCall(
            key=key,
            secrets=marks,
            expires_in=expires_in,
            node_logical_id=node.logical_id,
            config=config,
            system_prompt=prompt,
            messages=tuple(turn.thread.messages),
            tools=() if brakes else _tools(turn, node),
            exits=() if brakes else tuple(map(_exit, exits)),
            method=turn.graph.workflow_config.global_condition_evaluation_method,
            output_schema=node.structured_output_schema,
            max_consecutive_tool_calls=node.max_consecutive_tool_calls,
            speaks=node.type == "say_llm",
        )
    )
    _account(turn, reply.usage)
    return _answered(turn, node, visit, reply, exits)


def _answered(
    turn: Turn, node: LlmNode, visit: int, reply: ModelReply, exits: Sequence[Edge]
) -> tuple[JsonObject, Chosen | None]:
    content = turn.render(node.default_error_message) if reply.error else reply.content
    turn.write(node, {**reply.variables, **reply.structured_output})
    message = turn.message(content)
    turn.tell(
        LlmSpoke,
        origin(node, visit),
        {"type": node.type, "message": message, "llm_usage_info": reply.usage},
    )
    if node.type == "say_llm" and content:
        turn.speak(node, visit, message, {}, reply.usage)
    chosen = next((edge for edge in exits if edge.logical_id == reply.chosen_edge), None)
    turn.thread.conditional_hops = turn.thread.conditional_hops + 1 if chosen is not None else 0
    output: JsonObject = {"structured_output": reply.structured_output}
    return output, Chosen(chosen, reply.args_filled) if chosen is not None else None


def _config(turn: Turn, node: LlmNode) -> JsonObject:
    """Return the model that answers for a node: its own, or else the workflow's."""
    own = (node.attachable_llm_config_id, node.llms_config)
    workflow = turn.graph.workflow_config
    shared = (workflow.attachable_llm_config_id, workflow.llms_config)
    is_own = own[0] is not None or own[1].type != INHERITED
    saved, config = own if is_own else shared
    if saved is not None:
        return {"type": "saved", "attachable_llm_config_id": saved}
    if config.type == INHERITED:
        return {"type": NO_LLM}
    return config.model_dump(mode="json")


def _prompt(turn: Turn, node: LlmNode) -> str:
    workflow = turn.graph.workflow_config
    parts = (
        "" if node.ignore_default_prompt_prefix else workflow.default_prompt_prefix,
        node.main_response_config.prompt or workflow.main_response_config.prompt,
        "" if node.ignore_default_prompt_suffix else workflow.default_prompt_suffix,
    )
    return "\n\n".join(part for part in parts if part)


def _exits(turn: Turn, node: LlmNode) -> list[Edge]:
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


def _exit(edge: Edge) -> Exit:
    return Exit(
        edge_logical_id=edge.logical_id,
        name=edge.name,
        condition=edge.condition.condition_freeform or "",
        args_schema=edge.condition.args_schema,
    )


def _tools(turn: Turn, node: LlmNode) -> tuple[JsonObject, ...]:
    found: list[JsonObject] = []
    for config in (node, turn.graph.workflow_config):
        written: JsonValue = (config.model_extra or {}).get("tools_config")
        tools = written.get("tools") if isinstance(written, dict) else None
        listed = tools if isinstance(tools, list) else []
        found += [tool for tool in listed if isinstance(tool, dict)]
    return tuple(found)


def _hops_limit(turn: Turn) -> int:
    written = turn.graph.workflow_config.miscellaneous.get(HOPS_LIMIT)
    text = str(written)
    return int(text) if text.isdecimal() and len(text) < 9 else DEFAULT_HOPS_LIMIT


def _account(turn: Turn, usage: LlmUsageInfo) -> None:
    total, latency = turn.state.usage, turn.state.latency
    total.call_count += 1
    total.total_input_tokens += usage.prompt_tokens or 0
    total.total_output_tokens += usage.completion_tokens or 0
    total.total_tokens += usage.total_tokens or 0
    latency.call_count += 1
    latency.total_latency_milliseconds += usage.response_latency_milliseconds or 0
    latency.average_latency_milliseconds = latency.total_latency_milliseconds / latency.call_count
