"""What each kind of node does when it is executed.

Source: docs/workflow-language.md, "Nodes".
"""

from datetime import timedelta

from dialogs.chosen import Chosen
from dialogs.events import EndConversation, EndNodeRun, JsonObject, StartConversation, StartNodeRun
from dialogs.failures import RunFailedError
from dialogs.http_work import call_service
from dialogs.llm_work import ask_model
from dialogs.made_up import processed_transcript
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
from dialogs.tool_work import use_tool_of_node
from dialogs.turn import Turn, origin


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
            processed = await processed_transcript(turn, node, visit)
            turn.tell(EndConversation, origin(node, visit), {"processed_transcript": processed})
            return {}, None
        case LlmNode():
            return await ask_model(turn, node, visit)
        case ToolNode():
            return await use_tool_of_node(turn, node, visit), None
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
