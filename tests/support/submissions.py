"""Flows that wait for data from outside, and senders of it."""

import httpx
from pydantic import JsonValue

from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, task
from tests.support.platform import Execution, Json, Platform

DATA: Json = {"name": "Ada", "amount": 3}
FIELDS: list[JsonValue] = [
    {"id": "name"},
    {"id": "amount", "data_type": "float"},
    {"id": "count", "data_type": "int", "required": False},
]


def a_receiver(name: str = "ask", **parameters: JsonValue) -> Json:
    """Return a task that waits for data."""
    return task(name, "webhook_receiver", {"fields": FIELDS, **parameters})


def asking(*names: str, **parameters: JsonValue) -> Json:
    """Return a flow that waits for data in parallel tasks, and joins what came."""
    receivers = [a_receiver(name, **parameters) for name in names or ("ask",)]
    return a_flow(*receivers, task("after", reads=list(names) or "ask"))


async def submit(
    sender: Platform | httpx.AsyncClient,
    execution: Execution,
    data: JsonValue = None,
    task_name: str = "ask",
) -> httpx.Response:
    """Submit data for a task."""
    client = sender.client if isinstance(sender, Platform) else sender
    body = {"task_name": task_name, "data": DATA if data is None else data}
    return await client.post(f"{execution.path}/webhook-data", json=body)


async def acknowledged(
    sender: Platform, execution: Execution, data: JsonValue = None, task_name: str = "ask"
) -> Json:
    """Submit data that is taken, and return the acknowledgement."""
    response = await submit(sender, execution, data, task_name)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


async def shown_waiting(execution: Execution, count: int = 1) -> None:
    """Wait until so many tasks, or items, and so the execution are shown as waiting."""

    async def is_shown() -> bool:
        rows = await execution.task_executions()
        waiting = [row for row in rows if row["status"] == "awaiting_input"]
        status = (await execution.shown())["status"]
        return len(waiting) == count and status == "awaiting_input"

    await eventually(is_shown, saying="it is shown as waiting")


async def waiting_execution(platform: Platform, definition: Json, count: int = 1) -> Execution:
    """Start an execution of a new flow, and wait until it waits."""
    flow = await platform.flow(definition)
    execution = await platform.started(flow["id"])
    await shown_waiting(execution, count)
    return execution
