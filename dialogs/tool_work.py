"""Runs a tool for a node, or for the model of one, and keeps what it gave.

Source: docs/workflow-language.md, "Tools".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from dialogs.api_tools import request_of, result_of
from dialogs.effects import HttpCall, ToolCall, ToolReply
from dialogs.events import JsonObject
from dialogs.failures import RunFailedError
from dialogs.model import Node, ToolNode
from dialogs.templates import render, render_value
from dialogs.tool_arguments import ArgumentError, whole_arguments, yielded
from dialogs.tools import DEFAULT_VARIABLE, ApiTool, PythonTool, read_tool
from dialogs.turn import Turn

AnyTool = PythonTool | ApiTool

MAX_TOLD_CHARS = 32_000
"""How much of a result a model is told."""


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a tool.

    Attributes:
        part: Tells its effect from others of the same execution of the node.
        variable: Where its result goes.
    """

    node: Node
    visit: int
    tool: AnyTool
    part: str = ""
    variable: str = DEFAULT_VARIABLE


async def use_tool_of_node(turn: Turn, node: ToolNode, visit: int) -> JsonObject:
    """Run a tool node's tool; returns the node's output."""
    tool = read_tool(node.tool_config)
    marks: dict[str, str] = {}
    lookup = turn.with_secrets(marks)
    arguments: JsonObject = {
        name: render_value(value, lookup)
        if node.preserve_argument_types or not isinstance(value, str)
        else render(value, lookup)
        for name, value in node.tool_arguments.items()
    }
    own = node.result_runtime_variable_name
    variable = tool.result_runtime_variable_name if own == DEFAULT_VARIABLE else own
    turn.tool_calls += 1
    before = turn.driver.now()
    reply = await use_tool(turn, Use(node, visit, tool, variable=variable), arguments, marks)
    turn.tool_milliseconds += (turn.driver.now() - before).total_seconds() * 1000
    return {
        "success": reply.success,
        "tool_result": reply.result,
        "error_message": reply.error,
    }


async def use_tool(
    turn: Turn, use: Use, given: Mapping[str, JsonValue], marks: dict[str, str]
) -> ToolReply:
    """Run a tool, and write what it gave into the run's variables; failures are replies.

    Args:
        given: Arguments from the node or the model.
        marks: Which secrets stand among them; those that the tool itself names are added.
    """
    tool = use.tool
    if tool.disabled:
        reply = ToolReply(success=False, error="the tool is disabled")
    else:
        turn.say_one_of(use.node, use.visit, tool.static_messages_config, nth=use.visit)
        try:
            arguments = whole_arguments(tool, given, turn.with_secrets(marks))
            reply = await _run(turn, use, arguments, marks)
        except ArgumentError as error:
            reply = ToolReply(success=False, error=str(error))
    return _kept(turn, use, reply)


def told(reply: ToolReply) -> str:
    """Return a tool's reply as a model is told it."""
    if reply.error is not None:
        return json.dumps({"error": reply.error, "result": reply.result}, ensure_ascii=False)[
            :MAX_TOLD_CHARS
        ]
    result = reply.result
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return text[:MAX_TOLD_CHARS]


async def _run(turn: Turn, use: Use, arguments: JsonObject, marks: dict[str, str]) -> ToolReply:
    key, expires_in = turn.effect(use.node, use.visit, use.part)
    tool = use.tool
    if isinstance(tool, PythonTool):
        substitutes = tool.allow_code_variable_substitution
        return await turn.driver.use(
            ToolCall(
                key=key,
                secrets=marks,
                expires_in=expires_in,
                node_logical_id=use.node.logical_id,
                name=tool.shown_name,
                code=turn.render(tool.code) if substitutes else tool.code,
                arguments=arguments,
                timeout_seconds=tool.timeout_seconds,
            )
        )
    request = request_of(tool, arguments, turn.with_secrets(marks))
    reply = await turn.driver.request(
        HttpCall(
            key=key,
            secrets=marks,
            expires_in=expires_in,
            method=tool.api_method,
            url=request.url,
            headers=request.headers,
            query=request.query,
            body=request.body,
            timeout_seconds=tool.timeout_seconds,
            is_tool=True,
        )
    )
    result, error = result_of(reply)
    return ToolReply(success=error is None, result=result, error=error)


def _kept(turn: Turn, use: Use, reply: ToolReply) -> ToolReply:
    """Write a reply into the run's variables; returns it with what is wrong with its result."""
    more = yielded(use.tool, reply.result)
    if reply.success and more.fault is not None:
        reply = ToolReply(success=False, result=reply.result, error=more.fault)
    name = use.variable
    turn.state.workflow_variables.update(more.workflow)
    turn.write(
        use.node,
        {
            **(more.thread if reply.result is not None else {}),
            name: reply.result,
            f"{name}_success": reply.success,
            f"{name}_error": reply.error,
        },
    )
    return reply


def tools_listed(config: object) -> list[JsonObject]:
    """Return the tools that a node or a workflow lists, as they were written.

    Raises:
        RunFailedError: What stands there is no list of tools.
    """
    tools = config.get("tools") if isinstance(config, dict) else None
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(each, dict) for each in tools):
        raise RunFailedError("tools_config.tools is no list of tools")
    return [each for each in tools if isinstance(each, dict)]
