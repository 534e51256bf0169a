"""The list of flows: filters, order, pages."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.documents import a_flow
from tests.support.platform import Platform


async def names(platform: Platform, **parameters: str | int | bool) -> list[str]:
    response = await platform.client.get("/api/flows", params=parameters)
    assert response.status_code == 200, response.text
    return [flow["display_name"] for flow in response.json()["flows"]]


async def made(platform: Platform, *display_names: str) -> None:
    for display_name in display_names:
        await platform.flow(a_flow(), display_name=display_name)


async def test_pages_follow_each_other_and_end(platform: Platform) -> None:
    await made(platform, "a", "b", "c", "d", "e")

    pages = [await names(platform, page=page, page_size=2) for page in (1, 2, 3, 4)]
    whole = (await platform.client.get("/api/flows", params={"page_size": 2})).json()

    assert pages == [["e", "d"], ["c", "b"], ["a"], []]
    assert (whole["total"], whole["page"], whole["page_size"]) == (5, 1, 2)


async def test_order_is_chosen_by_field_and_direction(platform: Platform) -> None:
    await made(platform, "b", "a", "c")
    flows = (await platform.client.get("/api/flows")).json()["flows"]
    oldest = next(flow for flow in flows if flow["display_name"] == "b")
    await platform.client.patch(f"/api/flows/{oldest['id']}", json={"tags": ["t"]})

    assert await names(platform) == ["c", "a", "b"]
    assert await names(platform, sort_direction="asc") == ["b", "a", "c"]
    assert await names(platform, sort_field="display_name", sort_direction="asc") == ["a", "b", "c"]
    assert await names(platform, sort_field="display_name") == ["c", "b", "a"]
    assert await names(platform, sort_field="updated_at") == ["b", "c", "a"]


async def test_search_is_a_part_of_the_name_in_any_case_and_no_pattern(platform: Platform) -> None:
    await made(platform, "Invoices 2025", "invoice.*", "Ärger")

    assert set(await names(platform, search="INVOICE")) == {"Invoices 2025", "invoice.*"}
    assert await names(platform, search=".*") == ["invoice.*"]
    assert await names(platform, search="ärg") == ["Ärger"]
    assert await names(platform, search="(") == []


async def test_tag_filters_combine(platform: Platform) -> None:
    for display_name, tags in {"ab": ["a", "b"], "a": ["a"], "c": ["c"], "none": []}.items():
        await platform.flow(a_flow(), display_name=display_name, tags=[*tags])

    async def found(*filters: JsonValue) -> set[str]:
        return set(await names(platform, tag_filters=json.dumps(filters)))

    assert await found({"mode": "any", "values": ["a", "c"]}) == {"ab", "a", "c"}
    assert await found({"mode": "all", "values": ["a", "b"]}) == {"ab"}
    assert await found({"mode": "none", "values": ["a"]}) == {"c", "none"}
    assert await found({"mode": "any", "values": ["a"]}, {"mode": "none", "values": ["b"]}) == {"a"}
    assert await found() == {"ab", "a", "c", "none"}


@pytest.mark.parametrize(
    "text", ["{", "1", "{}", "[1]", '[{"mode": "some", "values": []}]', '[{"mode": "any"}]',
             '[{"mode": "any", "values": [1]}]', '[{"mode": "any", "values": ["\\u0000"]}]']
)  # fmt: skip
async def test_tag_filters_that_cannot_be_read_are_refused(platform: Platform, text: str) -> None:
    response = await platform.client.get("/api/flows", params={"tag_filters": text})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "parameters",
    [
        {"page": 0},
        {"page": 10_001},
        {"page_size": 0},
        {"page_size": 101},
        {"page": "x"},
        {"sort_field": "id"},
        {"sort_direction": "up"},
        {"organization_id": "x"},
        {"is_cleanable": "maybe"},
    ],
)
async def test_parameters_out_of_range_are_refused(
    platform: Platform, parameters: dict[str, str | int]
) -> None:
    response = await platform.client.get("/api/flows", params=parameters)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", *parameters]


async def test_flows_with_tasks_or_younger_than_a_month_are_not_cleanable(
    platform: Platform,
) -> None:
    await platform.flow({"tasks": []}, display_name="empty, but new")
    await made(platform, "has a task")

    assert await names(platform, is_cleanable=True) == []


async def test_an_empty_flow_older_than_a_month_is_cleanable(api: Api, platform: Platform) -> None:
    definitions: dict[str, dict[str, JsonValue]] = {"empty": {"tasks": []}, "a task": a_flow()}
    for name, definition in definitions.items():
        flow = await platform.flow(definition, display_name=name)
        long_ago = {"$set": {"created_at": datetime.now(UTC) - timedelta(days=31)}}
        await api.database["flows"].update_one({"_id": flow["id"]}, long_ago)

    assert await names(platform, is_cleanable=True) == ["empty"]


async def test_flows_are_found_by_who_created_them(api: Api, platform: Platform) -> None:
    person = await api.person(platform.organization_id)
    await made(person, "by a person")
    await made(platform, "by a machine")
    created = await person.client.get("/api/flows", params={"search": "person"})

    creator = created.json()["flows"][0]["modified_by"]

    assert await names(platform, created_by_id=creator) == ["by a person"]
    assert await names(platform, created_by_id="nobody") == []


async def test_only_backoffice_looks_across_organizations(
    api: Api, platform: Platform, stranger: Platform
) -> None:
    await made(stranger, "theirs")
    await made(platform, "ours")
    backoffice = await api.person(platform.organization_id, role="backoffice")
    there = {"organization_id": stranger.organization_id}

    assert await names(backoffice, **there) == ["theirs"]
    assert await names(platform, **there) == []
    assert await names(platform, organization_id=platform.organization_id) == ["ours"]


async def test_executions_are_counted_for_all_versions_and_for_the_latest(
    platform: Platform,
) -> None:
    flow = await platform.flow(a_flow())
    await platform.started(flow["id"])
    await platform.started(flow["id"])
    path = f"/api/flows/{flow['id']}"
    await platform.client.put(f"{path}/definition", json={"definition": a_flow()})
    await platform.started(flow["id"])

    listed = await platform.client.get(
        "/api/flows", params={"include_latest_version_executions_count": True}
    )

    shown = listed.json()["flows"][0]
    assert (shown["flow_executions_count"], shown["latest_version_executions_count"]) == (3, 1)


async def test_available_tags_are_distinct_and_searched(
    platform: Platform, stranger: Platform
) -> None:
    await platform.flow(a_flow(), tags=["Invoices", "2025"])
    await platform.flow(a_flow(), tags=["2025", "letters"])
    await stranger.flow(a_flow(), tags=["theirs"])

    everything = (await platform.client.get("/api/flows/available-tags")).json()
    found = (await platform.client.get("/api/flows/available-tags?search=INV")).json()

    assert sorted(everything) == ["2025", "Invoices", "letters"]
    assert found == ["Invoices"]


async def test_a_search_with_nul_is_refused(platform: Platform) -> None:
    response = await platform.client.get("/api/flows?search=a%00b")

    assert response.status_code == 400
