"""What programs report on tasks that they ran, and how it stands beside what the workflow ran."""

import asyncio
from typing import cast
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.documents import a_flow, task
from tests.support.platform import Execution, Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())
NOON = "2026-01-01T12:00:00Z"


@pytest.fixture
async def execution(platform: Platform) -> Execution:
    """An execution whose tasks nobody runs but the tests."""
    flow = await platform.flow(a_flow(task("a"), task("b")))
    return await platform.started(flow["id"])


async def posted(execution: Execution, **fields: JsonValue) -> httpx.Response:
    body: Json = {"flow_execution_id": execution.id, "task_name": "a", "task_execution_idx": 0}
    return await execution.client.post("/api/task-executions", json={**body, **fields})


async def reported(execution: Execution, **fields: JsonValue) -> Json:
    response = await posted(execution, **fields)
    assert response.status_code == 201, response.text
    return cast(Json, response.json())


async def told(execution: Execution, *words: tuple[str, str | None]) -> httpx.Response:
    statuses = [{"task_name": name, "status": word} for name, word in words]
    return await execution.client.post(f"{execution.path}/task-status", json={"statuses": statuses})


async def output_of(execution: Execution, task_name: str = "a") -> Json:
    rows = (await execution.client.get("/api/task-outputs")).json()
    (found,) = [
        row
        for row in rows
        if (row["flow_execution_id"], row["task_name"]) == (execution.id, task_name)
    ]
    return cast(Json, found)


async def test_a_report_is_shown_as_it_was_sent(platform: Platform, execution: Execution) -> None:
    source: JsonValue = {"root": {"task_name": "b", "task_execution_idx": 0}, "fields": {}}

    row = await reported(
        execution,
        processing_status="completed",
        input={"p": 1},
        output={"text": "x"},
        source_task_executions=source,
        started_at=NOON,
        completed_at=NOON,
    )

    assert row == {
        "id": row["id"],
        "flow_execution_id": execution.id,
        "task_execution_idx": 0,
        "task_name": "a",
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "modified_by": "service-account",
        "status": "completed",
        "processing_status": "completed",
        "edited_status": "not_edited",
        "stale_status": "consistent",
        "input": {"p": 1},
        "output": {"text": "x"},
        "error": None,
        "organization_id": platform.organization_id,
        "source_task_executions": source,
        "started_at": "2026-01-01T12:00:00Z",
        "completed_at": "2026-01-01T12:00:00Z",
        "credits": None,
    }
    assert (await execution.client.get(f"/api/task-executions/{row['id']}")).json() == row
    assert {**row, "tags": []} in await execution.task_executions()


async def test_the_same_place_is_the_same_row(execution: Execution) -> None:
    running = await reported(execution, status="running", input={"p": 1}, started_at=NOON)
    completed = await reported(execution, status="completed", output=7)
    again = await reported(execution, status="completed", output=8)
    retry = await reported(execution, status="running", task_execution_idx=1)

    assert running["id"] == completed["id"] == again["id"] != retry["id"]
    assert (again["input"], again["started_at"]) == ({"p": 1}, running["started_at"])
    assert (again["output"], again["created_at"]) == (8, running["created_at"])
    rows = await execution.task_executions(task_name="a")
    assert [row["task_execution_idx"] for row in rows] == [1, 0]


async def test_reports_at_once_make_one_row(execution: Execution) -> None:
    rows = await asyncio.gather(
        *(reported(execution, status=word) for word in ("queued", "running", "completed") * 3)
    )

    assert len({row["id"] for row in rows}) == 1
    (shown,) = await execution.task_executions(task_name="a")
    assert shown["status"] == "completed"


async def test_a_late_report_adds_what_was_missing_and_takes_nothing_back(
    execution: Execution,
) -> None:
    await reported(execution, status="completed", output=7)
    late = await reported(execution, status="running", input={"p": 1}, started_at=NOON, output=9)
    later = await reported(execution, status="queued", input={"p": 2})
    failed = await reported(execution, status="failed", error={"message": "no"})

    assert (late["status"], late["output"], late["input"]) == ("completed", 7, {"p": 1})
    assert late["started_at"] is not None
    assert (later["input"], failed["status"], failed["error"]) == ({"p": 1}, "completed", None)


@pytest.mark.parametrize(
    ("status", "output", "error"),
    [
        ("running", None, None),
        ("completed", 1, None),
        ("failed", None, {"message": "no"}),
        ("cancelled", None, None),
        ("awaiting_input", None, None),
    ],
)
async def test_output_is_kept_with_completed_and_error_with_failed(
    execution: Execution, status: str, output: JsonValue, error: JsonValue
) -> None:
    row = await reported(execution, status=status, output=1, error={"message": "no"})

    assert (row["status"], row["output"], row["error"]) == (status, output, error)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "running", "processing_status": "running"}, 201),
        ({"status": "running", "processing_status": "queued"}, 400),
        ({"status": "deleted"}, 400),
        ({"status": "stale"}, 400),
        ({"processing_status": "finished"}, 400),
        ({}, 422),
        ({"status": None}, 422),
        ({"status": 1}, 422),
        ({"status": "running", "task_execution_idx": -1}, 422),
        ({"status": "running", "task_name": ""}, 422),
        ({"status": "running", "task_name": "nobody"}, 400),
        ({"status": "running", "flow_execution_id": GHOST}, 404),
        ({"status": "running", "flow_execution_id": "x"}, 422),
        ({"status": "running", "started_at": "noon"}, 422),
        ({"status": "completed", "terminal_task_status": "cancelled"}, 422),
        ({"status": "running", "generation": 1}, 201),
        ({"status": "running", "generation": 2}, 400),
    ],
)
async def test_words_and_places_are_checked(
    execution: Execution, fields: Json, status: int
) -> None:
    response = await posted(execution, **fields)

    assert response.status_code == status, response.text


async def test_nothing_is_reported_on_what_is_deleted(execution: Execution) -> None:
    await execution.client.delete(execution.path)

    assert (await posted(execution, status="running")).status_code == 404
    assert (await told(execution, ("a", "running"))).status_code == 404


async def test_a_report_on_an_earlier_run_is_refused(execution: Execution) -> None:
    before = await reported(execution, status="running", generation=1)
    await execution.client.post(f"{execution.path}/execute")

    refused = await posted(execution, status="completed", output=1, generation=1)
    after = await reported(execution, status="running", generation=2)

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert after["id"] != before["id"]
    (shown,) = await execution.task_executions(task_name="a")
    assert (shown["id"], shown["status"]) == (after["id"], "running")


async def test_a_last_report_ends_its_task_together_with_its_data(execution: Execution) -> None:
    await reported(execution, status="completed", output="x", task_execution_idx=0)
    await reported(execution, status="running", task_execution_idx=1)
    assert (await output_of(execution))["status"] == "running"

    await reported(
        execution,
        status="completed",
        output="y",
        task_execution_idx=1,
        terminal_task_status="completed",
    )

    shown = await output_of(execution)
    assert (shown["status"], shown["output"]) == ("completed", "y")


async def test_what_the_workflow_ran_takes_no_report(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a")))
    (before,) = await execution.task_executions(task_name="a")
    of_task = await output_of(execution)

    row = await reported(execution, status="failed", error={"message": "no"})
    other = await reported(execution, status="completed", output="mine", task_execution_idx=7)
    await told(execution, ("a", "running"))

    assert {**row, "tags": []} == before
    assert other["output"] == "mine"
    shown = await output_of(execution)
    assert (shown["status"], shown["output"]) == ("completed", of_task["output"])
    assert (await execution.shown())["status"] == "completed"


async def test_statuses_are_answered_in_order_with_the_nearest_word(
    api: Api, platform: Platform, execution: Execution
) -> None:
    words = [("a", "running"), ("b", "skipped"), ("a", None), ("b", "COMPLETED "), ("a", "?")]

    response = await told(execution, *words)

    assert response.status_code == 200, response.text
    rows = response.json()
    assert [(row["task_name"], row["status"]) for row in rows] == [
        ("a", "running"),
        ("b", "completed"),
        ("a", "queued"),
        ("b", "completed"),
        ("a", "running"),
    ]
    assert len({row["id"] for row in rows}) == 5
    assert {row["organization_id"] for row in rows} == {platform.organization_id}
    of_execution = {"execution_id": execution.id}
    stored = api.database["task_statuses"].find(of_execution).sort("position", 1)
    assert [(note["task_name"], note["word"]) async for note in stored] == words
    assert (await output_of(execution, "a"))["status"] == "running"
    assert (await output_of(execution, "b"))["status"] == "completed"


async def test_a_task_is_not_shown_completed_before_its_data(execution: Execution) -> None:
    await told(execution, ("a", "completed"))
    early = await output_of(execution)
    await reported(execution, status="completed", output=7)
    whole = await output_of(execution)

    assert (early["status"], early["output"]) == ("running", None)
    assert (whole["status"], whole["output"]) == ("completed", 7)


async def test_an_execution_awaits_input_while_a_task_of_it_does(execution: Execution) -> None:
    await told(execution, ("a", "awaiting_input"), ("b", "running"))
    assert (await execution.shown())["status"] == "awaiting_input"

    await reported(execution, task_name="b", status="awaiting_input")
    await told(execution, ("a", "completed"))
    assert (await execution.shown())["status"] == "awaiting_input"

    await reported(execution, task_name="b", status="completed", output=1)
    assert (await execution.shown())["status"] == "in_progress"


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_holds_one_to_a_hundred_statuses(execution: Execution, count: int) -> None:
    assert (await told(execution, *[("a", "running")] * count)).status_code == 422


async def test_a_batch_with_an_unknown_task_writes_nothing(api: Api, execution: Execution) -> None:
    response = await told(execution, ("a", "running"), ("nobody", "running"))

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")
    assert await api.database["task_statuses"].count_documents({"execution_id": execution.id}) == 0


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("org_admin", 403),
        ("app_user", 403),
        ("publisher", 403),
        ("worker", 200),
        ("integration", 200),
    ],
)
async def test_only_machines_report_statuses(
    api: Api, platform: Platform, execution: Execution, role: str, status: int
) -> None:
    person = await api.person(platform.organization_id, role=role)

    response = await told(Execution(person.client, execution.id), ("a", "running"))

    assert response.status_code == status


async def test_a_posted_output_is_replaced_by_the_next(
    platform: Platform, execution: Execution
) -> None:
    body: Json = {
        "flow_execution_id": execution.id,
        "task_name": "a",
        "organization_id": platform.organization_id,
    }

    async def post(**fields: JsonValue) -> Json:
        response = await platform.client.post("/api/task-outputs", json={**body, **fields})
        assert response.status_code == 201, response.text
        return cast(Json, response.json())

    first = await post(summary="s", tags=["kind:a", "b"], processing_status="running")
    second = await post(summary=[1], output={"x": 1}, processing_status="completed")
    late = await post(summary="late", tags={"kind": ["c", 1]})
    failed = await post(summary="bad", error="no", processing_status="failed")

    assert first == {
        **body,
        "id": first["id"],
        "summary": "s",
        "output": None,
        "tags": ["kind:a", "b"],
        "status": "running",
        "processing_status": "running",
        "edited_status": "not_edited",
        "stale_status": "consistent",
        "error": None,
        "created_at": first["created_at"],
        "updated_at": first["updated_at"],
        "modified_by": "service-account",
        "flow_version": 1,
    }
    assert (second["id"], second["summary"], second["tags"]) == (first["id"], [1], None)
    assert (late["summary"], late["status"], late["output"]) == ("late", "completed", {"x": 1})
    assert (failed["status"], failed["error"]) == ("failed", {"message": "no"})
    assert (await platform.client.get(f"/api/task-outputs/{first['id']}")).json() == failed


async def test_executions_are_found_by_the_tags_of_posted_outputs(
    platform: Platform, execution: Execution
) -> None:
    flow_id = str((await execution.shown())["flow_id"])
    body: Json = {
        "flow_execution_id": execution.id,
        "task_name": "a",
        "organization_id": platform.organization_id,
        "summary": None,
    }

    async def found(tag: str) -> list[str]:
        response = await platform.client.get(
            "/api/flow-executions", params={"flow_id": flow_id, "tags": tag}
        )
        return [each["id"] for each in response.json()]

    await platform.client.post("/api/task-outputs", json={**body, "tags": {"kind": ["c", 1]}})
    assert await found("kind:c") == await found("kind:1") == [execution.id]

    await platform.client.post("/api/task-outputs", json={**body, "tags": ["plain"]})
    tags = await platform.client.get(f"/api/flows/{flow_id}/tags")
    assert await found("kind:c") == []
    assert await found("plain") == [execution.id]
    assert tags.json() == ["plain"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"organization_id": GHOST}, 404),
        ({"flow_execution_id": GHOST}, 404),
        ({"task_name": "nobody"}, 400),
        ({"tags": [1]}, 400),
        ({"processing_status": "deleted"}, 400),
        ({"processing_status": "done"}, 422),
        ({"edited_status": "edited_reexecuted"}, 422),
    ],
)
async def test_posted_outputs_are_checked(
    platform: Platform, execution: Execution, fields: Json, status: int
) -> None:
    body: Json = {
        "flow_execution_id": execution.id,
        "task_name": "a",
        "organization_id": platform.organization_id,
        "summary": None,
    }

    response = await platform.client.post("/api/task-outputs", json={**body, **fields})

    assert response.status_code == status, response.text


async def test_of_what_the_workflow_ran_summary_and_tags_are_taken(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a")))
    before = await output_of(execution)
    body: Json = {
        "flow_execution_id": execution.id,
        "task_name": "a",
        "organization_id": working.organization_id,
        "summary": "short",
        "output": "mine",
        "tags": ["t"],
        "processing_status": "failed",
    }

    response = await working.client.post("/api/task-outputs", json=body)

    shown = response.json()
    assert (shown["summary"], shown["tags"]) == ("short", ["t"])
    assert (shown["status"], shown["output"]) == ("completed", before["output"])


async def test_running_again_discards_what_was_reported(working: Platform) -> None:
    slow = task("slow", edges=[])
    failing: Json = {
        "name": "bad",
        "task_executor_name": "python_code",
        "parameters": {"code": "result = 1 / 0", "input_data": "{{start.text}}"},
    }
    execution = await working.ended(a_flow(failing, task("after", reads="bad"), slow))
    await reported(execution, task_name="after", status="completed", output="by hand")
    assert (await output_of(execution, "after"))["output"] == "by hand"

    await execution.client.post(f"{execution.path}/execute")
    await execution.until("failed")

    assert await execution.task_executions(task_name="after") == []
    names = {row["task_name"] for row in (await working.client.get("/api/task-outputs")).json()}
    assert "after" not in names
