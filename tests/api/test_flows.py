"""Flows over HTTP: create, read, list, change, delete."""

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
    ("definition", "detail"),
    [
        ({}, "tasks"),
        ({"tasks": "none"}, "tasks"),
        (
            {"tasks": [{"name": "a", "task_executor_name": "nonsense"}]},
            "tasks.0.task_executor_name",
        ),
        (a_flow(task("a"), task("a")), "tasks.2.name"),
        (a_flow(task("a"), edges=[{"source": "a", "target": "z"}]), "edges.0.target"),
        (a_flow(task("a", reads="b"), task("b", reads="a")), "circle"),
        (a_flow(task("a", reads="ghost")), "ghost"),
    ],
)
async def test_a_refused_definition_says_where_and_why(
    platform: Platform, definition: Json, detail: str
) -> None:
    response = await platform.client.post(
        "/api/flows", json={"display_name": "x", "definition": definition}
    )

    error = response.json()["error"]
    assert response.status_code == 400
    assert error["code"] == "invalid_dsl_input"
    assert any(detail in line for line in error["details"]), error["details"]
    assert (await platform.client.get("/api/flows")).json()["total"] == 0


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


async def test_expansions_are_computed_and_never_stored(platform: Platform) -> None:
    definition = a_flow(task("b", reads="a"), task("a"))
    flow = await platform.flow(definition)
    flags = {
        "include_ordered_task_names": True,
        "include_validation_errors": True,
        "include_dynamic_data": True,
        "include_output_schemas": True,
        "include_input_schema": True,
        "include_default_reference_modes": True,
    }

    expanded = (await platform.client.get(f"/api/flows/{flow['id']}", params=flags)).json()

    start, b, _ = expanded["definition"]["tasks"]
    assert expanded["task_names"] == ["start", "a", "b"]
    assert expanded["validation_errors"] == []
    assert "text" in start["input_schema"]["properties"]
    assert start["output_schema"]["type"] == "object"
    assert "input_schema" not in b
    assert b["default_reference_modes"] == {"template": "collection"}
    assert (await platform.client.get(f"/api/flows/{flow['id']}")).json()[
        "definition"
    ] == definition
    sent_back = await platform.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": expanded["definition"]}
    )
    assert sent_back.json()["definition"] == definition


async def test_a_draft_may_have_faults_that_forbid_running_it(platform: Platform) -> None:
    incomplete: Json = {"name": "a", "task_executor_name": "http_request", "parameters": {}}

    flow = await platform.flow(a_flow(incomplete))

    shown = await platform.client.get(
        f"/api/flows/{flow['id']}", params={"include_validation_errors": True}
    )
    faults = shown.json()["validation_errors"]
    assert ["tasks", 1, "parameters", "url"] in [fault["loc"] for fault in faults]
    run = await platform.client.post(
        "/api/flow-executions", json={"flow_id": flow["id"], "input": {"text": "x"}}
    )
    assert run.status_code == 400


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


async def test_only_drafts_change_and_publishing_goes_both_ways(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    path = f"/api/flows/{flow['id']}"
    changes = [
        ("PUT", f"{path}/definition", {"definition": a_flow(task("a"))}),
        ("PUT", f"{path}/task", task("a")),
    ]

    await platform.client.patch(path, json={"status": "published"})
    refused = [await platform.client.request(method, to, json=b) for method, to, b in changes]
    await platform.client.patch(path, json={"status": "draft"})
    accepted = [await platform.client.request(method, to, json=b) for method, to, b in changes]

    assert [answer.status_code for answer in refused] == [400, 400]
    assert [answer.json()["error"]["code"] for answer in refused] == ["bad_request"] * 2
    assert [answer.json()["version"] for answer in accepted] == [2, 3]


async def test_one_task_is_replaced_or_added_by_its_name(platform: Platform) -> None:
    flow = await platform.flow(a_flow(task("a")))
    path = f"/api/flows/{flow['id']}/task"

    replaced = await platform.client.put(path, json=task("a", template={"new": 1}))
    added = await platform.client.put(path, json=task("b", reads="a"))

    assert replaced.json()["definition"] == a_flow(task("a", template={"new": 1}))
    assert added.json()["definition"] == a_flow(
        task("a", template={"new": 1}), task("b", reads="a")
    )


@pytest.mark.parametrize("name", [None, "", 7])
async def test_a_task_without_a_name_is_refused(platform: Platform, name: JsonValue) -> None:
    flow = await platform.flow(a_flow())

    response = await platform.client.put(
        f"/api/flows/{flow['id']}/task", json={**task("a"), "name": name}
    )

    assert response.status_code == 400


async def test_a_refused_definition_leaves_the_old_one(platform: Platform) -> None:
    flow = await platform.flow(a_flow(task("a")))
    path = f"/api/flows/{flow['id']}"

    response = await platform.client.put(f"{path}/definition", json={"definition": {"tasks": 1}})

    assert response.status_code == 400
    assert (await platform.client.get(path)).json() == flow


async def test_validation_tells_everything_and_stores_nothing(platform: Platform) -> None:
    flow = await platform.flow(a_flow())
    path = f"/api/flows/{flow['id']}"
    cyclic = a_flow(task("a", reads="b"), task("b", reads="a"))
    flags = {
        "include_dynamic_data": True,
        "include_output_schemas": True,
        "include_default_reference_modes": True,
    }

    bad = await platform.client.post(f"{path}/validate", json={"definition": cyclic})
    good = await platform.client.post(
        f"{path}/validate", json={"definition": a_flow(task("a"))}, params=flags
    )

    assert bad.status_code == 200
    assert bad.json()["validation_errors"]
    assert bad.json()["ordered_task_names"] is None
    assert bad.json()["output_schemas"] is None
    assert good.json()["validation_errors"] == []
    assert good.json()["ordered_task_names"] == ["start", "a"]
    assert set(good.json()["output_schemas"]) == {"start", "a"}
    assert good.json()["default_reference_modes"]["a"] == {"template": "collection"}
    assert good.json()["dynamic_data"] is not None
    assert (await platform.client.get(path)).json() == flow


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
