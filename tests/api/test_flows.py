"""Flows over HTTP: create, read, change, delete."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.platform import Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())


async def test_a_new_flow_is_a_draft_in_version_1(platform: Platform) -> None:
    definition = a_flow(task("a"))

    response = await platform.client.post(
        "/api/flows",
        json={
            "display_name": "Invoices",
            "description": "Reads them",
            "definition": definition,
            "visibility": "organization",
            "settings": {"ttl": {"seconds": 3600}},
            "tags": ["b", "a", "b"],
            "version": 7,
        },
    )

    flow = response.json()
    assert response.status_code == 201
    assert flow["definition"] == definition
    assert flow["tags"] == ["b", "a"]
    assert flow["settings"] == {
        "ttl": {"seconds": 3600},
        "reexecute_on_update": False,
        "review_view_id": None,
        "triggers_paused": False,
    }
    assert flow == {
        **flow,
        "display_name": "Invoices",
        "description": "Reads them",
        "version": 1,
        "status": "draft",
        "is_latest": True,
        "organization_id": platform.organization_id,
        "modified_by": "service-account",
        "flow_executions_count": 0,
        "latest_version_executions_count": None,
        "task_names": None,
        "validation_errors": None,
        "deleted": False,
    }
    assert (await platform.client.get(f"/api/flows/{flow['id']}")).json() == flow


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, ["body", "display_name"]),
        ({"display_name": "", "definition": {}}, ["body", "display_name"]),
        ({"display_name": "x" * 256, "definition": {}}, ["body", "display_name"]),
        ({"display_name": "x"}, ["body", "definition"]),
        ({"display_name": "x", "definition": []}, ["body", "definition"]),
        (
            {"display_name": "x", "definition": {}, "description": "y" * 5001},
            ["body", "description"],
        ),
        ({"display_name": "x", "definition": {}, "tags": [1]}, ["body", "tags", 0]),
        (
            {"display_name": "x", "definition": {}, "settings": {"ttl": {"seconds": 59}}},
            ["body", "settings", "ttl", "seconds"],
        ),
        (
            {"display_name": "x", "definition": {}, "settings": {"review_view_id": "no"}},
            ["body", "settings", "review_view_id"],
        ),
    ],
)
async def test_a_body_that_does_not_fit_names_the_place_in_both_shapes(
    platform: Platform, body: Json, location: list[JsonValue]
) -> None:
    response = await platform.client.post("/api/flows", json=body)

    assert response.status_code == 422
    refusal = response.json()
    assert refusal["error"]["message"] == "Request validation failed"
    assert location in [problem["loc"] for problem in refusal["error"]["details"]]
    assert location in [problem["loc"] for problem in refusal["detail"]]


async def test_a_display_name_is_taken_until_its_flow_is_deleted(
    platform: Platform, stranger: Platform
) -> None:
    first = await platform.flow(a_flow(), display_name="Mine")
    body = {"display_name": "Mine", "definition": a_flow()}

    refused = await platform.client.post("/api/flows", json=body)
    other_organization = await stranger.client.post("/api/flows", json=body)
    await platform.client.delete(f"/api/flows/{first['id']}")
    again = await platform.client.post("/api/flows", json=body)

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert other_organization.status_code == 201
    assert again.status_code == 201


async def test_of_many_flows_created_at_once_with_one_name_one_is_stored(
    platform: Platform,
) -> None:
    body = {"display_name": "Race", "definition": a_flow()}

    answers = await asyncio.gather(
        *(platform.client.post("/api/flows", json=body) for _ in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]


async def test_a_patch_changes_what_it_names_and_makes_no_version(platform: Platform) -> None:
    flow = await platform.flow(a_flow(), display_name="Old", description="d", tags=["t"])
    path = f"/api/flows/{flow['id']}"

    renamed = await platform.client.patch(path, json={"display_name": "New"})
    cleared = await platform.client.patch(
        path, json={"description": None, "settings": {"reexecute_on_update": True}, "tags": []}
    )

    assert renamed.json()["display_name"] == "New"
    assert renamed.json()["description"] == "d"
    assert cleared.json() == {
        **renamed.json(),
        "description": None,
        "settings": {
            "ttl": {"seconds": None},
            "reexecute_on_update": True,
            "review_view_id": None,
            "triggers_paused": False,
        },
        "tags": [],
        "updated_at": cleared.json()["updated_at"],
    }
    assert cleared.json()["updated_at"] > flow["updated_at"]
    assert cleared.json()["version"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "archived"}, 400),
        ({"status": None}, 400),
        ({"display_name": ""}, 422),
        ({"settings": 1}, 422),
    ],
)
async def test_a_patch_that_makes_no_sense_changes_nothing(
    platform: Platform, body: Json, status: int
) -> None:
    flow = await platform.flow(a_flow())
    path = f"/api/flows/{flow['id']}"

    response = await platform.client.patch(path, json=body)

    assert response.status_code == status
    assert (await platform.client.get(path)).json() == flow


async def test_renaming_to_a_taken_name_is_a_conflict(platform: Platform) -> None:
    await platform.flow(a_flow(), display_name="Taken")
    flow = await platform.flow(a_flow())

    response = await platform.client.patch(
        f"/api/flows/{flow['id']}", json={"display_name": "Taken"}
    )

    assert response.status_code == 409


async def test_a_deleted_flow_is_gone_for_everyone(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    path = f"/api/flows/{flow['id']}"

    first = await platform.client.delete(path)
    second = await platform.client.delete(path)

    assert (first.status_code, second.status_code) == (204, 404)
    assert (await platform.client.get(path)).status_code == 404
    assert (await platform.client.get(f"{path}/versions")).status_code == 404
    assert (await platform.client.get("/api/flows")).json()["flows"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("GET", "/clone-info", None),
        ("GET", "/versions", None),
        ("GET", "/versions/summary", None),
        ("GET", "/versions/1", None),
        ("PATCH", "/versions/1", {}),
        ("POST", "/versions/1/restore", None),
        ("GET", "/versions/1/summary", None),
        ("PUT", "/definition", {"definition": {"tasks": []}}),
        ("PUT", "/task", task("a")),
        ("POST", "/validate", {"definition": {}}),
    ],
)
async def test_an_unknown_flow_is_404_and_a_malformed_id_422(
    platform: Platform, method: str, path: str, body: Json | None
) -> None:
    unknown = await platform.client.request(method, f"/api/flows/{GHOST}{path}", json=body)
    malformed = await platform.client.request(method, f"/api/flows/no-id{path}", json=body)

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert malformed.status_code == 422
    assert malformed.json()["detail"][0]["type"] == "uuid_parsing"


async def test_clone_info_names_what_is_fed_from_outside(platform: Platform) -> None:
    flow = await platform.flow(a_flow())

    response = await platform.client.get(f"/api/flows/{flow['id']}/clone-info")

    assert response.json() == {"has_external_input_tasks": False, "external_input_task_names": []}
