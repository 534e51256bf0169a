"""Definitions over HTTP: what is refused, what is computed, and how they change."""

from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.platform import Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())


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
