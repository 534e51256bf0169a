"""Data submitted for a waiting task: before, during and after the wait, once and again."""

import asyncio

from temporalio.client import Client

from contracts.names import flow_workflow_id
from store.webhook_data import WebhookDataRepository
from tests.end_to_end.test_reset import agreed, reset
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, edge, task
from tests.support.histories import told_of_its_wait
from tests.support.platform import CLOSED, Json, Platform
from tests.support.submissions import (
    DATA,
    a_receiver,
    acknowledged,
    asking,
    shown_waiting,
    submit,
    waiting_execution,
)
from tests.support.truth import differences


async def test_data_that_comes_during_the_wait_becomes_the_output(
    working: Platform, working_api: Api
) -> None:
    execution = await waiting_execution(working, asking())
    (row,) = await execution.task_executions(task_name="ask")
    assert row["processing_status"] == "awaiting_input"
    assert await differences(working_api, [execution]) == []

    assert (await acknowledged(working, execution))["status"] == "received"
    shown = await execution.until(*CLOSED)

    assert shown["status"] == "completed"
    assert (await execution.outputs())["ask"] == DATA
    (after,) = await execution.task_executions(task_name="ask")
    assert after["id"] == row["id"]
    assert after["output"] == DATA
    await agreed(working_api, execution)


async def test_data_that_comes_before_the_task_is_used_at_once(
    working: Platform, working_api: Api
) -> None:
    flow = await working.flow(
        a_flow(task("pause", "wait", {"seconds": 1.5}), a_receiver(), edges=[edge("pause", "ask")])
    )
    execution = await working.started(flow["id"])

    assert (await acknowledged(working, execution))["status"] == "received"

    assert (await execution.until(*CLOSED))["status"] == "completed"
    assert (await execution.outputs())["ask"] == DATA
    await agreed(working_api, execution)


async def test_the_same_again_is_acknowledged_even_after_the_end(working: Platform) -> None:
    execution = await waiting_execution(working, asking())
    first = await acknowledged(working, execution)
    await execution.until("completed")

    again = await acknowledged(working, execution, {"amount": 3, "name": "Ada"})
    other = await submit(working, execution, {"name": "Bob", "amount": 3})

    assert again == {"id": first["id"], "status": "duplicate"}
    assert other.status_code == 409
    assert other.json()["error"]["details"] == {"id": first["id"]}


async def test_parallel_receivers_wait_until_the_last_one_is_served(
    working: Platform, working_api: Api
) -> None:
    execution = await waiting_execution(working, asking("left", "right"), 2)

    await acknowledged(working, execution, task_name="left")
    await shown_waiting(execution)
    await acknowledged(working, execution, {"name": "Bob", "amount": 1}, task_name="right")

    assert (await execution.until(*CLOSED))["status"] == "completed"
    outputs = await execution.outputs()
    assert (outputs["left"], outputs["right"]) == (DATA, {"name": "Bob", "amount": 1})
    await agreed(working_api, execution)


async def test_an_execution_that_goes_on_is_not_shown_as_waiting(working: Platform) -> None:
    flow = a_flow(
        a_receiver(), task("pause", "wait", {"seconds": 60}), edges=[edge("ask", "pause")]
    )
    execution = await waiting_execution(working, flow)

    await acknowledged(working, execution)

    await execution.until("in_progress")
    await working.client.post(f"{execution.path}/cancel")
    await execution.until("cancelled")


async def test_of_different_data_at_the_same_moment_exactly_one_is_taken(working: Platform) -> None:
    execution = await waiting_execution(working, asking())
    sent: list[Json] = [{"name": f"sender {number}", "amount": number} for number in range(12)]

    responses = await asyncio.gather(*(submit(working, execution, data) for data in sent))

    taken = [at for at, response in enumerate(responses) if response.status_code == 200]
    assert len(taken) == 1
    assert responses[taken[0]].json()["status"] == "received"
    assert {response.status_code for response in responses} == {200, 409}
    await execution.until("completed")
    assert (await execution.outputs())["ask"] == sent[taken[0]]


async def test_of_the_same_data_at_the_same_moment_one_is_the_first(working: Platform) -> None:
    execution = await waiting_execution(working, asking())

    answers = await asyncio.gather(*(acknowledged(working, execution) for _ in range(12)))

    statuses = sorted(str(answer["status"]) for answer in answers)
    assert statuses == ["duplicate"] * 11 + ["received"]
    assert len({answer["id"] for answer in answers}) == 1
    await execution.until("completed")


async def test_early_data_and_the_task_that_begins_to_wait_find_each_other(
    working: Platform, working_api: Api
) -> None:
    flow = await working.flow(asking())
    executions = await asyncio.gather(*(working.started(flow["id"]) for _ in range(10)))

    await asyncio.gather(*(acknowledged(working, execution) for execution in executions))

    for execution in executions:
        assert (await execution.until(*CLOSED))["status"] == "completed"

    async def agrees() -> bool:
        return await differences(working_api, executions) == []

    # A signal that meets a run's last workflow task makes Temporal repeat that.
    await eventually(agrees, saying="read model and histories agree")


async def test_data_for_what_was_cancelled_is_refused(working: Platform, working_api: Api) -> None:
    execution = await waiting_execution(working, asking())
    await working.client.post(f"{execution.path}/cancel")
    await execution.until("cancelled")

    response = await submit(working, execution)

    assert response.status_code == 409
    assert response.json()["error"]["details"] == {"status": "cancelled"}
    (row,) = await execution.task_executions(task_name="ask")
    assert row["status"] == "cancelled"
    await agreed(working_api, execution)


async def test_a_wait_that_was_terminated_from_outside_is_settled(
    working: Platform, working_api: Api, temporal_client: Client
) -> None:
    execution = await waiting_execution(working, asking())
    handle = temporal_client.get_workflow_handle(flow_workflow_id(execution.id, 1))
    await told_of_its_wait(handle)

    await handle.terminate()
    await execution.until("failed")

    (row,) = await execution.task_executions(task_name="ask")
    assert row["status"] == "cancelled"
    await agreed(working_api, execution)


async def test_nothing_in_time_fails_the_execution(working: Platform, working_api: Api) -> None:
    execution = await working.ended(asking(timeout_seconds=0.5))

    shown = await execution.shown()
    assert shown["status"] == "failed"
    assert shown["error"]["type"] == "NotDelivered"  # type: ignore[index,call-overload]  # JSON
    await agreed(working_api, execution)


async def test_running_again_uses_what_was_submitted_before(
    working: Platform, working_api: Api
) -> None:
    execution = await waiting_execution(working, asking())
    await acknowledged(working, execution)
    await execution.until("completed")

    for only_stale in (False, True):
        response = await working.client.post(
            f"{execution.path}/execute", params={"only_stale": only_stale}
        )
        assert response.status_code == 204, response.text
        assert (await execution.until(*CLOSED))["status"] == "completed"

        assert (await execution.outputs())["ask"] == DATA
    await agreed(working_api, execution)


async def test_what_was_stored_and_never_signalled_is_delivered(
    working: Platform, working_api: Api
) -> None:
    execution = await waiting_execution(working, asking("left", "right"), 2)
    stored = WebhookDataRepository(working_api.database)

    for name in ("left", "right"):
        await stored.add(working.organization_id, execution.id, name, DATA, "system")

    assert (await execution.until(*CLOSED))["status"] == "completed"
    assert (await execution.outputs())["right"] == DATA
    await agreed(working_api, execution)


async def test_what_does_not_fit_the_latest_version_is_asked_for_again(
    working: Platform, working_api: Api
) -> None:
    flow = await working.flow(asking())
    execution = await working.started(flow["id"])
    await acknowledged(working, execution)
    await execution.until("completed")
    changed = a_flow(a_receiver(fields=[{"id": "city"}]), task("after", reads="ask"))
    await working.client.put(f"/api/flows/{flow['id']}/definition", json={"definition": changed})

    await working.client.post(f"{execution.path}/execute")
    await shown_waiting(execution)
    await acknowledged(working, execution, {"city": "Bern"})

    assert (await execution.until(*CLOSED))["status"] == "completed"
    assert (await execution.outputs())["ask"] == {"city": "Bern"}
    await agreed(working_api, execution)


async def test_data_that_leaves_the_history_arrives_whole(
    working: Platform, working_api: Api
) -> None:
    execution = await waiting_execution(working, asking())
    data: Json = {"name": "a" * 200_000, "amount": 1}

    await acknowledged(working, execution, data)

    assert (await execution.until(*CLOSED))["status"] == "completed"
    assert (await execution.outputs())["ask"] == data
    await agreed(working_api, execution)


async def test_a_deleted_execution_that_waits_takes_nothing(working: Platform) -> None:
    execution = await waiting_execution(working, asking())

    await working.client.delete(execution.path)

    assert (await submit(working, execution)).status_code == 404


async def test_a_run_that_was_reset_waits_anew_and_is_told(
    working: Platform, working_api: Api, temporal_client: Client
) -> None:
    execution = await waiting_execution(working, asking())
    (before,) = await execution.task_executions(task_name="ask")

    await reset(temporal_client, execution, to_start=True)

    async def is_begun_anew() -> bool:
        rows = await execution.task_executions(task_name="ask")
        return len(rows) == 1 and rows[0]["started_at"] != before["started_at"]

    await eventually(is_begun_anew, saying="the new run waits")
    await shown_waiting(execution)
    await acknowledged(working, execution)
    assert (await execution.until(*CLOSED))["status"] == "completed"
    assert (await execution.outputs())["ask"] == DATA
    await agreed(working_api, execution)


async def test_a_reset_of_what_has_ended_uses_what_was_submitted(
    working: Platform, working_api: Api, temporal_client: Client
) -> None:
    execution = await waiting_execution(working, asking(timeout_seconds=2))
    await execution.until("failed")

    await reset(temporal_client, execution, to_start=True)
    await shown_waiting(execution)
    await acknowledged(working, execution)
    await execution.until("completed")
    await agreed(working_api, execution)

    (before,) = await execution.task_executions(task_name="ask")
    await reset(temporal_client, execution, to_start=True)

    async def has_ended_anew() -> bool:
        rows = await execution.task_executions(task_name="ask")
        is_new = len(rows) == 1 and rows[0]["started_at"] != before["started_at"]
        return is_new and rows[0]["output"] == DATA

    await eventually(has_ended_anew, saying="the new run took what was stored")
    await execution.until("completed")
    await agreed(working_api, execution)
