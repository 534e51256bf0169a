"""The tables of statuses, row by row: which word leads to which, and what may be done from each."""

from typing import cast

import httpx
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow as a_receiving_flow
from tests.support.flow_builders import task as a_task
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.submissions import DATA, a_receiver, acknowledged, shown_waiting

WAY_TO = {
    "running": [],
    "in_progress": ["in_progress"],
    "awaiting_input": ["in_progress", "awaiting_input"],
    "completed": ["completed"],
    "failed": ["in_progress", "failed"],
    "cancel_requested": ["cancel_requested"],
    "cancelled": ["cancel_requested", "cancelled"],
    "edited": ["completed", "edited"],
    "stale": ["failed", "stale"],
}
"""What leads from a started execution to each word that is shown of one."""


async def one_of_each(platform: Platform) -> dict[str, Execution]:
    """Return an execution of one flow in each status; nobody runs them."""
    flow = await platform.flow(a_flow(task("a")))
    found: dict[str, Execution] = {}
    for wanted, way in WAY_TO.items():
        execution = found[wanted] = await platform.started(flow["id"])
        await execution.until("running")
        for word in way:
            answer = await platform.client.patch(
                f"{execution.path}/status", params={"status": word}
            )
            assert (answer.status_code, answer.json()["status"]) == (200, word)
    return found


async def test_each_status_is_shown_listed_run_again_and_deleted(platform: Platform) -> None:
    found = await one_of_each(platform)
    flow_id = str((await found["running"].shown())["flow_id"])

    async def listed(**parameters: str) -> list[JsonValue]:
        answer = await platform.client.get(
            "/api/flow-executions", params={"flow_id": flow_id, **parameters}
        )
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()]

    for status, execution in found.items():
        before = await execution.shown(include_run_number=True)
        assert before["status"] == status
        assert await listed(status=status) == [execution.id]
        assert execution.id not in await listed(status_exclude=status)

    for status, execution in found.items():
        before = await execution.shown(include_run_number=True)
        again = await platform.client.post(f"{execution.path}/execute")
        assert again.status_code == 204, status
        after = await execution.until("running")
        kept = ("id", "created_at", "input", "flow_version")
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        shown = await execution.shown(include_run_number=True)
        assert shown["run_number"] == before["run_number"]

    for status, execution in (await one_of_each(platform)).items():
        assert (await platform.client.delete(execution.path)).status_code == 204, status
        assert (await platform.client.get(execution.path)).status_code == 404, status
        refused = await platform.client.post(f"{execution.path}/execute")
        assert refused.status_code == 404, status


async def test_cancelling_leads_on_from_what_runs_and_from_nothing_else(platform: Platform) -> None:
    for status, execution in (await one_of_each(platform)).items():
        runs = status in ("running", "in_progress", "awaiting_input")

        answer = await platform.client.post(f"{execution.path}/cancel")

        assert answer.status_code == 204
        shown = await execution.shown()
        assert shown["status"] == ("cancel_requested" if runs else status)


async def reported(execution: Execution, index: int, **fields: JsonValue) -> Json:
    body: Json = {
        "flow_execution_id": execution.id,
        "task_name": "a",
        "task_execution_idx": index,
        "input": {"of": "a"},
        "output": {"text": "x"},
        "error": {"message": "no", "type": "Broken", "traceback": ""},
    }
    answer = await execution.client.post("/api/task-executions", json={**body, **fields})
    assert answer.status_code == 201, answer.text
    return cast(Json, answer.json())


async def test_an_attempt_goes_through_its_words_in_order(platform: Platform) -> None:
    flow = await platform.flow(a_flow(task("a")))
    execution = await platform.started(flow["id"])
    ways = (
        ["queued", "running", "awaiting_input", "running", "completed"],
        ["queued", "running", "failed"],
        ["running", "cancel_requested", "cancelled"],
        ["queued", "cancelled"],
        ["awaiting_input", "cancel_requested", "cancelled"],
        ["awaiting_input", "completed"],
    )

    for index, way in enumerate(ways):
        seen = [await reported(execution, index, processing_status=word) for word in way]

        assert [row["status"] for row in seen] == [row["processing_status"] for row in seen] == way
        assert len({row["id"] for row in seen}) == 1
        for row in seen:
            assert (row["output"] is not None) == (row["status"] == "completed")
            assert (row["error"] is not None) == (row["status"] == "failed")
            assert row["input"] == {"of": "a"}


async def test_of_two_words_that_are_sent_back_the_longer_name_counts(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a"), task("b", reads="a")))
    (row,) = await execution.task_executions(task_name="a")

    async def put(**fields: JsonValue) -> httpx.Response:
        return await working.client.put("/api/task-executions", json={**row, **fields})

    ignored = await put(status="failed", output={"value": "hand"})
    refused = await put(status="completed", processing_status="failed", output={"value": "foot"})
    row.pop("status")
    row.pop("processing_status")
    neither = await put(output={"value": "nobody"})

    assert (ignored.status_code, ignored.json()["output"]) == (200, {"value": "hand"})
    assert (refused.status_code, neither.status_code) == (400, 422)
    (shown,) = await execution.task_executions(task_name="a")
    assert shown["output"] == {"value": "hand"}


async def test_a_flow_that_changes_while_it_runs_reaches_only_what_runs_again(
    working: Platform,
) -> None:
    def asking_and_saying(text: str) -> Json:
        return a_receiving_flow(
            a_receiver(),
            a_task("after", "format_data", {"template": {text: "{{ask.name}}"}}),
        )

    flow = await working.flow(asking_and_saying("before"))
    execution = await working.started(flow["id"])
    await shown_waiting(execution)
    changed = await working.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": asking_and_saying("since")}
    )
    assert changed.status_code == 200, changed.text

    await acknowledged(working, execution)
    ended = await execution.until(*CLOSED)
    outputs = await execution.outputs()
    assert (ended["status"], ended["flow_version"]) == ("completed", 1)
    assert outputs["after"] == {"before": DATA["name"]}

    again = await working.client.post(f"{execution.path}/execute")
    assert again.status_code == 204, again.text

    async def says_so() -> bool:
        return (await execution.outputs()).get("after") == {"since": DATA["name"]}

    await eventually(says_so, saying="the newer version has run")
    assert (await execution.until(*CLOSED))["flow_version"] == 2
