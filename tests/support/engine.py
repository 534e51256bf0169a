"""Flows and starts for tests of the engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pydantic import JsonValue
from temporalio.client import Client, WorkflowHandle

from contracts.messages import FlowExecutionResult, FlowExecutionStart, Seed
from contracts.names import FLOW_EXECUTION, flow_workflow_id
from flows.model import Edge, Flow, Task
from tests.support.recording_worker import Recorder, recording_worker

Handle = WorkflowHandle[Any, FlowExecutionResult]

INPUT = Task(name="start", executor="receive_file")


def instant(name: str, template: JsonValue = None, **options: Any) -> Task:
    """Return a task that runs as a local activity."""
    return Task(name=name, executor="format_data", parameters={"template": template}, **options)


def effect(name: str, reads: JsonValue = None, **options: Any) -> Task:
    """Return a task that runs as an activity; its body may hold references."""
    return Task(
        name=name,
        executor="http_request",
        parameters={"url": "http://x", "method": "POST", "body": reads},
        **options,
    )


def wait(name: str, seconds: JsonValue = None, **options: Any) -> Task:
    """Return a task that lets time pass."""
    return Task(name=name, executor="wait", parameters={"seconds": seconds}, **options)


def receiver(name: str, **parameters: JsonValue) -> Task:
    """Return a task that waits for data from outside."""
    return Task(
        name=name,
        executor="webhook_receiver",
        parameters={"fields": [{"id": "n", "data_type": "int"}], **parameters},
    )


def reviewer(name: str, value: JsonValue, **options: Any) -> Task:
    """Return a task that waits until a person has looked at a value."""
    parameters: dict[str, JsonValue] = {
        "targets": [{"value": value, "is_editable": True}],
        "assigned_users": ["6f4c1d9e-6c1c-4d0e-9b6f-3c1f0c8f7f10"],
    }
    return Task(name=name, executor="human_review", parameters=parameters, **options)


def remote(name: str, task_queue: str, arguments: JsonValue = None, **options: Any) -> Task:
    """Return a task that somebody else's worker runs, as the activity of the task's name."""
    parameters: dict[str, JsonValue] = {
        "task_queue": task_queue,
        "activity_type": name,
        "arguments": [] if arguments is None else arguments,
        **options.pop("parameters", {}),
    }
    return Task(name=name, executor="activity", parameters=parameters, **options)


def pure(name: str, reads: JsonValue = None, **options: Any) -> Task:
    """Return a task that runs as an activity and may run twice unnoticed."""
    return Task(
        name=name,
        executor="python_code",
        parameters={"code": "result = 1", "input_data": reads},
        **options,
    )


def branch(name: str, chosen: JsonValue = None) -> Task:
    """Return a branch none of whose conditions holds, so that it chooses its default."""
    never: JsonValue = {"left": 0, "operator": "eq", "right": 1}
    cases: JsonValue = [{"name": "never", "condition": never}]
    return Task(name=name, executor="branch", parameters={"cases": cases, "default": chosen})


def chain(count: int, first: str = "{{start}}") -> list[Task]:
    """Return instant tasks ``t0``, ``t1`` and so on, each of which reads the one before."""
    return [
        instant(f"t{at}", f"{{{{t{at - 1}}}}}" if at else first, title=f"link {at}")
        for at in range(count)
    ]


def a_flow(*tasks: Task, edges: list[tuple[str, ...]] | None = None) -> Flow:
    """Return a flow with an input task ``start`` in front.

    Args:
        edges: Source, target and perhaps a branch's case.
    """
    made = tuple(
        Edge(source=edge[0], target=edge[1], branch=edge[2] if len(edge) > 2 else None)
        for edge in edges or []
    )
    return Flow(name="test", tasks=(INPUT, *tasks), edges=made)


def a_start(
    flow: Flow, input: dict[str, JsonValue] | None = None, **changes: Any
) -> FlowExecutionStart:
    """Return the start message of a flow's first execution."""
    start = FlowExecutionStart(
        organization_id=str(uuid4()),
        flow_id=str(uuid4()),
        flow_version=1,
        flow_name=flow.name,
        flow_execution_id=str(uuid4()),
        generation=1,
        run_number=1,
        definition=flow,
        input=input or {},
        input_task_name="start",
    )
    return start.model_copy(update=changes)


@dataclass
class Engine:
    """A running worker, what its activities saw, and a way to start flows on it."""

    client: Client
    task_queue: str
    recorder: Recorder = field(default_factory=Recorder)

    async def start(
        self,
        flow: Flow,
        input: dict[str, JsonValue] | None = None,
        seeds: list[Seed] | None = None,
        **changes: Any,
    ) -> Handle:
        """Start a flow and return the handle of its workflow."""
        message = a_start(flow, input, seeds=seeds or [], **changes)
        return await self.client.start_workflow(
            FLOW_EXECUTION,
            message,
            id=flow_workflow_id(message.flow_execution_id, message.generation),
            task_queue=self.task_queue,
            result_type=FlowExecutionResult,
        )

    async def run(
        self,
        flow: Flow,
        input: dict[str, JsonValue] | None = None,
        seeds: list[Seed] | None = None,
        **changes: Any,
    ) -> FlowExecutionResult:
        """Run a flow to its end and return its result."""
        return await (await self.start(flow, input, seeds, **changes)).result()


@asynccontextmanager
async def running_engine(client: Client, task_queue: str, **options: Any) -> AsyncIterator[Engine]:
    """Run a recording worker for the time of a test."""
    engine = Engine(client, task_queue)
    async with recording_worker(client, task_queue, engine.recorder, **options):
        yield engine
