"""Flows and their versions."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from flows.errors import (
    ConflictError,
    DuplicateFlowNameError,
    FlowNotFoundError,
    FlowVersionNotFoundError,
)
from store.clock import now
from store.models import FlowQuery
from tests.support.stores import AUTHOR, ORGANIZATION, STRANGER, Stores, a_flow


async def test_what_was_created_is_what_is_read(stores: Stores) -> None:
    draft = a_flow(
        description="d",
        settings={"ttl": {"$seconds": 60}},
        tags=["a"],
        visibility="private",
        definition={"tasks": [{"name": "in", "parameters": {"$x.y": 2**70}}]},
    )

    record = await stores.flows.create(draft)

    assert (record.id, record.version, record.is_latest) == (draft.id, 1, True)
    assert (record.settings, record.definition) == (draft.settings, draft.definition)
    assert await stores.flows.latest(ORGANIZATION, draft.id) == record


async def test_names_are_unique_among_flows_that_are_not_deleted(stores: Stores) -> None:
    first = await stores.flows.create(a_flow("same"))
    with pytest.raises(DuplicateFlowNameError):
        await stores.flows.create(a_flow("same"))
    await stores.flows.create(a_flow("same", organization_id=STRANGER))

    await stores.flows.delete(ORGANIZATION, first.id, AUTHOR)

    assert (await stores.flows.create(a_flow("same"))).display_name == "same"


async def test_a_patch_changes_what_it_names(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow(description="old", tags=["a"], settings={"a": 1}))

    patched = await stores.flows.patch(
        ORGANIZATION,
        flow.id,
        {"description": None, "settings": {"b": 2}, "status": "published"},
        "editor",
    )

    assert (patched.description, patched.settings, patched.tags) == (None, {"b": 2}, ["a"])
    assert (patched.status, patched.modified_by, patched.version) == ("published", "editor", 1)


async def test_a_patch_to_a_taken_name_is_refused(stores: Stores) -> None:
    await stores.flows.create(a_flow("taken"))
    flow = await stores.flows.create(a_flow())

    with pytest.raises(DuplicateFlowNameError):
        await stores.flows.patch(ORGANIZATION, flow.id, {"display_name": "taken"}, AUTHOR)


async def test_versions_are_numbered_without_gaps_and_never_change(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())

    second = await stores.flows.add_version(ORGANIZATION, flow.id, {"tasks": []}, "editor", 1)

    first = await stores.flows.version(ORGANIZATION, flow.id, 1)
    assert (second.version, second.is_latest, second.definition) == (2, True, {"tasks": []})
    assert (first.is_latest, first.definition) == (False, flow.definition)
    numbers = [record.version for record in await stores.flows.versions(ORGANIZATION, flow.id)]
    assert numbers == [2, 1]


async def test_of_two_versions_stored_at_once_one_is_refused(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())

    answers = await asyncio.gather(
        *(
            stores.flows.add_version(ORGANIZATION, flow.id, {"by": name}, name, 1)
            for name in ("a", "b", "c")
        ),
        return_exceptions=True,
    )

    stored = [answer for answer in answers if not isinstance(answer, BaseException)]
    refused = [answer for answer in answers if isinstance(answer, ConflictError)]
    assert (len(stored), len(refused)) == (1, 2)
    assert (await stores.flows.latest(ORGANIZATION, flow.id)).definition == stored[0].definition


async def test_a_version_has_a_name_and_may_be_a_favourite(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())
    for latest in (1, 2):
        await stores.flows.add_version(ORGANIZATION, flow.id, {}, AUTHOR, latest)

    patched = await stores.flows.patch_version(
        ORGANIZATION, flow.id, 2, {"name": "Best one", "is_favourite": True}, "editor"
    )

    assert (patched.version_name, patched.is_favourite) == ("Best one", True)
    assert patched.version_modified_by == "editor"
    favourites = await stores.flows.version_page(ORGANIZATION, flow.id, favourites_only=True)
    assert ([record.version for record in favourites.items], favourites.total) == ([2], 1)
    found = await stores.flows.version_page(ORGANIZATION, flow.id, search="best")
    assert [record.version for record in found.items] == [2]
    page = await stores.flows.version_page(ORGANIZATION, flow.id, page=2, page_size=2)
    assert ([record.version for record in page.items], page.total) == ([1], 3)


async def test_an_unknown_version_is_told(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())

    with pytest.raises(FlowVersionNotFoundError):
        await stores.flows.version(ORGANIZATION, flow.id, 2)
    with pytest.raises(FlowVersionNotFoundError):
        await stores.flows.patch_version(ORGANIZATION, flow.id, 2, {"name": "x"}, AUTHOR)


async def test_a_deleted_flow_is_gone_but_its_versions_can_still_run(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())
    await stores.flows.delete(ORGANIZATION, flow.id, AUTHOR)

    with pytest.raises(FlowNotFoundError):
        await stores.flows.latest(ORGANIZATION, flow.id)
    with pytest.raises(FlowNotFoundError):
        await stores.flows.delete(ORGANIZATION, flow.id, AUTHOR)
    with pytest.raises(FlowNotFoundError):
        await stores.flows.patch(ORGANIZATION, flow.id, {}, AUTHOR)
    with pytest.raises(FlowNotFoundError):
        await stores.flows.add_version(ORGANIZATION, flow.id, {}, AUTHOR, 1)
    assert (await stores.flows.version(ORGANIZATION, flow.id, 1)).deleted
    assert not (await stores.flows.list(ORGANIZATION, FlowQuery())).items


async def test_absent_and_foreign_flows_can_be_told_apart(stores: Stores) -> None:
    flow = await stores.flows.create(a_flow())

    assert await stores.flows.exists_elsewhere(STRANGER, flow.id)
    assert not await stores.flows.exists_elsewhere(ORGANIZATION, flow.id)
    assert not await stores.flows.exists_elsewhere(STRANGER, "nobody's")


@pytest.fixture
async def shelf(stores: Stores) -> Stores:
    """Three flows, made a day apart."""
    for number, (name, tags, tasks) in enumerate(
        [("Invoices (EU)", ["a", "b"], 1), ("invoice test", ["b"], 0), ("Notes", [], 0)]
    ):
        at = now() - timedelta(days=40 - number)
        await stores.flows.create(
            a_flow(
                name,
                tags=tags,
                created_at=at,
                updated_at=at,
                created_by=f"person {number}",
                definition={"tasks": [{"name": "in"}] * tasks},
            )
        )
    return stores


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["Notes", "invoice test", "Invoices (EU)"]),
        ({"descending": False}, ["Invoices (EU)", "invoice test", "Notes"]),
        ({"sort_field": "display_name"}, ["invoice test", "Notes", "Invoices (EU)"]),
        ({"sort_field": "updated_at", "page_size": 1, "page": 2}, ["invoice test"]),
        ({"search": "INVOICE"}, ["invoice test", "Invoices (EU)"]),
        ({"search": "(eu)"}, ["Invoices (EU)"]),
        ({"search": ".*"}, []),
        ({"created_by": "person 2"}, ["Notes"]),
        ({"is_cleanable": True}, ["Notes", "invoice test"]),
        ({"tag_filters": (("any", ("a", "b")),)}, ["invoice test", "Invoices (EU)"]),
        ({"tag_filters": (("all", ("a", "b")),)}, ["Invoices (EU)"]),
        ({"tag_filters": (("none", ("a",)), ("any", ("b",)))}, ["invoice test"]),
        ({"page": 3}, []),
    ],
)
async def test_flows_are_listed_as_asked(
    shelf: Stores, query: dict[str, Any], names: list[str]
) -> None:
    page = await shelf.flows.list(ORGANIZATION, FlowQuery(**query))

    assert [flow.display_name for flow in page.items] == names
    if "page" not in query:
        assert page.total == len(names)


async def test_a_flow_with_tasks_added_is_not_cleanable_any_more(shelf: Stores) -> None:
    (notes,) = (await shelf.flows.list(ORGANIZATION, FlowQuery(search="Notes"))).items
    nested: dict[str, JsonValue] = {"flow_configs": [{"config": {"tasks": [{"name": "in"}]}}]}

    await shelf.flows.add_version(ORGANIZATION, notes.id, nested, AUTHOR, 1)

    page = await shelf.flows.list(ORGANIZATION, FlowQuery(is_cleanable=True))
    assert [flow.display_name for flow in page.items] == ["invoice test"]


async def test_available_tags_are_those_of_flows_that_are_not_deleted(shelf: Stores) -> None:
    (eu,) = (await shelf.flows.list(ORGANIZATION, FlowQuery(search="EU"))).items
    assert await shelf.flows.available_tags(ORGANIZATION) == ["a", "b"]
    assert await shelf.flows.available_tags(ORGANIZATION, "A") == ["a"]
    assert await shelf.flows.available_tags(STRANGER) == []

    await shelf.flows.delete(ORGANIZATION, eu.id, AUTHOR)

    assert await shelf.flows.available_tags(ORGANIZATION) == ["b"]
