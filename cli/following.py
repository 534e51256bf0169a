"""Starts a flow execution and follows it to its end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from cli.client import Client, ClientError, JsonObject
from cli.iterations import ItemCounter
from cli.live import View
from cli.progress import FINAL, Known, Snapshot, TaskProgress, rows_by_task, snapshot
from cli.registration import RegisteredFlow
from flows.graph import Graph
from flows.model import Flow
from flows.parse import parse_definition

_SHORTEST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
_SHARE_OF_TIME = 4


@dataclass(frozen=True, slots=True)
class Execution:
    """A flow execution that this command started."""

    id: str
    run_number: int | None
    flow: RegisteredFlow
    tasks: Sequence[Known]
    sinks: Sequence[str]
    counter: ItemCounter

    @property
    def heading(self) -> str:
        """What runs, as the Temporal Web UI calls it too."""
        number = f" #{self.run_number}" if self.run_number is not None else ""
        return f"{self.flow.name} v{self.flow.version}{number}"


def start(client: Client, flow: RegisteredFlow, flow_input: JsonObject) -> Execution:
    """Create a flow execution.

    Raises:
        ClientError: The input does not fit, or the flow cannot run; faults say where.
    """
    answer = _object(client.post("/api/flow-executions", {"flow_id": flow.id, "input": flow_input}))
    number = answer.get("run_number")
    if number is None:
        answer = _execution(client, str(answer["id"]))
        number = answer.get("run_number")
    parsed = parse_definition(flow.definition).flow
    graph = Graph(parsed)
    return Execution(
        id=str(answer["id"]),
        run_number=number if isinstance(number, int) else None,
        flow=flow,
        tasks=_known(parsed, graph),
        sinks=graph.sinks,
        counter=ItemCounter(parsed),
    )


def follow(client: Client, execution: Execution, view: View) -> Snapshot:
    """Show the execution until it is over; survives an API that is away for a while."""
    while True:
        begun = time.monotonic()
        latest = look(client, execution)
        view.show(latest)
        if latest.is_final:
            return latest
        # An execution of many thousand rows is asked for less often; one whose API was away is not.
        share = _SHARE_OF_TIME * (time.monotonic() - begun)
        time.sleep(min(max(_SHORTEST_PAUSE, share), _LONGEST_PAUSE))


def look(client: Client, execution: Execution) -> Snapshot:
    """Return how far the execution is."""
    # The record first: rows read after a final status are final as well.
    record = _execution(client, execution.id)
    answer = _object(client.get("/api/task-executions", flow_execution_id=execution.id))
    listed = answer.get("task_executions")
    rows = rows_by_task(listed if isinstance(listed, list) else [])
    counts = execution.counter.learn(rows, is_final=str(record.get("status")) in FINAL)
    return snapshot(record, rows, execution.tasks, counts)


def outputs(client: Client, execution: Execution, final: Snapshot) -> JsonObject:
    """Return the outputs of the tasks that nothing depends on, by name; skipped ones left out."""
    by_name = {task.name: task for task in final.tasks}
    return {
        name: _output(client, execution, by_name[name])
        for name in execution.sinks
        if by_name[name].status == "completed"
    }


def cancel(client: Client, execution: Execution) -> None:
    """Ask for the execution to stop."""
    client.post(f"/api/flow-executions/{execution.id}/cancel")


def _output(client: Client, execution: Execution, task: TaskProgress) -> JsonValue:
    """Return a task's output; for an iteration the list that the API keeps in item order."""
    if not task.items_total:
        return task.output
    answer = client.get("/api/task-outputs")
    for row in answer if isinstance(answer, list) else []:
        if isinstance(row, dict) and (row.get("flow_execution_id"), row.get("task_name")) == (
            execution.id,
            task.name,
        ):
            return row.get("output")
    return None


def _execution(client: Client, execution_id: str) -> JsonObject:
    """Return the record of an execution."""
    return _object(client.get(f"/api/flow-executions/{execution_id}", include_run_number=True))


def _known(flow: Flow, graph: Graph) -> list[Known]:
    """Return the tasks in the order in which they can run."""
    by_name = {task.name: task for task in flow.tasks}
    return [
        Known(name, by_name[name].title or name, by_name[name].executor) for name in graph.order()
    ]


def _object(answer: JsonValue) -> JsonObject:
    """Return an answer that must be an object."""
    if not isinstance(answer, dict):
        raise ClientError("the API answered with something that is not an object")
    return answer
