"""Definitions of interactive workflows over HTTP."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.secrets import MASK
from tests.fixtures.api import Api
from tests.support.definitions import created, hydrated
from tests.support.dialogs import asks, direct, graph, node, says
from tests.support.platform import Platform

DESK = graph(asks("desk"), says("bye"), direct("desk", "bye"))


async def test_a_whole_graph_is_stored_and_comes_back_nested_twice(platform: Platform) -> None:
    answer = await platform.client.post("/v1/workflows", json={"name": "Front", **DESK})

    body = answer.json()
    workflow = body["workflow"]
    assert answer.status_code == 201
    assert re.fullmatch("[0-9a-f]{24}", workflow["_id"])
    assert body["execution_url"] == f"/v1/workflows/{workflow['_id']}/execute"
    assert workflow["active_version_number"] == 0
    assert workflow["team_id"] == platform.organization_id
    assert workflow["workflow_config"]["name"] == "Front"
    shown = await hydrated(platform, workflow["_id"])
    assert shown["node_configs"] == DESK["node_configs"]
    assert shown["edge_configs"] == DESK["edge_configs"]
    assert shown["workflow_config"]["name"] == "Front"


async def test_a_name_alone_makes_a_workflow_without_nodes(platform: Platform) -> None:
    answer = await platform.client.post("/v1/workflows", json={"name": "Empty"})

    shown = await hydrated(platform, answer.json()["workflow"]["_id"])
    assert shown["node_configs"] == shown["edge_configs"] == []


async def test_a_graph_under_config_is_taken_like_one_beside_the_name(platform: Platform) -> None:
    workflow = await created(platform, {"config": DESK})

    assert len((await hydrated(platform, workflow["_id"]))["node_configs"]) == 2


async def test_a_workflow_without_any_name_is_refused(platform: Platform) -> None:
    answer = await platform.client.post("/v1/workflows", json={"node_configs": []})

    assert (answer.status_code, answer.json()) == (400, {"detail": "a workflow needs a name"})


@pytest.mark.parametrize(
    ("document", "category", "error"),
    [
        (
            graph(says("a"), direct("a", "z")),
            "Invalid workflow graph",
            "edge 'a to z' has the destination node 'z', which is not there",
        ),
        (
            graph(says("a"), says("b"), says("c"), direct("a", "b"), direct("a", "c")),
            "Invalid companion thread configuration",
            "node 'A' has 2 main direct edges",
        ),
        (graph({"type": "no_op"}), "Invalid workflow graph", "node_configs.0.NoOpNode.logical_id"),
    ],
    ids=["loose end", "two direct edges", "no logical id"],
)
async def test_a_graph_that_breaks_a_rule_is_refused_whole(
    platform: Platform, document: dict[str, Any], category: str, error: str
) -> None:
    answer = await platform.client.post("/v1/workflows", json={"name": "Bad", **document})

    assert answer.status_code == 400
    assert answer.json()["message"] == category
    assert answer.json()["error"].startswith(error)
    assert (await platform.client.get("/v1/workflows")).json()["total"] == 0


async def test_a_workflow_cannot_embed_itself(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    itself = graph(node("super_node", "s", super_workflow_id=workflow["_id"]))

    answer = await platform.client.patch(
        f"/v1/workflows/{workflow['_id']}/versions/0/config", json={"config": itself}
    )

    assert answer.status_code == 400
    assert "embeds a workflow that it is part of" in answer.json()["error"]


async def test_lists_are_paged_newest_first_and_searched(platform: Platform) -> None:
    for name in ("Desk one", "Shop", "desk two"):
        await created(platform, {}, name)

    async def listed(**parameters: str | int) -> tuple[list[str], int]:
        body = (await platform.client.get("/v1/workflows", params=parameters)).json()
        return [row["workflow_config"]["name"] for row in body["workflows"]], body["total"]

    assert await listed(page=1, size=2) == (["desk two", "Shop"], 3)
    assert await listed(page=2, size=2) == (["Desk one"], 3)
    assert await listed(search="DESK") == (["desk two", "Desk one"], 2)
    assert await listed(search=".*") == ([], 0)


async def test_a_patch_changes_what_is_named_and_null_clears(platform: Platform) -> None:
    workflow = await created(platform, {**DESK, "description": "first"})
    path = f"/v1/workflows/{workflow['_id']}"

    named = await platform.client.patch(path, json={"name": "Desk 2"})
    cleared = await platform.client.patch(path, json={"description": None})

    assert named.json()["workflow"]["workflow_config"]["description"] == "first"
    config = cleared.json()["workflow"]["workflow_config"]
    assert (config["name"], config["description"]) == ("Desk 2", None)
    assert (await hydrated(platform, workflow["_id"]))["node_configs"] == DESK["node_configs"]


async def test_a_deleted_workflow_is_gone_everywhere(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    path = f"/v1/workflows/{workflow['_id']}"

    assert (await platform.client.delete(path)).status_code == 204

    for below in ("", "/versions"):
        answer = await platform.client.get(path + below)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Workflow not found"})


@pytest.mark.parametrize(
    "path", ["/v1/workflows/not-an-id", "/v1/workflows/6512F0A1B2C3D4E5F6A7B8C9"]
)
async def test_a_malformed_id_is_422(platform: Platform, path: str) -> None:
    answer = await platform.client.get(path)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["path", "workflow_id"]


async def test_versions_are_copied_activated_renamed_and_deleted(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    path = f"/v1/workflows/{workflow['_id']}/versions"

    made = (await platform.client.post(path, json={"version_name": "v1"})).json()
    activated = await platform.client.post(f"{path}/1/activate")
    renamed = await platform.client.patch(f"{path}/1", json={"version_name": "best"})
    refused = await platform.client.delete(f"{path}/1")
    removed = await platform.client.delete(f"{path}/0")
    listed = (await platform.client.get(path)).json()["versions"]

    assert (made["version"]["version_number"], made["parent_active_version"]) == (1, 0)
    assert made["version"]["config"]["node_configs"] == DESK["node_configs"]
    assert activated.json()["workflow"]["active_version_number"] == 1
    assert renamed.json()["version"]["version_name"] == "best"
    assert (refused.status_code, removed.status_code) == (409, 204)
    assert [(each["version_number"], each["is_active"]) for each in listed] == [(1, True)]


async def test_a_number_is_never_used_again(platform: Platform) -> None:
    path = f"/v1/workflows/{(await created(platform, DESK))['_id']}/versions"
    await platform.client.post(path, json={})
    await platform.client.delete(f"{path}/1")

    made = await platform.client.post(path, json={"mark_as_active": True})

    assert made.json()["version"]["version_number"] == 2
    assert made.json()["parent_active_version"] == 2


async def test_replacing_a_graph_leaves_other_versions_alone(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    path = f"/v1/workflows/{workflow['_id']}/versions"
    await platform.client.post(path, json={})

    changed = await platform.client.patch(
        f"{path}/1/config", json={"config": graph(asks("desk", "later"), says("new"))}
    )
    only_config = await platform.client.patch(
        f"{path}/1/config", json={"config": {"name": "x", "category": "Y"}}
    )
    difference = (await platform.client.get(f"{path}/0/diff/1")).json()

    assert changed.status_code == 200
    assert len(only_config.json()["version"]["config"]["node_configs"]) == 2
    assert (await hydrated(platform, workflow["_id"]))["node_configs"] == DESK["node_configs"]
    states = {each["logical_id"]: each["status"] for each in difference["nodes"]}
    assert states == {"desk": "modified", "bye": "removed", "new": "added"}
    assert difference["nodes"][0]["changes"] == [
        {"path": "default_error_message", "old_value": "(noted)", "new_value": "later"}
    ]
    assert difference["summary"]["edges_removed"] == 1
    assert [each["path"] for each in difference["workflow_config_changes"]] == ["name", "category"]


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("PATCH", "/7"),
        ("PATCH", "/7/config"),
        ("POST", "/7/activate"),
        ("DELETE", "/7"),
        ("GET", "/0/diff/7"),
    ],
)
async def test_a_version_that_is_not_there_is_404(
    platform: Platform, method: str, below: str
) -> None:
    workflow = await created(platform, DESK)
    body = {"version_name": "x", "config": {}} if method == "PATCH" else None

    answer = await platform.client.request(
        method, f"/v1/workflows/{workflow['_id']}/versions{below}", json=body
    )

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Workflow version not found"}


async def test_keys_of_models_are_sealed_masked_and_kept_by_their_mask(
    api: Api, platform: Platform
) -> None:
    model = {"type": "custom_llm", "model": "m", "api_key": "sk-very-secret"}
    variable = {"type": "custom_llm", "api_key": "{{global.key}}"}
    document = graph(asks("desk", llms_config=model), asks("other", llms_config=variable))
    workflow = await created(platform, document)
    path = f"/v1/workflows/{workflow['_id']}"

    shown = await hydrated(platform, workflow["_id"])
    again = await platform.client.patch(f"{path}/versions/0/config", json={"config": shown})
    copied = await platform.client.post(f"{path}/clone", json={})
    copy_id = copied.json()["workflow"]["_id"]
    copy = await hydrated(platform, copy_id)
    back = await platform.client.patch(
        f"/v1/workflows/{copy_id}/versions/0/config", json={"config": copy}
    )

    assert [each["llms_config"]["api_key"] for each in shown["node_configs"]] == [
        MASK,
        "{{global.key}}",
    ]
    assert (again.status_code, copied.status_code, back.status_code) == (200, 201, 200)
    stored = await api.database["workflow_versions"].find().to_list(None)
    assert "sk-very-secret" not in str(stored)
    secrets = api.database["secrets"]
    assert await secrets.count_documents({"flow_id": workflow["_id"]}) == 1
    assert await secrets.count_documents({"flow_id": copy_id}) == 1
    await platform.client.delete(path)
    assert await secrets.count_documents({"flow_id": workflow["_id"]}) == 0


@pytest.mark.parametrize(
    ("key", "reason"),
    [(MASK, "stands for no stored key"), ("{{secret:" + "0" * 32 + "}}", "by hand")],
    ids=["mask", "reference"],
)
async def test_a_key_that_stands_for_nothing_is_refused(
    platform: Platform, key: str, reason: str
) -> None:
    document = graph(asks("desk", llms_config={"type": "custom_llm", "api_key": key}))

    answer = await platform.client.post("/v1/workflows", json={"name": "x", **document})

    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid model key")
    assert reason in answer.json()["error"]


async def test_a_copy_takes_the_versions_that_are_named(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    path = f"/v1/workflows/{workflow['_id']}"
    for _ in range(2):
        await platform.client.post(f"{path}/versions", json={})
    some = {"clone_all_versions": False, "version_numbers_to_clone": [1, 2], "name": "Copy"}

    lowest = (await platform.client.post(f"{path}/clone", json=some)).json()["workflow"]
    wanted = {**some, "fallback_active_version": 2}
    fallback = (await platform.client.post(f"{path}/clone", json=wanted)).json()["workflow"]
    unknown = {**some, "version_numbers_to_clone": [9]}
    refused = await platform.client.post(f"{path}/clone", json=unknown)

    assert (lowest["active_version_number"], fallback["active_version_number"]) == (1, 2)
    assert lowest["workflow_config"]["name"] == "Copy"
    assert refused.status_code == 404


@pytest.mark.parametrize(("number", "status"), [(2.0, 404), (True, 422), ("2", 422), (-1, 422)])
async def test_a_number_in_a_body_is_a_number(
    platform: Platform, number: object, status: int
) -> None:
    workflow = await created(platform, DESK)

    answer = await platform.client.post(
        f"/v1/workflows/{workflow['_id']}/versions", json={"source_version_number": number}
    )

    assert answer.status_code == status


async def test_the_limit_of_runs_is_kept(platform: Platform) -> None:
    workflow = await created(platform, DESK)
    path = f"/v1/workflows/{workflow['_id']}"

    answer = await platform.client.patch(f"{path}/concurrency", json={"max_concurrent_runs": 3})

    assert answer.json()["max_concurrent_runs"] == 3
    assert (await platform.client.get(path)).json()["workflow"]["max_concurrent_runs"] == 3


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text("aé$.\u2028{}[]", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab$.", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
EXTRA = st.dictionaries(
    st.text("xyz$.", min_size=1, max_size=4).map("x-{}".format), JSON, max_size=3
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(node_extra=EXTRA, edge_extra=EXTRA, config_extra=EXTRA, kind=st.text("abc", min_size=4))
async def test_reading_and_uploading_again_loses_nothing(
    platform: Platform,
    node_extra: dict[str, Any],
    edge_extra: dict[str, Any],
    config_extra: dict[str, Any],
    kind: str,
) -> None:
    document = graph(
        node(kind, "a", **node_extra),
        says("b"),
        direct("a", "b", **edge_extra),
        workflow_config={"name": "Desk", "description": None, "category": "C", **config_extra},
    )
    workflow = await created(platform, document)

    shown = await hydrated(platform, workflow["_id"])
    uploaded = await platform.client.patch(
        f"/v1/workflows/{workflow['_id']}/versions/0/config", json={"config": shown}
    )

    assert shown == document
    assert uploaded.json()["version"]["config"] == document
