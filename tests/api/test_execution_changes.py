"""Cancelling, deleting, overwriting and running again, while nobody runs anything."""

from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.platform import Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())


async def test_run_numbers_count_creations_deleted_ones_included(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    executions = [await platform.started(flow["id"]) for _ in range(3)]
    await platform.client.delete(executions[1].path)
    fourth = await platform.started(flow["id"])

    numbers = [
        (await each.shown(include_run_number=True))["run_number"]
        for each in (executions[0], executions[2], fourth)
    ]

    assert numbers == [1, 3, 4]
    assert (await fourth.shown())["run_number"] is None


async def test_deleting_hides_an_execution_and_can_be_repeated(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    execution = await platform.started(flow["id"])

    first = await platform.client.delete(execution.path)
    second = await platform.client.delete(execution.path)

    listed = await platform.client.get("/api/flow-executions", params={"flow_id": str(flow["id"])})
    assert (first.status_code, second.status_code) == (204, 204)
    assert (await platform.client.get(execution.path)).status_code == 404
    assert listed.json() == []
    for call in ("cancel", "execute"):
        assert (await platform.client.post(f"{execution.path}/{call}")).status_code == 404


async def test_cancelling_is_recorded_at_once_and_can_be_repeated(platform: Platform) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])

    answers = [await platform.client.post(f"{execution.path}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await execution.shown())["status"] in ("cancel_requested", "cancelled")


@pytest.mark.parametrize(
    "statuses",
    [
        ["in_progress", "awaiting_input", "running", "failed", "stale"],
        ["completed", "edited", "stale"],
        ["cancel_requested", "cancelled"],
    ],
)
async def test_a_status_may_be_followed_by_another(platform: Platform, statuses: list[str]) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])

    for status in statuses:
        response = await platform.client.patch(
            f"{execution.path}/status", params={"status": status}
        )
        assert (response.status_code, response.json()["status"]) == (200, status)

    assert (await execution.shown())["status"] == statuses[-1]


@pytest.mark.parametrize("late", ["queued", "running", "in_progress", "failed", "cancelled"])
async def test_a_report_that_comes_too_late_changes_nothing(platform: Platform, late: str) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])
    path = f"{execution.path}/status"
    await platform.client.patch(path, params={"status": "completed"})

    response = await platform.client.patch(path, params={"status": late})

    assert (response.status_code, response.json()["status"]) == (200, "completed")


async def test_setting_the_status_deleted_deletes(platform: Platform) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])
    path = f"{execution.path}/status"

    response = await platform.client.patch(path, params={"status": "deleted"})

    assert (response.status_code, response.json()["status"]) == (200, "deleted")
    assert (await platform.client.get(execution.path)).status_code == 404
    assert (await platform.client.patch(path, params={"status": "running"})).status_code == 404


@pytest.mark.parametrize("parameters", [{}, {"status": "finished"}, {"status": ""}])
async def test_a_status_must_be_one_that_we_know(
    platform: Platform, parameters: dict[str, str]
) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])

    response = await platform.client.patch(f"{execution.path}/status", params=parameters)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "status"]


async def test_running_again_keeps_id_and_number_and_takes_the_latest_version(
    platform: Platform,
) -> None:
    flow = await platform.flow(a_flow(task("a")))
    execution = await platform.started(flow["id"])
    before = await execution.shown(include_run_number=True)
    await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": a_flow(task("b"))}
    )

    response = await platform.client.post(f"{execution.path}/execute")

    after = await execution.shown(include_run_number=True)
    assert response.status_code == 204
    assert (after["flow_version"], after["run_number"]) == (2, 1)
    assert after["created_at"] == before["created_at"]
    assert after["status"] in ("queued", "running")


async def test_what_would_discard_results_by_mistake_is_refused(platform: Platform) -> None:
    execution = await platform.started((await platform.flow(a_flow(task("a"))))["id"])
    before = await execution.until("running")

    response = await platform.client.post(f"{execution.path}/execute", json={"only_stale": True})

    assert response.status_code == 422
    (fault,) = response.json()["error"]["details"]
    assert (fault["loc"], fault["msg"]) == (
        ["body", "only_stale"],
        "only_stale is a query parameter",
    )
    assert await execution.shown() == before
    for body in (b"{}", b"null", b"[]", b"nonsense", b"\xff", b"[" * 100_000, b"1" * 5_000):
        again = await platform.client.post(f"{execution.path}/execute", content=body)
        assert again.status_code == 204, body[:9]


async def test_a_version_that_cannot_run_on_the_input_is_a_conflict(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    execution = await platform.started(flow["id"])
    file: Json = {"name": "start", "task_executor_name": "receive_file"}
    await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": {"tasks": [file]}}
    )

    response = await platform.client.post(f"{execution.path}/execute")

    assert (response.status_code, response.json()["error"]["code"]) == (409, "conflict")
    assert (await execution.shown())["flow_version"] == 1
