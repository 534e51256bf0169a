"""How many runs may be open, which inputs are the same, and how runs are found."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dialogs.state import RunStatus
from store.clock import now
from store.interactive_runs import RunRecord, RunRepository, new_run_id
from tests.fixtures.api import Api
from tests.support.definitions import created
from tests.support.dialogs import asks, graph, says
from tests.support.platform import Platform

DESK = graph(asks("desk"), says("bye"))


async def post(
    platform: Platform, workflow_id: str, key: str | None = None, **body: Any
) -> httpx.Response:
    return await platform.client.post(
        f"/v1/workflows/{workflow_id}/execute",
        json={"run_input": {"command": "start"}, **body},
        headers={} if key is None else {"Idempotency-Key": key},
    )


async def limited(platform: Platform, limit: int) -> str:
    workflow_id: str = (await created(platform, DESK))["_id"]
    path = f"/v1/workflows/{workflow_id}/concurrency"
    answer = await platform.client.patch(path, json={"max_concurrent_runs": limit})
    assert answer.json()["max_concurrent_runs"] == limit
    return workflow_id


def said(text: str, message_id: str | None = None) -> dict[str, Any]:
    messages = [{"content": text, "id": message_id}]
    return {"thread_to_node_inputs": {"0": {"node_run_inputs": [{"messages": messages}]}}}


async def test_a_run_beyond_the_limit_waits_for_another_to_end(working: Platform) -> None:
    workflow_id = await limited(working, 1)
    key = str(uuid4())

    first = await post(working, workflow_id, key)
    refused = await post(working, workflow_id)
    again = await post(working, workflow_id, key)
    run_id = first.json()["run_id"]
    talked = await post(working, workflow_id, run_id=run_id, run_input=said("hello"))
    await post(working, workflow_id, run_id=run_id, run_input={"command": "stop"})
    free = await post(working, workflow_id)

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json() == {"detail": "as many runs of this workflow are open as may be"}
    assert again.json() == first.json()
    assert (talked.status_code, free.status_code) == (200, 200)


async def test_of_many_that_begin_at_once_as_many_begin_as_may(working: Platform) -> None:
    workflow_id = await limited(working, 2)

    answers = await asyncio.gather(*(post(working, workflow_id) for _ in range(5)))

    assert sorted(each.status_code for each in answers) == [200, 200, 429, 429, 429]


async def test_a_run_that_nobody_runs_any_more_is_not_counted(
    working: Platform, working_api: Api
) -> None:
    workflow_id = await limited(working, 1)
    runs = RunRepository(working_api.database)
    left = a_record(working.organization_id, workflow_id)
    await runs.create(left)

    refused = await post(working, workflow_id)
    await runs.fail(left, "stale_run_reaper", "its workflow is gone")
    begun = await post(working, workflow_id)

    assert (refused.status_code, begun.status_code) == (429, 200)


@pytest.mark.parametrize("by", ["key", "message"])
async def test_the_same_key_with_another_input_is_refused(working: Platform, by: str) -> None:
    workflow_id = (await created(working, DESK))["_id"]
    run_id = (await post(working, workflow_id)).json()["run_id"]
    key, message_id = (str(uuid4()), None) if by == "key" else (None, str(uuid4()))

    async def turn(text: str) -> httpx.Response:
        given = said(text, message_id)
        return await post(working, workflow_id, key, run_id=run_id, run_input=given)

    first, same, other = await turn("a"), await turn("a"), await turn("b")

    assert first.json() == same.json()
    assert first.json()["turn_number"] == 2
    assert (other.status_code, other.json()) == (
        409,
        {"detail": "this key came with another input before"},
    )
    shown = (await working.client.get(f"/v1/workflow-runs/{run_id}")).json()
    assert len(shown["workflow_run"]["workflow_run"]["input_output_pairs"]) == 2


async def test_a_key_that_began_a_run_begins_no_other(working: Platform) -> None:
    workflow_id = (await created(working, DESK))["_id"]
    key = str(uuid4())

    first = await post(working, workflow_id, key)
    other = await post(working, workflow_id, key, run_input=said("hello"))

    assert (first.status_code, other.status_code) == (200, 409)
    runs = await working.client.get("/v1/workflow-runs", params={"workflow_id": workflow_id})
    assert runs.json()["total"] == 1


def a_record(organization_id: str, workflow_id: str, **fields: Any) -> RunRecord:
    known: dict[str, Any] = {
        "id": new_run_id(),
        "organization_id": organization_id,
        "workflow_id": workflow_id,
        "version_number": 0,
        "version_name": "Initial Version",
        "status": RunStatus.NOT_STARTED,
        "turn_number": 0,
        "input_id": str(uuid4()),
        "is_keyed": False,
        "run_by": None,
        "created_by": "somebody",
        "created_at": now(),
        "updated_at": now(),
    }
    return RunRecord(**{**known, **fields})


async def test_runs_are_searched_and_found_by_what_they_repeat(
    api: Api, platform: Platform
) -> None:
    runs = RunRepository(api.database)
    workflow_id, source = new_run_id(), new_run_id()
    one = a_record(platform.organization_id, workflow_id, run_by="Ada")
    two = a_record(platform.organization_id, workflow_id, source_run_id=source, source_turn_index=1)
    for record in (one, two):
        await runs.create(record)

    async def found(**query: Any) -> list[str]:
        answer = await platform.client.get("/v1/workflow-runs", params=query)
        return [row["_id"] for row in answer.json()["workflow_runs"]]

    assert await found(search="ada") == [one.id]
    assert await found(search=two.id) == [two.id]
    assert await found(search=".*") == []
    assert await found(source_workflow_run_id=source) == [two.id]
    assert await found(source_workflow_run_id=source, source_turn_index=1) == [two.id]
    assert await found(source_workflow_run_id=source, source_turn_index=0) == []
    assert await found(source_turn_index=0) == [two.id, one.id]
