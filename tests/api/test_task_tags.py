"""Tags of tasks: batches that hold or leave nothing, and where tags are seen again."""

import asyncio
from typing import cast
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.platform import Execution, Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())


@pytest.fixture
async def execution(platform: Platform) -> Execution:
    flow = await platform.flow(a_flow(task("a"), task("b")))
    return await platform.started(flow["id"])


def a_change(execution: Execution | str, operation: str = "add", **fields: JsonValue) -> Json:
    of = execution if isinstance(execution, str) else execution.id
    defaults: Json = {"task_name": "a", "tag": "checked", "tag_type": "review"}
    return {"operation": operation, "flow_execution_id": of, **defaults, **fields}


async def changed(platform: Platform, *changes: Json) -> httpx.Response:
    return await platform.client.patch("/api/task-tags", json={"tags": [*changes]})


async def outcomes(platform: Platform, *changes: Json) -> list[str]:
    response = await changed(platform, *changes)
    assert response.status_code == 200, response.text
    return [item["status"] for item in response.json()["tags"]]


async def listed(platform: Platform, execution: Execution, **parameters: str) -> list[Json]:
    response = await platform.client.get(
        "/api/task-tags", params={"flow_execution_id": execution.id, **parameters}
    )
    assert response.status_code == 200, response.text
    return cast(list[Json], response.json())


async def test_a_batch_is_applied_in_order_and_later_changes_see_earlier_ones(
    platform: Platform, execution: Execution
) -> None:
    told = await outcomes(
        platform,
        a_change(execution),
        a_change(execution),
        a_change(execution, "remove"),
        a_change(execution, "remove"),
        a_change(execution),
        a_change(execution, "remove", tag="Checked"),
    )

    assert told == ["added", "already_exists", "removed", "not_found", "added", "not_found"]
    assert [tag["tag"] for tag in await listed(platform, execution)] == ["checked"]


async def test_a_tag_is_shown_whole_and_removed_softly(
    platform: Platform, execution: Execution
) -> None:
    await outcomes(platform, a_change(execution, tag_metadata={"by": ["x", 1]}))
    (shown,) = await listed(platform, execution)
    assert shown == {
        "id": shown["id"],
        "flow_execution_id": execution.id,
        "task_name": "a",
        "tag": "checked",
        "tag_type": "review",
        "tag_metadata": {"by": ["x", 1]},
        "status": "active",
        "created_at": shown["created_at"],
        "updated_at": shown["created_at"],
        "modified_by": "service-account",
        "organization_id": platform.organization_id,
    }

    await outcomes(platform, a_change(execution, "remove", tag_metadata={"by": ["x", 1]}))
    assert await listed(platform, execution) == []

    assert await outcomes(platform, a_change(execution, tag_metadata={"by": ["x", 1]})) == ["added"]
    (again,) = await listed(platform, execution)
    assert (again["id"], again["created_at"]) == (shown["id"], shown["created_at"])


async def test_other_metadata_make_another_tag_and_the_order_of_keys_does_not(
    platform: Platform, execution: Execution
) -> None:
    told = await outcomes(
        platform,
        a_change(execution, tag_metadata={"a": 1, "b": 2}),
        a_change(execution, tag_metadata={"b": 2, "a": 1}),
        a_change(execution, tag_metadata=None),
        a_change(execution),
        a_change(execution, "remove"),
        a_change(execution, tag_type="other"),
        a_change(execution, task_name="b"),
    )

    assert told == ["added", "already_exists", "added", "already_exists", "removed"] + ["added"] * 2
    found = [(t["tag_type"], t["tag_metadata"]) for t in await listed(platform, execution)]
    assert sorted(found, key=str) == [
        ("other", None),
        ("review", None),
        ("review", {"a": 1, "b": 2}),
    ]


async def test_any_error_leaves_nothing_of_a_batch(
    platform: Platform, stranger: Platform, execution: Execution
) -> None:
    theirs = await stranger.started((await stranger.flow(a_flow(task("a"))))["id"])
    gone = await platform.started((await execution.shown())["flow_id"])
    await platform.client.delete(gone.path)

    for other, status in (
        (a_change(GHOST), 404),
        (a_change(theirs), 404),
        (a_change(gone), 404),
        (a_change(execution, task_name="nobody"), 400),
        (a_change(execution, "change"), 422),
        (a_change(execution, tag=""), 422),
        (a_change(execution, tag="x" * 201), 422),
        (a_change(execution, tag_type="x" * 101), 422),
    ):
        response = await changed(platform, a_change(execution), other)
        assert response.status_code == status, response.text

    assert await listed(platform, execution) == []


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_holds_one_to_a_hundred_changes(
    platform: Platform, execution: Execution, count: int
) -> None:
    response = await changed(platform, *[a_change(execution, tag=str(n)) for n in range(count)])

    assert response.status_code == 422


async def test_batches_at_once_add_a_tag_once(platform: Platform, execution: Execution) -> None:
    everybody = [
        a_change(execution),
        a_change(execution, tag="second"),
    ]

    told = await asyncio.gather(*(outcomes(platform, *everybody) for _ in range(6)))

    assert sorted(told) == [["added"] * 2, *[["already_exists"] * 2] * 5]
    assert len(await listed(platform, execution)) == 2


async def test_tags_are_listed_by_execution_and_task(
    platform: Platform, stranger: Platform, execution: Execution
) -> None:
    await outcomes(platform, a_change(execution), a_change(execution, task_name="b", tag="late"))

    assert [tag["tag"] for tag in await listed(platform, execution)] == ["checked", "late"]
    assert [tag["tag"] for tag in await listed(platform, execution, task_name="b")] == ["late"]
    assert await listed(platform, execution, task_name="nobody") == []
    for client, of, status in (
        (platform.client, GHOST, 404),
        (stranger.client, execution.id, 404),
        (platform.client, "x", 422),
    ):
        refused = await client.get("/api/task-tags", params={"flow_execution_id": of})
        assert refused.status_code == status


async def test_tags_of_a_task_stand_on_each_of_its_executions(working: Platform) -> None:
    execution = await working.completed(a_flow(task("a"), task("b")))
    await outcomes(working, a_change(execution))

    rows = {row["task_name"]: row for row in await execution.task_executions()}

    tags = cast(list[Json], rows["a"]["tags"])
    assert [(tag["tag_type"], tag["tag"]) for tag in tags] == [("review", "checked")]
    assert rows["b"]["tags"] == []


async def test_executions_and_flows_are_found_by_tags(platform: Platform) -> None:
    flow = await platform.flow(a_flow(task("a"), task("b")))
    first, second = [await platform.started(flow["id"]) for _ in range(2)]
    await outcomes(
        platform,
        a_change(first),
        a_change(first, task_name="b", tag="late"),
        a_change(second, tag="late"),
    )

    async def found(*tags: str) -> list[str]:
        response = await platform.client.get(
            "/api/flow-executions", params={"flow_id": str(flow["id"]), "tags": [*tags]}
        )
        return [each["id"] for each in response.json()]

    async def words(**parameters: str) -> JsonValue:
        path = f"/api/flows/{flow['id']}/tags"
        return cast(JsonValue, (await platform.client.get(path, params=parameters)).json())

    assert await found("review:checked") == [first.id]
    assert await found("review:late", "review:checked") == [second.id, first.id]
    assert await words() == ["review:checked", "review:late"]
    assert await words(task_name="b") == ["review:late"]

    await outcomes(platform, a_change(first, "remove"))
    assert await found("review:checked") == []
    assert await words(task_name="a") == ["review:late"]

    await platform.client.delete(second.path)
    assert await found("review:late") == [first.id]
    assert await words(task_name="a") == []
    assert await words() == ["review:late"]
