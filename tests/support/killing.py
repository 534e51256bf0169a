"""What tests that kill processes start, ask and compare."""

from uuid import uuid4

import httpx

from tests.support.effect_flows import INPUT, Json, a_flow, a_note
from tests.support.eventually import eventually
from tests.support.platform_process import PlatformProcess

RECEIVER: Json = {
    "name": "ask",
    "task_executor_name": "webhook_receiver",
    "parameters": {"fields": [{"id": "n", "data_type": "int"}]},
}
WAITING: Json = {
    **a_flow(RECEIVER, a_note("note", "ask")),
    "edges": [{"source": "form", "target": "ask"}],
}


async def an_execution(processes: PlatformProcess, definition: Json) -> str:
    """Start an execution of a new flow."""
    flow_id = await processes.create_flow(f"flow {uuid4()}", definition)
    return await processes.start(flow_id, INPUT)


async def assert_all_is_true(processes: PlatformProcess) -> None:
    """Compare everything that is served with Temporal, and find nothing open."""
    verdict = await processes.truth()
    assert verdict["differences"] == []
    assert verdict["running"] == 0
    assert verdict["checked"] != 0


def words(rows: list[Json]) -> list[object]:
    return [row["processing_status"] for row in rows]


async def a_waiting_execution(processes: PlatformProcess) -> str:
    """Start an execution of a new flow, and wait until it waits for data."""
    await processes.await_healthy()
    execution_id = await an_execution(processes, WAITING)

    async def waits() -> bool:
        rows = words(await processes.rows(execution_id, "ask"))
        return rows == ["awaiting_input"]

    await eventually(waits, saying="the task waits")
    return execution_id


async def submitted(processes: PlatformProcess, execution_id: str) -> Json:
    """Submit data for the task, and return the acknowledgement."""
    answer = await processes.http.post(
        f"/api/flow-executions/{execution_id}/webhook-data",
        json={"task_name": "ask", "data": {"n": 1}},
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    return dict(answer.json())


async def assert_delivered(processes: PlatformProcess, execution_id: str) -> None:
    """Wait for the end, which must show the data as the task's output."""
    execution = await processes.finished(execution_id)
    assert execution["status"] == "completed"
    (row,) = await processes.rows(execution_id, "ask")
    assert (row["processing_status"], row["output"]) == ("completed", {"n": 1})
