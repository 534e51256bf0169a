"""Waits as the API shows them, and as their histories tell of them."""

from datetime import datetime, timedelta

from temporalio.client import Client

from contracts.names import flow_workflow_id
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, an_input, task
from tests.support.histories import told_of_its_wait
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.truth import differences


def a_wait(seconds: float) -> Json:
    """Return a flow that waits."""
    return a_flow(task("pause", "wait", {"seconds": seconds}), task("after", reads="pause"))


async def begun(working: Platform, definition: Json) -> Execution:
    """Start a flow and wait until its wait is shown as running."""
    flow = await working.flow(definition)
    execution = await working.started(flow["id"])

    async def is_shown() -> bool:
        rows = await execution.task_executions(task_name="pause")
        return [row["status"] for row in rows] == ["running"]

    await eventually(is_shown, saying="the wait is shown as running")
    return execution


async def test_a_wait_is_shown_as_one_attempt_with_its_times(
    working: Platform, working_api: Api
) -> None:
    execution = await working.completed(a_wait(0.5))

    rows = await execution.task_executions(task_name="pause")
    assert [row["status"] for row in rows] == ["completed"]
    assert rows[0]["input"] == {"seconds": 0.5}
    began = datetime.fromisoformat(str(rows[0]["started_at"]))
    ended = datetime.fromisoformat(str(rows[0]["completed_at"]))
    assert ended - began >= timedelta(seconds=0.5)
    assert await differences(working_api, [execution]) == []


async def test_a_wait_is_shown_while_it_lasts_and_when_it_is_cancelled(
    working: Platform, working_api: Api
) -> None:
    execution = await begun(working, a_wait(3_600))
    assert (await execution.shown())["status"] == "in_progress"

    response = await working.client.post(f"{execution.path}/cancel")
    assert response.status_code == 204
    await execution.until("cancelled")

    rows = await execution.task_executions(task_name="pause")
    assert [row["status"] for row in rows] == ["cancelled"]
    assert await differences(working_api, [execution]) == []


async def test_a_wait_that_was_terminated_from_outside_is_settled_from_its_history(
    working: Platform, working_api: Api, temporal_client: Client
) -> None:
    execution = await begun(working, a_wait(3_600))

    handle = temporal_client.get_workflow_handle(flow_workflow_id(execution.id, 1))
    await told_of_its_wait(handle)
    await handle.terminate()
    await execution.until("failed")

    rows = await execution.task_executions(task_name="pause")
    assert [row["status"] for row in rows] == ["cancelled"]
    assert rows[0]["input"] == {"seconds": 3_600}
    assert await differences(working_api, [execution]) == []


async def test_a_wait_whose_result_is_reused_is_not_waited_for_again(
    working: Platform, working_api: Api
) -> None:
    execution = await working.completed(a_wait(0.1))
    before = await execution.task_executions(task_name="pause")

    response = await working.client.post(f"{execution.path}/execute", params={"only_stale": True})
    assert response.status_code == 204
    await execution.until(*CLOSED)

    assert await execution.task_executions(task_name="pause") == before
    assert await differences(working_api, [execution]) == []


async def test_each_item_of_an_iteration_waits(working: Platform, working_api: Api) -> None:
    definition = a_flow(
        an_input("start", {"id": "n", "data_type": "list"}),
        task("pause", "wait", {"seconds": "{{start.n}}"}, reference_modes={"seconds": "single"}),
    )

    execution = await working.completed(definition, {"n": [0.1, 0.2, 0.3]})

    rows = await execution.task_executions(task_name="pause")
    assert sorted(str(row["task_execution_idx"]) for row in rows) == ["0", "1", "2"]
    assert await differences(working_api, [execution]) == []
