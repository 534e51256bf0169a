"""Favourites, categories, active versions, what workflows ask for, bundles, interfaces."""

from typing import Any

import httpx
import pytest

from flows.secrets import MASK
from tests.fixtures.api import Api
from tests.support.definitions import created, hydrated
from tests.support.dialogs import asks, direct, graph, node, says
from tests.support.platform import Platform

NOWHERE = "0" * 24
DESK = graph(asks("desk"), says("bye"), direct("desk", "bye"))
FIELD = {
    "name": "greeting",
    "required": True,
    "value_type": "string",
    "max_length": 20,
    "unknown": {"kept": True},
    "mappings": [{"target_type": "dynamic_variable", "target_variable_name": "hello"}],
}

CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/workflows/{}/favorite", None),
    ("DELETE", "/v1/workflows/{}/favorite", None),
    ("GET", "/v1/workflows/dynamic-variables/{}", None),
    ("GET", "/v1/workflows/{}/export", None),
    ("PUT", "/v1/workflows/{}/super-node-interface", {"interface": {"input_fields": []}}),
    ("DELETE", "/v1/workflows/{}/super-node-interface", None),
    ("GET", "/v1/workflows/{}/super-node-dependents", None),
    ("GET", "/v1/workflows/{}/expand-preview", None),
    ("GET", "/v1/workflows/{}/super-node-snapshot-status", None),
    ("GET", "/v1/super-nodes/{}", None),
    ("GET", "/v1/super-nodes/{}/schema", None),
]


def of_category(category: str, **config: Any) -> dict[str, Any]:
    return graph(says("a"), workflow_config={"name": "x", "category": category, **config})


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=lambda each: str(each)[:60])
async def test_a_foreign_workflow_is_as_unknown_as_any(
    api: Api, platform: Platform, stranger: Platform, method: str, path: str, body: Any
) -> None:
    theirs = await created(platform, DESK)
    await platform.client.put(
        f"/v1/workflows/{theirs['_id']}/super-node-interface",
        json={"interface": {"input_fields": [FIELD]}},
    )
    before = await api.database["workflow_versions"].find().sort("_id", 1).to_list(None)

    async def tried(workflow_id: str) -> httpx.Response:
        return await stranger.client.request(method, path.format(workflow_id), json=body)

    foreign, unknown = await tried(theirs["_id"]), await tried(NOWHERE)

    assert (foreign.status_code, foreign.json()) == (404, {"detail": "Workflow not found"})
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Workflow not found"})
    assert await api.database["workflow_versions"].find().sort("_id", 1).to_list(None) == before
    assert (await stranger.client.get("/v1/super-nodes")).json() == []
    assert (await stranger.client.get("/v1/workflows/versions/active")).json()["total"] == 0


async def test_a_worker_sees_none_of_it(api: Api, platform: Platform) -> None:
    worker = (await api.person(platform.organization_id, "worker")).client
    theirs = (await created(platform, DESK))["_id"]
    calls = [
        *((method, path.format(theirs), body) for method, path, body in CALLS),
        ("GET", "/v1/workflows/versions/active", None),
        ("GET", "/v1/workflow-categories", None),
        ("GET", "/v1/super-nodes", None),
        ("POST", "/v1/workflows/import/bundle", {"bundle": {}}),
    ]

    answers = [await worker.request(method, path, json=body) for method, path, body in calls]

    assert {each.status_code for each in answers} == {403}


async def test_active_versions_are_listed_one_for_each_workflow(platform: Platform) -> None:
    shop = await created(platform, of_category("Shop", logical_id="workflow_shop"))
    desk = await created(platform, of_category("Desk"))
    await platform.client.post(
        f"/v1/workflows/{desk['_id']}/versions", json={"mark_as_active": True}
    )
    favorite = f"/v1/workflows/{shop['_id']}/favorite"

    async def listed(**query: Any) -> list[tuple[str, int]]:
        answer = await platform.client.get("/v1/workflows/versions/active", params=query)
        body = answer.json()
        assert [*body] == ["versions", "total", "page", "size"]
        assert all(row["is_active"] for row in body["versions"])
        return [(row["workflow_id"], row["version_number"]) for row in body["versions"]]

    both = [(desk["_id"], 1), (shop["_id"], 0)]
    assert await listed() == both
    assert await listed(page=2, size=1) == both[1:]
    assert await listed(category="Shop") == both[1:]
    assert await listed(categories=["Shop", "Desk"]) == both
    assert await listed(created_by_me=True) == both
    assert await listed(logical_id="workflow_shop") == both[1:]
    assert await listed(favorites=True) == []
    for _ in range(2):
        marked = await platform.client.post(favorite)
    assert marked.json() == {"workflow_id": shop["_id"], "is_favorite": True}
    assert await listed(favorites=True) == both[1:]
    for _ in range(2):
        unmarked = await platform.client.delete(favorite)
    assert unmarked.json()["is_favorite"] is False
    assert await listed(favorites=True) == []


async def test_a_favorite_is_somebodys_own(api: Api, platform: Platform) -> None:
    desk = await created(platform, DESK)
    colleague = await api.person(platform.organization_id)
    await platform.client.post(f"/v1/workflows/{desk['_id']}/favorite")

    query = {"favorites": "true"}
    seen = await colleague.client.get("/v1/workflows/versions/active", params=query)
    mine = await colleague.client.get(
        "/v1/workflows/versions/active", params={"created_by_me": "true"}
    )

    assert (seen.json()["total"], mine.json()["total"]) == (0, 0)


async def test_categories_are_those_of_workflows(platform: Platform) -> None:
    await created(platform, of_category("Shop"))

    answer = await platform.client.get("/v1/workflow-categories")

    assert answer.json() == {"categories": ["Shop", "User Created"]}


async def test_what_a_workflow_asks_for_is_told_nested_with_defaults(platform: Platform) -> None:
    texts = "{{who.name}} {{place}} {{now}} {{global.firm}} {{secrets.key}} [[run]] {{who.age | x}}"
    document = graph(
        says("a", texts, description="{{known}}"),
        dynamic_variables={"place": "Ulm", "unused": 1},
        workflow_config={
            "name": "Desk",
            "default_prompt_prefix": "{{tone}}",
            "miscellaneous": {"default_dynamic_variables": {"who": {"name": "Ada"}}},
        },
    )
    workflow = await created(platform, document)

    answer = await platform.client.get(f"/v1/workflows/dynamic-variables/{workflow['_id']}")

    assert answer.json() == {
        "who": {"name": "Ada", "age": ""},
        "place": "Ulm",
        "unused": 1,
        "known": "",
        "tone": "",
    }


async def test_the_schema_is_no_id(platform: Platform) -> None:
    answer = await platform.client.get("/v1/workflows/schema")

    assert {"node_configs", "edge_configs", "workflow_config"} <= {*answer.json()["properties"]}


async def test_a_bundle_goes_and_comes_back_without_credentials(platform: Platform) -> None:
    model = {"type": "custom_llm", "model": "m", "api_key": "sk-very-secret"}
    call = node(
        "http_request",
        "call",
        headers={"Authorization": "Bearer abc", "X-Api-Key": "{{global.key}}", "Accept": "a/b"},
    )
    document = graph(asks("desk", llms_config=model), call, direct("desk", "call"))
    workflow = await created(platform, {**document, "description": "At the front"})
    path = f"/v1/workflows/{workflow['_id']}"
    await platform.client.post(f"{path}/versions", json={"version_name": "next"})

    query: dict[str, Any] = {"version_numbers": [0, 1], "active_version_number": 1}
    bundle = (await platform.client.get(f"{path}/export", params=query)).json()
    wanted = {"versions_to_import": [0, 1], "active_version_number": 1, "workflow_name": "Copy"}
    made = await platform.client.post(
        "/v1/workflows/import/bundle", json={"bundle": bundle, **wanted}
    )

    assert "sk-very-secret" not in str(bundle)
    assert MASK not in str(bundle)
    assert "Bearer abc" not in str(bundle)
    assert made.status_code == 201, made.text
    copy = made.json()["workflow"]
    assert (copy["active_version_number"], copy["workflow_config"]["name"]) == (1, "Copy")
    assert copy["workflow_config"]["description"] == "At the front"
    shown = await hydrated(platform, copy["_id"])
    desk, called = shown["node_configs"]
    assert desk["llms_config"] == {"type": "custom_llm", "model": "m"}
    assert called["headers"] == {"X-Api-Key": "{{global.key}}", "Accept": "a/b"}
    assert shown["edge_configs"] == document["edge_configs"]
    versions = (await platform.client.get(f"/v1/workflows/{copy['_id']}/versions")).json()
    assert [each["version_name"] for each in versions["versions"]] == ["Initial Version", "next"]


async def test_a_bundle_has_defaults_and_may_be_wrapped(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    bundle = (await platform.client.get(f"/v1/workflows/{workflow['_id']}/export")).json()

    made = await platform.client.post(
        "/v1/workflows/import/bundle", json={"bundle": {"bundle": bundle}}
    )

    assert made.json()["workflow"]["workflow_config"]["name"] == "Desk"
    shown = await hydrated(platform, made.json()["workflow"]["_id"])
    assert shown["node_configs"] == DESK["node_configs"]


BUNDLE: dict[str, Any] = {
    "format": "perdure-workflow",
    "format_version": 1,
    "name": "Desk",
    "versions": [{"version_number": 0, "version_name": "v", "config": DESK}],
}


@pytest.mark.parametrize(
    "body",
    [
        {"bundle": {}},
        {"bundle": {**BUNDLE, "format_version": 2}},
        {"bundle": {**BUNDLE, "versions": "none"}},
        {"bundle": {**BUNDLE, "versions": [{"version_number": True, "config": DESK}, 7]}},
        {"bundle": {**BUNDLE, "name": None}},
        {"bundle": BUNDLE, "versions_to_import": [0, 3]},
        {"bundle": BUNDLE, "versions_to_import": []},
        {"bundle": BUNDLE, "active_version_number": 1},
        {
            "bundle": {
                **BUNDLE,
                "versions": [{"version_number": 0, "config": graph(direct("a", "b"))}],
            }
        },
    ],
    ids=range(9),
)
async def test_what_is_no_bundle_is_refused_whole(platform: Platform, body: Any) -> None:
    answer = await platform.client.post("/v1/workflows/import/bundle", json=body)

    assert answer.status_code == 400, answer.text
    assert (await platform.client.get("/v1/workflows")).json()["total"] == 0


@pytest.mark.parametrize("query", [{"version_numbers": [7]}, {"active_version_number": 7}], ids=str)
async def test_a_version_that_is_not_there_is_not_exported(platform: Platform, query: Any) -> None:
    workflow = await created(platform, DESK)

    answer = await platform.client.get(f"/v1/workflows/{workflow['_id']}/export", params=query)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Workflow version not found"})


async def test_an_interface_is_offered_used_and_taken_back(working: Platform) -> None:
    inner = await created(working, graph(says("x", "{{hello}}!")), "Greeter")
    path = f"/v1/workflows/{inner['_id']}/super-node-interface"
    embeds = node(
        "super_node",
        "s",
        super_workflow_id=inner["_id"],
        field_values={"greeting": "Grüß Gott"},
    )

    offered = await working.client.put(path, json={"interface": {"input_fields": [FIELD], "x": 1}})
    outer = await created(working, graph(embeds), "Outer")
    told = await working.client.post(
        f"/v1/workflows/{outer['_id']}/execute", json={"run_input": {}}
    )
    listed = (await working.client.get("/v1/super-nodes")).json()
    one = (await working.client.get(f"/v1/super-nodes/{inner['_id']}")).json()
    schema = (await working.client.get(f"/v1/super-nodes/{inner['_id']}/schema")).json()
    dependents = await working.client.get(f"/v1/workflows/{inner['_id']}/super-node-dependents")
    withdrawn = await working.client.delete(path)

    assert offered.json() == {
        "workflow_id": inner["_id"],
        "workflow_version_number": 0,
        "message": "the interface is offered",
        "num_input_fields": 1,
    }
    assert told.status_code == 200, told.text
    spoken = [e["content"] for e in told.json()["events"] if e["type"] == "assistant_response"]
    assert spoken == ["Grüß Gott!"]
    assert listed == [one]
    assert one["interface"] == {"input_fields": [FIELD], "x": 1}
    assert schema["properties"] == {"greeting": {"type": "string", "maxLength": 20}}
    assert schema["required"] == ["greeting"]
    embedding = {"workflow_id": outer["_id"], "name": "Outer", "workflow_version_number": 0}
    assert dependents.json()["workflows_referencing"] == [embedding]
    assert withdrawn.json()["workflows_referencing"] == [embedding]
    assert withdrawn.json()["num_input_fields"] == 0
    assert (await working.client.get("/v1/super-nodes")).json() == []
    assert (await working.client.get(f"/v1/super-nodes/{inner['_id']}")).status_code == 404


async def test_a_preview_is_what_a_run_takes(platform: Platform) -> None:
    model = {"type": "custom_llm", "model": "m", "api_key": "sk-very-secret"}
    inner = await created(platform, graph(asks("x", llms_config=model)), "Inner")
    embeds = node("super_node", "s", super_workflow_id=inner["_id"])
    outer = await created(platform, graph(says("a"), embeds, direct("a", "s")), "Outer")
    path = f"/v1/workflows/{outer['_id']}"

    preview = (await platform.client.get(f"{path}/expand-preview")).json()
    unknown = await platform.client.get(f"{path}/expand-preview", params={"version": 7})
    await platform.client.delete(f"/v1/workflows/{inner['_id']}")
    broken = await platform.client.get(f"{path}/expand-preview", params={"version": 0})

    assert (preview["workflow_id"], preview["workflow_version_number"]) == (outer["_id"], 0)
    first, second = preview["config"]["node_configs"]
    assert (first["logical_id"], second["logical_id"]) == ("a", "s__x")
    assert second["llms_config"] == {**model, "api_key": MASK}
    assert preview["config"]["edge_configs"][0]["destination_node_logical_id"] == "s__x"
    assert (unknown.status_code, broken.status_code) == (404, 400)
    assert broken.json()["message"] == "Invalid workflow graph"
    assert inner["_id"] in broken.json()["error"]


async def test_a_super_node_says_whether_what_it_carries_is_out_of_date(platform: Platform) -> None:
    inner = await created(platform, graph(says("x")), "Inner")
    original = await hydrated(platform, inner["_id"])
    carried = {"super_workflow_id": inner["_id"], "encapsulated_workflow_config": original}
    outer = await created(
        platform,
        graph(
            node("super_node", "pinned", **carried, super_workflow_version_number=0),
            node("super_node", "follows", **carried),
            node("super_node", "lives", super_workflow_id=inner["_id"]),
            node("super_node", "alone", encapsulated_workflow_config=original),
            node("super_node", "lost", **{**carried, "super_workflow_id": NOWHERE}),
        ),
        "Outer",
    )

    async def told() -> dict[str, str]:
        path = f"/v1/workflows/{outer['_id']}/super-node-snapshot-status"
        answer = (await platform.client.get(path, params={"version": 0})).json()
        assert answer["workflow_version_number"] == 0
        return {each["logical_id"]: each["status"] for each in answer["super_nodes"]}

    first = await told()
    path = f"/v1/workflows/{inner['_id']}/versions"
    await platform.client.post(path, json={"mark_as_active": True})
    changed = {"config": graph(says("x", "something else"))}
    await platform.client.patch(f"{path}/1/config", json=changed)
    second = await told()

    fixed = {"pinned": "current", "lives": "live", "alone": "detached", "lost": "missing"}
    assert first == {**fixed, "follows": "current"}
    assert second == {**fixed, "follows": "outdated"}


async def test_an_interface_leaves_the_graph_and_its_keys_as_they_are(platform: Platform) -> None:
    model = {"type": "custom_llm", "api_key": "sk-very-secret"}
    document = graph(asks("desk", llms_config=model))
    workflow = await created(platform, document)
    path = f"/v1/workflows/{workflow['_id']}"
    before = await hydrated(platform, workflow["_id"])

    body = {"interface": {"input_fields": [FIELD]}}
    await platform.client.put(f"{path}/super-node-interface", json=body)
    await platform.client.delete(f"{path}/super-node-interface")

    assert await hydrated(platform, workflow["_id"]) == before
    again = await platform.client.patch(f"{path}/versions/0/config", json={"config": before})
    assert again.status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        [{"name": ""}],
        [{"name": "a", "value_type": "colour"}],
        [{"name": "a", "mappings": [{"target_type": "nowhere"}]}],
        "none",
    ],
    ids=range(4),
)
async def test_an_interface_that_is_none_is_422(platform: Platform, fields: Any) -> None:
    workflow = await created(platform, DESK)

    answer = await platform.client.put(
        f"/v1/workflows/{workflow['_id']}/super-node-interface",
        json={"interface": {"input_fields": fields}},
    )

    assert answer.status_code == 422


async def test_two_inputs_of_one_name_break_a_rule(platform: Platform) -> None:
    workflow = await created(platform, DESK)

    answer = await platform.client.put(
        f"/v1/workflows/{workflow['_id']}/super-node-interface",
        json={"interface": {"input_fields": [{"name": "a"}, {"name": "a"}]}},
    )

    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "Invalid super node interface", "error": "the input 'a' is named twice"},
    )
