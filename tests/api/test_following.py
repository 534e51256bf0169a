"""Executions that follow their flow: a new version runs again what it makes stale."""

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.corrected import CONSTANT, Corrected, a_flow, calls, echo, echoed
from tests.support.eventually import eventually
from tests.support.platform import CLOSED, Execution, Platform
from tests.support.truth import differences
from tests.support.web import Web, serving

Json = dict[str, JsonValue]

DEADLINE_SECONDS = 60.0


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving(echoed) as running:
        yield running


def versions(web: Web) -> tuple[Json, Json]:
    """Return a definition, and one whose second task is another."""
    first = echo("a", web, "start.text")
    return (
        a_flow(first, echo("b", web, "a.body")),
        a_flow(first, echo("b", web, "a.body", CONSTANT)),
    )


async def follows(execution: Execution, version: int) -> None:
    """Wait until an execution has completed on a version."""

    async def has_followed() -> bool:
        shown = await execution.shown()
        return (shown["flow_version"], shown["status"]) == (version, "completed")

    await eventually(has_followed, DEADLINE_SECONDS, saying=f"it follows version {version}")


async def test_what_has_ended_follows_a_new_version_and_nothing_else_does(
    working: Platform, working_api: Api, web: Web
) -> None:
    first, second = versions(web)
    flow = await working.flow(first, settings={"reexecute_on_update": True})
    followers = [await working.started(flow["id"]) for _ in range(3)]
    deleted = await working.started(flow["id"])
    for execution in (*followers, deleted):
        await execution.until(*CLOSED)
    await working.client.delete(deleted.path)
    edited = Corrected(followers[0])
    await edited.edit("a", {"got": "by hand"})
    calls(web)

    answer = await working.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": second}
    )

    assert answer.status_code == 200
    for execution in followers:
        await follows(execution, 2)
    assert calls(web) == {"b": 3}
    assert (await edited.rows())["a"]["edited_status"] == "edited_reexecuted"
    assert await differences(working_api, followers) == []
    stored = await working_api.database["flows"].find_one({"_id": flow["id"]})
    assert stored is not None
    await eventually(lambda: _is_unmarked(working_api, flow), DEADLINE_SECONDS)


async def _is_unmarked(api: Api, flow: Json) -> bool:
    stored = await api.database["flows"].find_one({"_id": flow["id"]})
    return stored is not None and "rerun" not in stored


async def test_without_the_setting_nothing_runs(working: Platform, web: Web) -> None:
    first, second = versions(web)
    flow = await working.flow(first)
    execution = await working.started(flow["id"])
    await execution.until(*CLOSED)
    calls(web)
    followed = await working.flow(first, settings={"reexecute_on_update": True})
    other = await working.started(followed["id"])
    await other.until(*CLOSED)

    for each in (flow, followed):
        await working.client.put(f"/api/flows/{each['id']}/definition", json={"definition": second})
    await follows(other, 2)

    assert (await execution.shown())["flow_version"] == 1


async def test_a_version_that_does_not_take_the_input_is_not_followed(
    working: Platform, working_api: Api, web: Web
) -> None:
    first, _ = versions(web)
    flow = await working.flow(first, settings={"reexecute_on_update": True})
    execution = await working.started(flow["id"])
    before = await execution.until(*CLOSED)
    file: Json = {"name": "start", "task_executor_name": "receive_file"}

    await working.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": {"tasks": [file]}}
    )

    await eventually(lambda: _is_unmarked(working_api, flow), DEADLINE_SECONDS)
    assert await execution.shown() == before
