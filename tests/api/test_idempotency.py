"""Creating a flow execution twice with one key."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import JsonValue

from tests.support.documents import a_flow
from tests.support.platform import Platform

Json = dict[str, JsonValue]

GHOST = str(uuid4())


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
