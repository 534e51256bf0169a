"""Interactive runs whose histories are kept: what was said, and how each of them ended."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from contracts.names import (
    ASK_MODEL,
    AWAIT_INPUT,
    CALL_SERVICE,
    INTERACTIVE_RUN,
    RECORD_TURN,
    RUN_CODE,
    SHOW_EVENTS,
    STOP,
    USER_INPUT,
)
from contracts.runs import (
    AwaitInput,
    InteractiveRunStart,
    RecordTurnCall,
    RecordTurnReply,
    RunCodeCall,
    RunHttpCall,
    RunModelCall,
    ShowEventsCall,
    ShowEventsReply,
    StopAsked,
    TurnGiven,
)
from dialogs.effects import FunctionCall, HttpReply, ModelReply, ToolReply
from dialogs.model import Graph
from dialogs.state import RunInput
from runtime.temporal import workflow_runner
from tests.support.engine import Engine
from tests.support.interactive import a_call_graph, a_desk, said
from workflows.interactive_run import InteractiveRunWorkflow

AnyHandle = WorkflowHandle[Any, Any]


@activity.defn(name=RECORD_TURN)
async def record_turn(_: RecordTurnCall) -> RecordTurnReply:
    """Take a turn."""
    return RecordTurnReply()


@activity.defn(name=SHOW_EVENTS)
async def show_events(_: ShowEventsCall) -> ShowEventsReply:
    """Show events to nobody."""
    return ShowEventsReply()


@activity.defn(name=CALL_SERVICE)
async def call_service(_: RunHttpCall) -> HttpReply:
    """Answer as a service would."""
    return HttpReply(status_code=200, body='{"known": true}')


@activity.defn(name=ASK_MODEL)
async def ask_model(run: RunModelCall) -> ModelReply:
    """Answer as a model would: use a tool first, and leave when the person says bye."""
    call = run.call
    functions = [each.name for each in call.functions]
    wanted = "leave" if call.messages[-1].content == "bye" else "double"
    if wanted in functions:
        return ModelReply(calls=(FunctionCall(id="1", name=wanted, written="{}"),))
    return ModelReply(content="two", value={"city": "Ulm"} if call.answer_schema else {})


@activity.defn(name=RUN_CODE)
async def run_code(_: RunCodeCall) -> ToolReply:
    """Return what the code would."""
    return ToolReply(success=True, result=2)


@dataclass(frozen=True, slots=True)
class Talk:
    """A run that is told a few things.

    Attributes:
        says: What a person says in each turn after the first, which says nothing.
        asks: Whether each input travels with the update that waits for its answer.
        hurries: Whether everything is said before the first turn begins, for the turn it expects.
        stops: Whether it is stopped in the end.
        turns_a_history: How many turns one history holds.
    """

    graph: dict[str, Any]
    says: tuple[RunInput, ...] = ()
    asks: bool = False
    hurries: bool = False
    stops: bool = False
    turns_a_history: int = 200

    async def play(self, engine: Engine) -> list[AnyHandle]:
        """Run it, and return it: the history in which it began."""
        task_queue = f"{engine.task_queue}-talks"
        run_id = uuid4().hex[:24]
        worker = Worker(
            engine.client,
            task_queue=task_queue,
            workflows=[InteractiveRunWorkflow],
            activities=[record_turn, show_events, call_service, ask_model, run_code],
            workflow_runner=workflow_runner(),
        )
        handle: AnyHandle = await engine.client.start_workflow(
            INTERACTIVE_RUN,
            self._start(run_id),
            id=f"workflow-run:{run_id}",
            task_queue=task_queue,
        )
        latest = engine.client.get_workflow_handle(handle.id)
        if self.hurries:
            await self._tell_all(latest)
        async with worker:
            if not self.hurries:
                await self._tell_all(latest)
            if self.stops:
                await latest.signal(STOP, StopAsked(input_id="stop"))
            await latest.result()
        first = engine.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        return [first]

    async def _tell_all(self, handle: AnyHandle) -> None:
        for number, each in enumerate(self.says):
            expected = number + 2 if self.hurries else None
            given = TurnGiven(input_id=f"said {number}", expected_turn=expected, run_input=each)
            await self._tell(handle, given)

    async def _tell(self, handle: AnyHandle, given: TurnGiven) -> None:
        if self.asks:
            asked = AwaitInput(input_id=given.input_id, given=given)
            await handle.execute_update(AWAIT_INPUT, asked)
        else:
            await handle.signal(USER_INPUT, given)

    def _start(self, run_id: str) -> InteractiveRunStart:
        return InteractiveRunStart(
            organization_id="o",
            workflow_id="6512f0a1b2c3d4e5f6a7b8c9",
            workflow_name="desk",
            version_number=0,
            run_id=run_id,
            graph=Graph.model_validate(self.graph),
            queued=[TurnGiven(input_id="first")],
            turns_a_history=self.turns_a_history,
        )


_BYE = said("bye", runtime_variables={"choice": "finish"})
_MODEL: dict[str, Any] = {"type": "custom_llm", "model": "small", "base_url": "http://x/v1"}
_TOOL: dict[str, Any] = {"type": "inline_python", "name": "double", "code": "result = 2"}
_API: dict[str, Any] = {"type": "external_api", "name": "ask", "api_endpoint": "http://x/ask"}


def _a_tool_graph(*tools: dict[str, Any]) -> dict[str, Any]:
    """Return a graph that runs tools, one after the other."""
    nodes = [
        {"type": "tool_node", "logical_id": f"node_{at}", "is_start": not at, "tool_config": tool}
        for at, tool in enumerate(tools)
    ]
    edges = [
        {
            "type": "direct",
            "logical_id": f"edge_{at}",
            "source_node_logical_id": f"node_{at}",
            "destination_node_logical_id": f"node_{at + 1}",
        }
        for at in range(len(tools) - 1)
    ]
    return {"workflow_config": {}, "node_configs": nodes, "edge_configs": edges}


def _a_model_graph() -> dict[str, Any]:
    """Return a desk whose model has a tool, and decides when to leave."""
    graph: dict[str, Any] = a_desk(llms_config=_MODEL, tools_config={"tools": [_TOOL]})
    graph["edge_configs"][0]["condition"] = {"condition_freeform": "the person leaves"}
    return graph


TALKS = {
    "talk": Talk(a_desk(), (said("hello"), _BYE)),
    "talk_asks": Talk(a_desk(), (said("hello"), said("more"), _BYE), asks=True),
    "talk_hurries": Talk(a_desk(), (said("hello"), _BYE), hurries=True),
    "talk_calls_a_service": Talk(a_call_graph("http://x/call")),
    "talk_shows_its_events": Talk(a_call_graph("http://x/call")),
    "talk_stopped": Talk(a_desk(), (said("hello"),), stops=True),
    "talk_with_a_model": Talk(_a_model_graph(), (said("hello"), said("bye"))),
    "talk_with_tools": Talk(_a_tool_graph(_TOOL, _API)),
    # From a time when nodes with a model, and tools, ended their runs.
    "talk_without_models": Talk(a_desk(llms_config=_MODEL), (said("hello"),), stops=True),
    "talk_without_tools": Talk(_a_tool_graph(_TOOL)),
    "talk_moves": Talk(a_desk(), (said("one"), said("two"), _BYE), turns_a_history=2),
}
