"""Interactive runs whose histories are kept: what was said, and how each of them ended."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from contracts.names import (
    CALL_SERVICE,
    INTERACTIVE_RUN,
    RECORD_TURN,
    SHOW_EVENTS,
    STOP,
    USER_INPUT,
)
from contracts.runs import (
    InteractiveRunStart,
    RecordTurnCall,
    RecordTurnReply,
    RunHttpCall,
    ShowEventsCall,
    ShowEventsReply,
    StopAsked,
    TurnGiven,
)
from dialogs.effects import HttpReply
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


@dataclass(frozen=True, slots=True)
class Talk:
    """A run that is told a few things.

    Attributes:
        says: What a person says in each turn after the first, which says nothing.
        stops: Whether it is stopped in the end.
        turns_a_history: How many turns one history holds.
    """

    graph: dict[str, Any]
    says: tuple[RunInput, ...] = ()
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
            activities=[record_turn, show_events, call_service],
            workflow_runner=workflow_runner(),
        )
        async with worker:
            handle: AnyHandle = await engine.client.start_workflow(
                INTERACTIVE_RUN,
                self._start(run_id),
                id=f"workflow-run:{run_id}",
                task_queue=task_queue,
            )
            latest = engine.client.get_workflow_handle(handle.id)
            for number, each in enumerate(self.says):
                await latest.signal(
                    USER_INPUT, TurnGiven(input_id=f"said {number}", run_input=each)
                )
            if self.stops:
                await latest.signal(STOP, StopAsked(input_id="stop"))
            await latest.result()
        first = engine.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        return [first]

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

TALKS = {
    "talk": Talk(a_desk(), (said("hello"), _BYE)),
    "talk_calls_a_service": Talk(a_call_graph("http://x/call")),
    "talk_shows_its_events": Talk(a_call_graph("http://x/call")),
    "talk_stopped": Talk(a_desk(), (said("hello"),), stops=True),
    "talk_moves": Talk(a_desk(), (said("one"), said("two"), _BYE), turns_a_history=2),
}
