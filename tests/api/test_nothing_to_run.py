"""Running again what is stale where nothing is: completed at once, and no run."""

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from operations.reuse import MAX_RESULTS
from tests.fixtures.api import Api
from tests.support.corrected import Corrected, a_flow, answered, calls, echo, echoed
from tests.support.flow_builders import a_flow as a_flow_with_edges
from tests.support.flow_builders import an_input, edge, task
from tests.support.platform import Execution, Platform
from tests.support.truth import differences
from tests.support.web import Web, serving

Json = dict[str, JsonValue]


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving(echoed) as running:
        yield running


@pytest.fixture
async def pair(working: Platform, web: Web) -> Corrected:
    """Tasks a and b in a row, both completed."""
    flow = a_flow(echo("a", web, "start.text"), echo("b", web, "a.body"))
    found = Corrected(await working.completed(flow))
    assert calls(web) == {"a": 1, "b": 1}
    return found


async def status_at_once(corrected: Corrected, *, only_stale: bool = True) -> JsonValue:
    """Run it again, and return what is shown right after the answer."""
    answer = await corrected.client.post(
        f"{corrected.execution.path}/execute", params={"only_stale": only_stale}
    )
    assert answer.status_code == 204, answer.text
    return (await corrected.execution.shown())["status"]


async def generation_of(api: Api, execution: Execution) -> int:
    """Return how often an execution was begun."""
    found = await api.database["flow_executions"].find_one({"_id": execution.id})
    assert found is not None
    return int(found["generation"])


async def test_what_has_nothing_stale_is_completed_at_once(
    pair: Corrected, web: Web, working_api: Api
) -> None:
    before = await pair.rows()

    assert await status_at_once(pair) == "completed"

    assert await pair.rows() == before
    assert await generation_of(working_api, pair.execution) == 1
    assert calls(web) == {}
    assert await differences(working_api, [pair.execution]) == []


async def test_an_edited_last_result_is_taken_up_at_once(
    pair: Corrected, web: Web, working_api: Api
) -> None:
    await pair.edit("b", {"got": 1})

    assert await status_at_once(pair) == "completed"

    row = (await pair.rows())["b"]
    assert (row["edited_status"], row["output"]) == (
        "edited_reexecuted",
        answered(row, {"got": 1}),
    )
    assert await generation_of(working_api, pair.execution) == 1
    assert calls(web) == {}
    assert await differences(working_api, [pair.execution]) == []


async def test_an_edit_that_was_taken_back_leaves_nothing_to_run(
    pair: Corrected, web: Web, working_api: Api
) -> None:
    before = (await pair.rows())["a"]
    await pair.edit("a", {"got": 1})
    assert await pair.stale() == {"b"}
    back = await pair.put((await pair.rows())["a"], {"output": before["output"]}, execute_flow=True)
    assert back.status_code == 200, back.text

    assert (await pair.execution.shown())["status"] == "completed"
    assert await pair.stale() == set()
    assert await generation_of(working_api, pair.execution) == 1
    assert calls(web) == {}


async def test_what_has_something_stale_is_run(pair: Corrected, web: Web, working_api: Api) -> None:
    await pair.edit("a", {"got": 1})

    assert (await pair.again(only_stale=True))["status"] == "completed"

    assert await generation_of(working_api, pair.execution) == 2
    assert calls(web) == {"b": 1}


async def test_a_way_that_is_chosen_no_more_is_run_to_hide_it(
    working: Platform, working_api: Api
) -> None:
    """Nothing lies on the other way, so no task would run; but what was shown has to go."""
    is_hello: Json = {"left": "{{start.text}}", "operator": "eq", "right": "hello"}
    cases: list[JsonValue] = [{"name": "greeted", "condition": is_hello}]
    definition = a_flow_with_edges(
        an_input(),
        task("way", "branch", {"cases": cases, "default": "other"}),
        task("yes"),
        edges=[edge("way", "yes", "greeted")],
    )
    found = Corrected(await working.completed(definition, {"text": "hello"}))
    row = (await found.rows())["way"]
    output = {**row["output"], "case": "other"}  # type: ignore[dict-item]  # JSON
    answer = await found.put(row, {"output": output})
    assert answer.status_code == 200, answer.text

    assert (await found.again(only_stale=True))["status"] == "completed"

    assert {row["task_name"] for row in await found.execution.task_executions()} == {"start", "way"}
    assert await generation_of(working_api, found.execution) == 2


async def test_another_version_is_run_although_it_changes_nothing(
    working: Platform, pair: Corrected, web: Web, working_api: Api
) -> None:
    shown = await pair.execution.shown()
    flow = (await working.client.get(f"/api/flows/{shown['flow_id']}")).json()
    changed = {**flow["definition"], "name": "the same again"}
    newer = await working.client.put(
        f"/api/flows/{flow['id']}/definition", json={"definition": changed}
    )
    assert newer.status_code == 200, newer.text

    ended = await pair.again(only_stale=True)

    assert (ended["status"], ended["flow_version"]) == ("completed", 2)
    assert await generation_of(working_api, pair.execution) == 2
    assert calls(web) == {}


async def test_it_needs_no_slot(working: Platform, pair: Corrected) -> None:
    limit = await working.client.put(
        "/api/organizations/settings", json={"max_concurrent_executions": 1}
    )
    assert limit.status_code == 200, limit.text
    pausing = await working.flow(a_flow_with_edges(task("pause", "wait", {"seconds": 3_600})))
    other = await working.started(pausing["id"])
    await other.until("running", "in_progress")

    assert await status_at_once(pair) == "completed"

    await working.client.post(f"{other.path}/cancel")
    await other.until("cancelled")


async def test_what_shows_very_many_results_is_run(working: Platform, working_api: Api) -> None:
    each = task(
        "each",
        parameters={"template": {"was": "{{start.n}}"}},
        reference_modes={"template": "single"},
    )
    numbers: list[JsonValue] = list(range(MAX_RESULTS))
    definition = a_flow_with_edges(an_input("start", {"id": "n", "data_type": "list"}), each)
    found = Corrected(await working.completed(definition, {"n": numbers}))

    assert (await found.again(only_stale=True))["status"] == "completed"

    assert await generation_of(working_api, found.execution) == 2
