"""Flow executions over HTTP with a worker that runs them."""

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow, call, task
from tests.support.eventually import eventually
from tests.support.platform import Execution, Platform
from tests.support.receiver import Receiver, receiving

Json = dict[str, JsonValue]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def held(working: Platform, receiver: Receiver) -> Execution:
    """Return an execution whose task ``call`` waits for an answer from outside."""
    receiver.gate("/held")
    flow = await working.flow(a_flow(call("call", f"{receiver.url}/held"), task("b", reads="call")))
    execution = await working.started(flow["id"])
    await eventually(lambda: receiver.arrived("/held"), saying="the call arrived")
    return execution


async def test_a_completed_execution_shows_every_attempt_and_output(working: Platform) -> None:
    execution = await working.completed(
        a_flow(task("a"), task("b", reads="a")), {"text": "héllo 😀"}
    )

    rows = await execution.task_executions()

    start: Json = {"text": "héllo 😀"}
    assert await execution.outputs() == {
        "start": start,
        "a": {"value": start},
        "b": {"value": {"value": start}},
    }
    assert {row["task_name"] for row in rows} == {"start", "a", "b"}
    a = next(row for row in rows if row["task_name"] == "a")
    assert a == {
        **a,
        "flow_execution_id": execution.id,
        "task_execution_idx": 0,
        "status": "completed",
        "processing_status": "completed",
        "edited_status": "not_edited",
        "stale_status": "consistent",
        "modified_by": "system",
        "input": {"template": {"value": start}},
        "output": {"value": start},
        "error": None,
        "organization_id": working.organization_id,
        "credits": None,
        "tags": [],
    }
    assert a["started_at"] is not None
    assert a["completed_at"] is not None
    one = (await working.client.get(f"/api/task-executions/{a['id']}")).json()
    assert {**one, "tags": []} == a


async def test_task_executions_are_filtered_and_paged(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a"), task("b"), task("c")))
    other = await working.completed(a_flow(task("a")))
    whole = await execution.task_executions()
    created = [str(row["created_at"]) for row in whole]

    first = await execution.task_executions(limit=2)
    rest = await execution.task_executions(after=str(first[-1]["id"]))

    assert created == sorted(created, reverse=True)
    assert first + rest == whole
    assert {row["task_name"] for row in await execution.task_executions(task_name="a")} == {"a"}
    assert await execution.task_executions(task_name="A") == []
    assert await execution.task_executions(task_execution_idx=0) == whole
    assert await execution.task_executions(task_execution_idx=1) == []
    assert await execution.task_executions(task_execution_idx=10**30) == []
    everything = (await working.client.get("/api/task-executions")).json()["task_executions"]
    assert {row["flow_execution_id"] for row in everything} == {execution.id, other.id}


@pytest.mark.parametrize(
    "parameters",
    [
        {"flow_execution_id": "x"},
        {"task_name": ""},
        {"task_name": "x" * 201},
        {"task_execution_idx": "-1"},
        {"limit": "0"},
        {"limit": "10001"},
        {"after": "x"},
    ],
)
async def test_parameters_of_task_executions_that_do_not_fit(
    platform: Platform, parameters: dict[str, str]
) -> None:
    response = await platform.client.get("/api/task-executions", params=parameters)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", *parameters]


@pytest.mark.parametrize("path", ["task-executions", "task-outputs"])
async def test_one_that_does_not_exist(platform: Platform, path: str) -> None:
    unknown = await platform.client.get(f"/api/{path}/00000000-0000-4000-8000-000000000000")
    malformed = await platform.client.get(f"/api/{path}/x")

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert malformed.status_code == 422


async def test_task_outputs_are_listed_newest_first_and_read_by_id(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a")))

    outputs = (await working.client.get("/api/task-outputs")).json()

    instants = [output["created_at"] for output in outputs]
    assert instants == sorted(instants, reverse=True)
    a = next(output for output in outputs if output["task_name"] == "a")
    assert a["flow_execution_id"] == execution.id
    assert (a["status"], a["flow_version"]) == ("completed", 1)
    assert a["summary"] == a["output"] == {"value": {"text": "hello"}}
    assert (await working.client.get(f"/api/task-outputs/{a['id']}")).json() == a


async def test_a_failure_names_task_type_and_message(working: Platform, receiver: Receiver) -> None:
    receiver.failures_left["/broken"] = 100
    once: Json = {"max_attempts": 2, "initial_interval_seconds": 0.01}
    flow = a_flow(
        call("broken", f"{receiver.url}/broken", retry_policy=once), task("after", reads="broken")
    )

    execution = await working.ended(flow)

    shown = await execution.shown()
    error = shown["error"]
    rows = await execution.task_executions(task_name="broken")
    assert shown["status"] == "failed"
    assert isinstance(error, dict)
    assert error["task_name"] == "broken"
    assert error["type"]
    assert "503" in str(error["message"])
    assert [row["task_execution_idx"] for row in rows] == [1, 0]
    assert {row["status"] for row in rows} == {"failed"}
    assert all(row["error"] and row["output"] is None for row in rows)
    assert await execution.task_executions(task_name="after") == []
    assert receiver.keys["/broken"] == [f"{execution.id}/1/broken/0"] * 2


async def test_an_execution_is_in_progress_while_a_task_runs(
    working: Platform, receiver: Receiver
) -> None:
    execution = await held(working, receiver)

    shown = await execution.until("in_progress")
    row = (await execution.task_executions(task_name="call"))[0]
    receiver.gates["/held"].set()
    await execution.until("completed")

    assert shown["status"] == "in_progress"
    assert (row["status"], row["output"], row["completed_at"]) == ("running", None, None)


async def test_cancelling_stops_what_runs(working: Platform, receiver: Receiver) -> None:
    execution = await held(working, receiver)

    response = await working.client.post(f"{execution.path}/cancel")
    ended = await execution.until("cancelled", "completed", "failed")

    rows = await execution.task_executions()
    assert response.status_code == 204
    assert ended["status"] == "cancelled"
    assert {str(row["task_name"]): row["status"] for row in rows} == {
        "start": "completed",
        "call": "cancelled",
    }


async def test_an_execution_that_ended_is_not_cancelled(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a")))

    response = await working.client.post(f"{execution.path}/cancel")

    assert response.status_code == 204
    assert (await execution.shown())["status"] == "completed"


async def test_deleting_does_not_stop_what_runs(working: Platform, receiver: Receiver) -> None:
    execution = await held(working, receiver)

    response = await working.client.delete(execution.path)
    receiver.gates["/held"].set()

    async def has_run_on() -> bool:
        rows = await execution.task_executions(task_name="b")
        return bool(rows) and rows[0]["status"] == "completed"

    await eventually(has_run_on, saying="the task after the call ran")
    assert response.status_code == 204
    assert (await working.client.get(execution.path)).status_code == 404


async def test_running_again_runs_everything_anew(working: Platform, receiver: Receiver) -> None:
    flow = a_flow(call("call", f"{receiver.url}/again"), task("b", reads="call"))
    execution = await working.completed(flow)

    response = await working.client.post(f"{execution.path}/execute")
    await eventually(lambda: receiver.arrived("/again", 2), saying="the second call")
    await execution.until("completed")

    rows = await execution.task_executions()
    assert response.status_code == 204
    assert receiver.keys["/again"] == [f"{execution.id}/{n}/call/0" for n in (1, 2)]
    assert sorted(str(row["task_name"]) for row in rows) == ["b", "call", "start"]


async def test_running_again_ends_what_still_runs(working: Platform, receiver: Receiver) -> None:
    execution = await held(working, receiver)

    await working.client.post(f"{execution.path}/execute")
    await eventually(lambda: receiver.arrived("/held", 2), saying="the second call")
    receiver.gates["/held"].set()

    assert (await execution.until("completed", "failed"))["status"] == "completed"
    assert len(await execution.task_executions(task_name="b")) == 1


async def test_only_what_is_unfinished_runs_again_if_asked(
    working: Platform, receiver: Receiver
) -> None:
    receiver.failures_left["/flaky"] = 1
    once: Json = {"max_attempts": 1}
    flow = a_flow(
        call("first", f"{receiver.url}/first"),
        call("flaky", f"{receiver.url}/flaky", reads="first", retry_policy=once),
    )
    execution = await working.ended(flow)
    assert (await execution.shown())["status"] == "failed"

    await working.client.post(f"{execution.path}/execute", params={"only_stale": True})
    await execution.until("completed")

    assert len(receiver.keys["/first"]) == 1
    assert len(receiver.keys["/flaky"]) == 2


async def test_a_value_of_a_megabyte_comes_back_as_it_was(working: Platform) -> None:
    text = "ä" * 400_000

    execution = await working.completed(a_flow(task("a")), {"text": text})

    assert (await execution.outputs())["a"] == {"value": {"text": text}}
    assert (await execution.shown())["input"] == {"text": text}
