"""Flow executions over HTTP, as long as nobody runs them."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import START, a_flow, task
from tests.support.platform import Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())


async def test_an_execution_is_recorded_with_the_flows_version_and_its_input(
    platform: Platform,
) -> None:
    flow = await platform.flow(a_flow(task("a")))
    big = 123456789012345678901234567890
    sent: Json = {"text": "héllo", "anything": {"$a.b": [1, 2.5, None, big], "": {"z": 1, "a": 2}}}

    response = await platform.client.post(
        "/api/flow-executions", json={"flow_id": flow["id"], "input": sent, "unknown": 1}
    )

    created = response.json()
    assert response.status_code == 201
    assert created == {
        **created,
        "flow_id": flow["id"],
        "flow_version": 1,
        "input": sent,
        "organization_id": platform.organization_id,
        "modified_by": "service-account",
        "pricing_config_id": None,
        "total_credits": None,
        "triggered_task_executor_name": None,
        "error": None,
    }
    assert created["status"] in ("queued", "running")
    shown = (await platform.client.get(f"/api/flow-executions/{created['id']}")).json()
    assert shown == {
        **created,
        "run_number": None,
        "status": "running",
        "updated_at": shown["updated_at"],
    }


async def test_drafts_and_published_flows_both_run(platform: Platform) -> None:
    flow = await platform.flow(a_flow())

    draft = await platform.started(flow["id"])
    await platform.client.patch(f"/api/flows/{flow['id']}", json={"status": "published"})
    published = await platform.started(flow["id"])

    assert (await draft.shown())["flow_version"] == 1
    assert (await published.shown())["flow_version"] == 1


async def test_a_later_version_does_not_reach_an_execution(platform: Platform) -> None:
    flow = await platform.flow(a_flow(task("a")))
    before = await platform.started(flow["id"])
    await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": a_flow(task("b"))}
    )
    after = await platform.started(flow["id"])

    assert (await before.shown())["flow_version"] == 1
    assert (await after.shown())["flow_version"] == 2


@pytest.mark.parametrize(
    ("input", "location"),
    [
        ({}, "text"),
        ({"text": 7}, "text"),
        ({"text": "x", "more": 1}, "more"),
        ({"text": None}, "text"),
    ],
)
async def test_input_that_does_not_fit_is_refused_and_leaves_nothing(
    platform: Platform, input: Json, location: str
) -> None:
    flow = await platform.flow(a_flow())

    refused = await platform.client.post(
        "/api/flow-executions", json={"flow_id": flow["id"], "input": input}
    )
    accepted = await platform.started(flow["id"])

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "bad_request")
    assert {"type", "loc", "msg"} <= set(error["details"][0])
    assert location in str(error["details"])
    assert (await accepted.shown(include_run_number=True))["run_number"] == 1


async def test_an_empty_flow_can_be_stored_and_not_run(platform: Platform) -> None:
    flow = await platform.flow({"tasks": []})

    response = await platform.client.post(
        "/api/flow-executions", json={"flow_id": flow["id"], "input": {}}
    )

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"input": {}}, ["body", "flow_id"]),
        ({"flow_id": GHOST}, ["body", "input"]),
        ({"flow_id": "x", "input": {}}, ["body", "flow_id"]),
        ({"flow_id": 1, "input": {}}, ["body", "flow_id"]),
        ({"flow_id": GHOST, "input": []}, ["body", "input"]),
        ({"flow_id": GHOST, "input": {}, "input_task_name": 1}, ["body", "input_task_name"]),
        ([], ["body"]),
        ("text", ["body"]),
        (None, ["body"]),
    ],
)
async def test_a_body_that_does_not_fit_is_422(
    platform: Platform, body: JsonValue, location: list[str]
) -> None:
    response = await platform.client.post("/api/flow-executions", json=body)

    assert response.status_code == 422
    assert location in [problem["loc"] for problem in response.json()["detail"]]


async def test_an_unknown_flow_is_404(platform: Platform) -> None:
    response = await platform.client.post(
        "/api/flow-executions", json={"flow_id": GHOST, "input": {}}
    )

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", [None, "start", "nobody", ""])
async def test_with_one_input_task_its_name_is_optional_but_must_be_right(
    platform: Platform, name: str | None
) -> None:
    flow = await platform.flow(a_flow())
    body = {"flow_id": flow["id"], "input": {"text": "x"}, "input_task_name": name}

    response = await platform.client.post("/api/flow-executions", json=body)

    assert response.status_code == (201 if name in (None, "start") else 400)


async def test_with_several_input_tasks_one_must_be_named(platform: Platform) -> None:
    other: Json = {"name": "file", "task_executor_name": "receive_file"}
    flow = await platform.flow({"tasks": [START, other]})
    body: Json = {"flow_id": flow["id"], "input": {"document_url": "http://example.com/a.pdf"}}

    unnamed = await platform.client.post("/api/flow-executions", json=body)
    named = await platform.client.post(
        "/api/flow-executions", json={**body, "input_task_name": "file"}
    )

    assert unnamed.status_code == 400
    assert named.status_code == 201
    assert named.json()["triggered_task_executor_name"] == "receive_file"


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


async def test_executions_created_at_once_get_numbers_of_their_own(platform: Platform) -> None:
    flow = await platform.flow(a_flow())

    started = await asyncio.gather(*(platform.started(flow["id"]) for _ in range(12)))

    shown = await asyncio.gather(*(each.shown(include_run_number=True) for each in started))
    assert sorted(each["run_number"] for each in shown) == list(range(1, 13))  # type: ignore[type-var]  # all int


async def test_the_same_key_and_body_give_the_same_execution(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    body: Json = {"flow_id": flow["id"], "input": {"text": "x"}}
    reordered: Json = {"input": {"text": "x"}, "flow_id": flow["id"]}
    key = {"Idempotency-Key": str(uuid4())}

    first = await platform.client.post("/api/flow-executions", json=body, headers=key)
    again = await platform.client.post("/api/flow-executions", json=reordered, headers=key)
    other = await platform.client.post(
        "/api/flow-executions",
        json={**body, "input": {"text": "y"}},
        headers=key,
    )

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")


async def test_a_key_used_by_many_at_once_makes_one_execution(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    key = str(uuid4())

    started = await asyncio.gather(*(platform.started(flow["id"], key=key) for _ in range(10)))

    listed = await platform.client.get("/api/flow-executions", params={"flow_id": str(flow["id"])})
    assert len({execution.id for execution in started}) == 1
    assert len(listed.json()) == 1


async def test_a_key_belongs_to_an_organization(platform: Platform, stranger: Platform) -> None:
    ours, theirs = await platform.flow(a_flow()), await stranger.flow(a_flow())
    key = str(uuid4())

    first = await platform.started(ours["id"], key=key)
    second = await stranger.started(theirs["id"], key=key)

    assert first.id != second.id


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_an_idempotency_key_has_a_sensible_length(platform: Platform, key: str) -> None:
    flow = await platform.flow(a_flow())
    body: Json = {"flow_id": flow["id"], "input": {"text": "x"}}

    response = await platform.client.post(
        "/api/flow-executions", json=body, headers={"Idempotency-Key": key}
    )

    assert response.status_code == 422


async def test_a_refused_creation_does_not_use_up_its_key(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    key = {"Idempotency-Key": str(uuid4())}
    body: Json = {"flow_id": flow["id"], "input": {}}

    refused = await platform.client.post("/api/flow-executions", json=body, headers=key)
    accepted = await platform.client.post(
        "/api/flow-executions", json={**body, "input": {"text": "x"}}, headers=key
    )

    assert (refused.status_code, accepted.status_code) == (400, 201)


async def test_a_malformed_id_is_400_on_get_and_422_elsewhere(platform: Platform) -> None:
    path = "/api/flow-executions/not-a-uuid"

    get = await platform.client.get(path)
    others = [
        await platform.client.delete(path),
        await platform.client.post(f"{path}/cancel"),
        await platform.client.post(f"{path}/execute"),
        await platform.client.patch(f"{path}/status", params={"status": "completed"}),
    ]

    assert (get.status_code, get.json()["error"]["code"]) == (400, "bad_request")
    assert "invalid execution ID format" in get.json()["error"]["message"]
    assert [other.status_code for other in others] == [422] * 4


async def test_an_unknown_execution_is_404(platform: Platform) -> None:
    path = f"/api/flow-executions/{GHOST}"

    answers = [
        await platform.client.get(path),
        await platform.client.delete(path),
        await platform.client.post(f"{path}/cancel"),
        await platform.client.post(f"{path}/execute"),
        await platform.client.patch(f"{path}/status", params={"status": "completed"}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5


async def test_ids_are_found_in_any_spelling(platform: Platform) -> None:
    execution = await platform.started((await platform.flow(a_flow()))["id"])

    for spelling in (execution.id.upper(), execution.id.replace("-", ""), f"{{{execution.id}}}"):
        found = await platform.client.get(f"/api/flow-executions/{spelling}")
        assert found.json()["id"] == execution.id


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
