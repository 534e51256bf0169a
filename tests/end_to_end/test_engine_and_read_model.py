"""The engine over the real store: what the API serves is what the histories say."""

import asyncio

from pydantic import JsonValue

from tests.fixtures.api import Api
from tests.support.flow_builders import a_flow, an_input, edge, task
from tests.support.platform import CLOSED, Execution, Platform
from tests.support.truth import differences
from tests.workflows.test_generated_flows import drawn

Json = dict[str, JsonValue]

GENERATED = 40
AT_ONCE = 8
LIST_INPUT = an_input("start", {"id": "n", "data_type": "list"})


def each(name: str, reads: str) -> Json:
    """Return a task that runs once per item."""
    return task(
        name,
        parameters={"template": {"was": f"{{{{{reads}}}}}"}},
        reference_modes={"template": "single"},
    )


async def rows_behind_the_input(execution: Execution) -> dict[JsonValue, JsonValue]:
    """Return when each row was last changed, by its id, the input task's aside."""
    rows = await execution.task_executions()
    return {row["id"]: row["updated_at"] for row in rows if row["task_name"] != "start"}


async def test_an_iteration_is_shown_item_by_item_and_as_a_whole(
    working: Platform, working_api: Api
) -> None:
    numbers: list[JsonValue] = list(range(620))
    definition = a_flow(LIST_INPUT, each("each", "start.n"), task("all", reads="each"))

    execution = await working.completed(definition, {"n": numbers})

    rows = await execution.task_executions(task_name="each")
    outputs = await execution.outputs()
    assert sorted(int(str(row["task_execution_idx"])) for row in rows) == numbers
    assert outputs["each"] == [{"was": number} for number in numbers]
    assert await differences(working_api, [execution]) == []


async def test_an_iteration_over_nothing_is_shown_as_an_empty_list(
    working: Platform, working_api: Api
) -> None:
    definition = a_flow(LIST_INPUT, each("each", "start.n"))

    execution = await working.completed(definition, {"n": []})

    assert await execution.task_executions(task_name="each") == []
    assert (await execution.outputs())["each"] == []
    assert await differences(working_api, [execution]) == []


async def test_what_a_branch_leaves_out_is_not_shown(working: Platform, working_api: Api) -> None:
    is_hello: Json = {"left": "{{start.text}}", "operator": "eq", "right": "hello"}
    cases: list[JsonValue] = [{"name": "greeted", "condition": is_hello}]
    definition = a_flow(
        an_input(),
        task("way", "branch", {"cases": cases, "default": "other"}),
        task("yes"),
        task("no"),
        task("after_no", reads="no"),
        edges=[
            edge("way", "yes", "greeted"),
            edge("way", "no", "other"),
        ],
    )

    execution = await working.completed(definition, {"text": "hello"})

    shown = {row["task_name"] for row in await execution.task_executions()}
    assert shown == {"start", "way", "yes"}
    assert await differences(working_api, [execution]) == []


async def test_unchanged_results_are_reused_and_stay_as_they_were(
    working: Platform, working_api: Api
) -> None:
    definition = a_flow(LIST_INPUT, each("each", "start.n"), task("all", reads="each"))
    execution = await working.completed(definition, {"n": [1, 2, 3]})
    before = await rows_behind_the_input(execution)

    response = await working.client.post(f"{execution.path}/execute", params={"only_stale": True})
    assert response.status_code == 204, response.text
    await execution.until(*CLOSED)

    assert len(before) == 4
    assert await rows_behind_the_input(execution) == before
    assert await differences(working_api, [execution]) == []


async def test_generated_flows_are_shown_as_they_ran(working: Platform, working_api: Api) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    chosen = drawn(GENERATED)

    async def run(at: int) -> Execution:
        async with gate:
            generated = chosen[at]
            flow = await working.flow(generated.definition)
            response = await working.client.post(
                "/api/flow-executions",
                json={
                    "flow_id": flow["id"],
                    "input": generated.input,
                    "input_task_name": generated.input_task_name,
                },
            )
            assert response.status_code == 201, response.text
            execution = Execution(working.client, response.json()["id"])
            await execution.until(*CLOSED)
            return execution

    executions = await asyncio.gather(*(run(at) for at in range(len(chosen))))

    assert await differences(working_api, executions) == []
