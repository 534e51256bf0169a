"""Flow executions over HTTP: creating and reading them, while nobody runs them."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import START, a_flow, task
from tests.support.platform import Execution, Platform

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
    shown = await Execution(platform.client, created["id"]).until("running")
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


async def test_executions_created_at_once_get_numbers_of_their_own(platform: Platform) -> None:
    flow = await platform.flow(a_flow())

    started = await asyncio.gather(*(platform.started(flow["id"]) for _ in range(12)))

    shown = await asyncio.gather(*(each.shown(include_run_number=True) for each in started))
    assert sorted(each["run_number"] for each in shown) == list(range(1, 13))  # type: ignore[type-var]  # all int


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


async def test_run_numbers_count_the_deleted_but_no_refusal_and_no_re_execution(
    platform: Platform,
) -> None:
    flow_id = str((await platform.flow(a_flow(task("a"))))["id"])
    first = await platform.started(flow_id)
    refused = await platform.client.post(
        "/api/flow-executions", json={"flow_id": flow_id, "input": {"text": 1}}
    )
    await platform.client.delete(first.path)
    second = await platform.started(flow_id)
    await platform.client.patch(f"{second.path}/status", params={"status": "completed"})
    again = await platform.client.post(f"{second.path}/execute")
    third = await platform.started(flow_id)

    assert refused.status_code == 400
    assert again.is_success, again.text
    shown = [await each.shown(include_run_number=True) for each in (second, third)]
    assert [each["run_number"] for each in shown] == [2, 3]
