"""What each kind of node does when it is executed.

Source: docs/workflow-language.md, "Nodes".
"""

from datetime import timedelta

from dialogs.effects import ToolCall
from dialogs.events import EndConversation, EndNodeRun, JsonObject, StartConversation, StartNodeRun
from dialogs.failures import RunFailedError
from dialogs.http_work import call_service
from dialogs.llm_work import Chosen, ask_model
from dialogs.model import (
    EndConversationNode,
    HttpRequestNode,
    LlmNode,
    Node,
    NoOpNode,
    SayStaticNode,
    StartConversationNode,
    ToolNode,
)
from dialogs.templates import as_text, render, render_value
from dialogs.turn import Turn, origin

DEFAULT_TOOL_VARIABLE = "tool_result"


async def execute(turn: Turn, node: Node, visit: int) -> Chosen | None:
    """Execute a node once, between its first event and its last; returns what a model chose.

    Raises:
        RunFailedError: Nobody here knows what such a node does, or it cannot be done.
        EffectExpiredError: Its time was up.
    """
    turn.node_runs += 1
    turn.tell(StartNodeRun, origin(node, visit))
    output, chosen = await _work(turn, node, visit)
    conclude(turn, node, visit, output)
    return chosen


def conclude(turn: Turn, node: Node, visit: int, output: JsonObject) -> None:
    """Tell what an execution came to."""
    run_output: JsonObject = {
        "type": node.type,
        "node_logical_id": node.logical_id,
        "node_run_id": str(visit),
        "events": [],
        **output,
    }
    turn.outputs.append(run_output)
    turn.tell(EndNodeRun, origin(node, visit), {"run_output": run_output})
    turn.show_state()


async def _work(turn: Turn, node: Node, visit: int) -> tuple[JsonObject, Chosen | None]:
    match node:
        case SayStaticNode():
            turn.say_one_of(node, visit, node.static_messages_config, nth=visit)
            return {}, None
        case NoOpNode():
            return await _pass_time(turn, node), None
        case HttpRequestNode():
            return await call_service(turn, node, visit), None
        case StartConversationNode():
            return _begin_conversation(turn, node, visit), None
        case EndConversationNode():
            turn.tell(EndConversation, origin(node, visit))
            return {}, None
        case LlmNode():
            return await ask_model(turn, node, visit)
        case ToolNode():
            return await _use_tool(turn, node, visit), None
        case _:
            raise RunFailedError(
                f"node '{node.shown_name}' is of the type '{node.type}', which cannot be run here"
            )


async def _pass_time(turn: Turn, node: NoOpNode) -> JsonObject:
    if node.delay_seconds:
        await turn.driver.sleep(timedelta(seconds=node.delay_seconds))
    succeeded = not node.simulate_failure
    name = node.output_runtime_variable_name
    turn.write(node, {name: None, f"{name}_success": succeeded})
    message = None if succeeded else "a failure was asked for"
    return {"success": succeeded, "error_message": message}


def _begin_conversation(turn: Turn, node: StartConversationNode, visit: int) -> JsonObject:
    if node.is_voice_conversation:
        raise RunFailedError(f"node '{node.shown_name}' asks for a call, and there is no telephony")
    turn.tell(
        StartConversation,
        origin(node, visit),
        {"conversation_status": "started", "conversation_id": turn.state.run_id},
    )
    return {}


async def _use_tool(turn: Turn, node: ToolNode, visit: int) -> JsonObject:
    marks: dict[str, str] = {}
    lookup = turn.with_secrets(marks)
    arguments: JsonObject = {
        name: render_value(value, lookup)
        if node.preserve_argument_types or not isinstance(value, str)
        else render(value, lookup)
        for name, value in node.tool_arguments.items()
    }
    key, expires_in = turn.effect(node, visit)
    turn.tool_calls += 1
    before = turn.driver.now()
    reply = await turn.driver.use(
        ToolCall(
            key=key,
            secrets=marks,
            expires_in=expires_in,
            node_logical_id=node.logical_id,
            tool=node.tool_config,
            arguments=arguments,
        )
    )
    turn.tool_milliseconds += (turn.driver.now() - before).total_seconds() * 1000
    name = _tool_variable(node)
    turn.write(
        node, {name: reply.result, f"{name}_success": reply.success, f"{name}_error": reply.error}
    )
    return {
        "success": reply.success,
        "tool_result": reply.result,
        "error_message": reply.error,
    }


def _tool_variable(node: ToolNode) -> str:
    """Return the variable of the result: the node's own name for it, or else the tool's."""
    own = node.result_runtime_variable_name
    named = node.tool_config.get("result_runtime_variable_name")
    return as_text(named) if own == DEFAULT_TOOL_VARIABLE and named else own
