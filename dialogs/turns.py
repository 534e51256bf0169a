"""Runs one turn: from what a person said to the next wait, or to the end.

``run_turn`` is all of it. It changes the state that it is given, tells events to its driver as
they happen, asks the driver for whatever reaches outside, and returns what the caller is answered.
It never raises for what an author or a service did wrong: then the run has failed.

Source: docs/workflow-language.md, "Turns"; docs/ARCHITECTURE.md, "Turns".
"""

from datetime import timedelta

from pydantic import BaseModel, JsonValue

from dialogs.chosen import Chosen
from dialogs.effects import Driver
from dialogs.events import (
    BusyWaitForUserMessage,
    EndThread,
    EndWorkflow,
    EndWorkflowIteration,
    IterationMetrics,
    JsonObject,
    Latency,
    NodeExpired,
    SelfLoopDelay,
    SelfLoopExhausted,
    WorkflowError,
    WorkflowReadyForInput,
)
from dialogs.failures import EffectExpiredError, RunFailedError
from dialogs.model import Edge, Graph, Node, SelfLoop
from dialogs.state import MAIN_THREAD, Fixed, RunInput, RunState, RunStatus
from dialogs.transitions import (
    between,
    conditional_way,
    direct_way,
    follow,
    loops_to_itself,
    stay,
    way_on,
)
from dialogs.turn import Turn, origin
from dialogs.work import conclude, execute

EXECUTION_ERROR = "execution_error"


class TurnOutcome(BaseModel):
    """What a turn came to.

    Attributes:
        events: Everything told in it, in order.
        hint: The event that says what is waited for; None unless the run waits.
        pair: What the run's record keeps of the turn.
    """

    status: RunStatus
    turn_number: int
    events: list[JsonObject]
    error: str | None = None
    hint: JsonObject | None = None
    pair: JsonObject


async def run_turn(
    graph: Graph, state: RunState, fixed: Fixed, given: RunInput, driver: Driver
) -> TurnOutcome:
    """Run the next turn of a run that is not at its end.

    Args:
        graph: Resolved: without super nodes.
        state: Changed in place. Where the driver is cancelled it is left in the middle of the
            turn, fit for nothing but to be cancelled.
    """
    turn = Turn(graph, state, fixed, given, driver)
    state.status = RunStatus.RUNNING
    hint: JsonObject | None = None
    try:
        hint = await _advance(turn)
    except RunFailedError as error:
        state.status = RunStatus.FAILED
        state.error = str(error)
        state.termination_source = EXECUTION_ERROR
    _account_for(turn)
    return TurnOutcome(
        status=state.status,
        turn_number=state.turn_number,
        events=turn.events,
        error=state.error,
        hint=hint,
        pair=_pair(turn, turn.events),
    )


def start_node(graph: Graph) -> Node | None:
    """Return the node where runs of a graph begin; None if it has none."""
    return next((node for node in graph.node_configs if node.is_start), None)


async def _advance(turn: Turn) -> JsonObject | None:
    """Execute nodes until the thread waits or ends; returns what is waited for."""
    node: Node | None = _entered(turn)
    if node is not None:
        turn.hear(node)
    steps = 0
    while node is not None:
        if not node.disabled and _must_wait(turn, node):
            return _park(turn, node)
        steps += 1
        if steps > turn.fixed.max_node_runs:
            turn.state.status = RunStatus.ABORTED
            turn.state.error = (
                f"the turn executed {turn.fixed.max_node_runs} nodes without a wait or an end"
            )
            return None
        last = node
        node = _beyond(turn, node) if node.disabled else await _visit(turn, node)
        if node is None:
            turn.thread.node = None
            turn.tell(EndThread, {"last_node_logical_id": last.logical_id})
    turn.state.status = RunStatus.COMPLETED
    return None


def _entered(turn: Turn) -> Node:
    """Return the node where the thread stands, which at first is the start."""
    if turn.thread.node is not None:
        return turn.node(turn.thread.node)
    chosen = turn.given.start_node_logical_id
    node = turn.node(chosen) if chosen else start_node(turn.graph)
    if node is None:
        raise RunFailedError("the graph has no start node")
    turn.thread.node = node.logical_id
    return node


def _must_wait(turn: Turn, node: Node) -> bool:
    return (node.waits or turn.thread.must_wait) and not turn.thread.is_unread


def _park(turn: Turn, node: Node) -> JsonObject:
    turn.state.status = RunStatus.WAITING
    upcoming = turn.state.node_runs.get(node.logical_id, 0) + 1
    return turn.tell(BusyWaitForUserMessage, origin(node, upcoming))


def _beyond(turn: Turn, node: Node) -> Node | None:
    """Return the node behind a disabled one, without a word."""
    edge = direct_way(turn, node)
    if edge is None:
        return None
    turn.thread.node = edge.destination_node_logical_id
    return turn.node(edge.destination_node_logical_id)


async def _visit(turn: Turn, node: Node) -> Node | None:
    """Execute a node, and again while its bounded loop says so; returns the next one."""
    chosen: Chosen | None = None
    edge: Edge | None
    if node.self_loop_config.enabled:
        edge, chosen = await _loop(turn, node, node.self_loop_config)
    else:
        chosen = await execute(turn, node, turn.count_run(node))
        edge = way_on(turn, node, chosen)
        if edge is None and loops_to_itself(node):
            stay(turn, node)
            return node
    if edge is None:
        return None
    await follow(turn, node, turn.state.node_runs[node.logical_id], edge, chosen)
    return turn.node(edge.destination_node_logical_id)


async def _loop(turn: Turn, node: Node, loop: SelfLoop) -> tuple[Edge | None, Chosen | None]:
    """Execute a node until a conditional edge fires or a bound is reached."""
    if loop.expiry_time is not None:
        turn.expires_at = turn.driver.now() + timedelta(seconds=loop.expiry_time)
    attempt = 0
    outcome = None
    while outcome is None:
        attempt += 1
        chosen = await _execute_in_time(turn, node)
        edge = chosen.edge if chosen is not None else conditional_way(turn, node)
        if edge is not None:
            turn.expires_at = None
            turn.set_loop_outcome(None)
            return edge, chosen
        outcome = _bound(turn, loop, attempt)
        if outcome is None:
            await _rest(turn, node, loop, attempt + 1)
    turn.expires_at = None
    turn.tell(
        SelfLoopExhausted, between(node, node), {"outcome": outcome, "total_attempts": attempt}
    )
    turn.set_loop_outcome(outcome)
    return conditional_way(turn, node) or direct_way(turn, node), None


async def _execute_in_time(turn: Turn, node: Node) -> Chosen | None:
    visit = turn.count_run(node)
    try:
        return await execute(turn, node, visit)
    except EffectExpiredError:
        turn.tell(NodeExpired, origin(node, visit))
        conclude(turn, node, visit, {})
        return None


def _bound(turn: Turn, loop: SelfLoop, attempts: int) -> str | None:
    """Return which bound allows no further attempt; there is no waiting for one that cannot be."""
    pause = timedelta(seconds=loop.time_between_retries)
    if turn.expires_at is not None and turn.driver.now() + pause >= turn.expires_at:
        return "expiry_time"
    if loop.max_retries is None and turn.expires_at is not None:
        return None
    return "max_retries" if attempts > (loop.max_retries or 0) else None


async def _rest(turn: Turn, node: Node, loop: SelfLoop, upcoming: int) -> None:
    turn.tell(
        SelfLoopDelay,
        between(node, node),
        {"delay_seconds": loop.time_between_retries, "attempt_number": upcoming},
    )
    if loop.time_between_retries:
        await turn.driver.sleep(timedelta(seconds=loop.time_between_retries))


def _account_for(turn: Turn) -> None:
    """Tell the end of the turn; whoever listens may stop at the last of these events."""
    state = turn.state
    turn.tell(
        EndWorkflowIteration,
        {
            "iteration_number": state.turn_number,
            "run_input_output_pair": _pair(turn, []),
            "iteration_metrics": _metrics(turn),
        },
        thread=None,
    )
    totals = {"llm_token_usage": state.usage, "llm_latency_stats": state.latency}
    match state.status:
        case RunStatus.WAITING:
            turn.tell(WorkflowReadyForInput, thread=None)
        case RunStatus.COMPLETED:
            turn.tell(EndWorkflow, totals, thread=None)
        case _:
            message = state.error or "the run has failed"
            turn.tell(WorkflowError, totals, {"error_message": message}, thread=None)


def _metrics(turn: Turn) -> IterationMetrics:
    took = turn.driver.now() - turn.started_at
    return IterationMetrics(
        e2e_latency_milliseconds=took.total_seconds() * 1000,
        nodes_executed_count=turn.node_runs,
        llm_call_count=turn.model_calls,
        tool_call_count=turn.tool_calls,
        llm_call_latency_stats=turn.model_latency if turn.model_calls else None,
        tool_call_latency_stats=_latency(turn.tool_calls, turn.tool_milliseconds),
    )


def _latency(calls: int, milliseconds: float) -> Latency | None:
    if not calls:
        return None
    return Latency(
        call_count=calls,
        total_latency_milliseconds=milliseconds,
        average_latency_milliseconds=milliseconds / calls,
    )


def _pair(turn: Turn, events: list[JsonObject]) -> JsonObject:
    outputs: list[JsonValue] = [*turn.outputs]
    return {
        "run_input": turn.given.model_dump(mode="json"),
        "run_output": {
            "events": [*events],
            "thread_to_node_outputs": {MAIN_THREAD: outputs},
        },
        "evaluation": None,
        "iteration_end_state_miscellaneous": {},
        "comments": [],
        "ratings": [],
    }
