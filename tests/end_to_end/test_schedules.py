"""Flows that start by the clock: real schedules on a real server."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from contracts.messages import FireCall, FireReply
from contracts.names import flow_schedule_id
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.eventually import eventually
from tests.support.flow_builders import a_flow, task
from tests.support.operations import operations_on
from tests.support.platform import CLOSED, Execution, Json, Platform
from tests.support.truth import differences

NEVER = "0 0 29 2 *"


def a_scheduled_flow(behind: Json | None = None, **parameters: JsonValue) -> Json:
    definition = a_flow(task("clock", "scheduled_trigger", parameters))
    definition["tasks"] = [
        task("clock", "scheduled_trigger", parameters),
        behind or task("note", reads="clock"),
    ]
    definition["edges"] = [{"source": "clock", "target": "pause"}] if behind else []
    return definition


def a_long_wait() -> Json:
    return task("pause", "wait", {"seconds": 3_600})


def schedule(client: Client, flow: Mapping[str, JsonValue]) -> ScheduleHandle:
    return client.get_schedule_handle(flow_schedule_id(str(flow["id"]), "clock"))


async def described(client: Client, flow: Mapping[str, JsonValue]) -> ScheduleDescription | None:
    try:
        return await schedule(client, flow).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def fire(client: Client, flow: Mapping[str, JsonValue], hours_ago: int) -> None:
    """Have an hourly schedule fire for an hour that has passed, whatever runs."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    at = hour - timedelta(hours=hours_ago)
    only = ScheduleBackfill(at, at, overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    await schedule(client, flow).backfill(only)


async def executions(platform: Platform, flow: Mapping[str, JsonValue]) -> list[Json]:
    response = await platform.client.get(
        "/api/flow-executions",
        params={"flow_id": str(flow["id"]), "page_size": 100, "sort_direction": "asc"},
    )
    found: list[Json] = response.json()
    return found


async def until_started(
    platform: Platform, flow: Mapping[str, JsonValue], count: int
) -> list[Json]:
    async def enough() -> list[Json]:
        found = await executions(platform, flow)
        return found if len(found) >= count else []

    return await eventually(enough, saying=f"{count} executions")


async def test_a_flow_starts_every_so_many_seconds(
    working: Platform, working_api: Api, temporal_client: Client
) -> None:
    flow = await working.flow(a_scheduled_flow(every_seconds=1, input={"region": "north"}))

    found = await until_started(working, flow, 3)
    await working.client.delete(f"/api/flows/{flow['id']}")

    inputs = [one["input"] for one in found]
    times = [str(one["scheduled_at"]) for one in inputs if isinstance(one, dict)]
    assert len(set(times)) == len(times)
    assert all(isinstance(one, dict) and one["input"] == {"region": "north"} for one in inputs)
    assert {one["modified_by"] for one in found} <= {"integration", "system"}
    first = Execution(working.client, str(found[0]["id"]))
    assert (await first.until(*CLOSED))["status"] == "completed"
    assert await differences(working_api, [first]) == []


async def test_a_schedule_says_what_its_task_says(
    working: Platform, temporal_client: Client
) -> None:
    flow = await working.flow(
        a_scheduled_flow(
            cron="30 6 * * MON-FRI",
            time_zone="Europe/Berlin",
            overlap="buffer_one",
            catch_up_seconds=900,
        )
    )

    found = await described(temporal_client, flow)

    assert found is not None
    assert found.schedule.spec.time_zone_name == "Europe/Berlin"
    assert found.schedule.policy.overlap is ScheduleOverlapPolicy.BUFFER_ONE
    assert found.schedule.policy.catchup_window == timedelta(minutes=15)
    local = found.info.next_action_times[0].astimezone(UTC)
    assert (local.hour, local.minute) in {(4, 30), (5, 30)}


async def test_a_schedule_follows_its_flow(working: Platform, temporal_client: Client) -> None:
    flow = await working.flow(a_scheduled_flow(cron=NEVER))
    path = f"/api/flows/{flow['id']}"

    async def put(definition: Json) -> ScheduleDescription | None:
        answer = await working.client.put(f"{path}/definition", json={"definition": definition})
        assert answer.status_code == 200, answer.text
        return await described(temporal_client, flow)

    async def paused(value: bool) -> bool | None:
        await working.client.patch(path, json={"settings": {"triggers_paused": value}})
        found = await described(temporal_client, flow)
        return None if found is None else found.schedule.state.paused

    changed = await put(a_scheduled_flow(cron=NEVER, overlap="allow_all"))
    assert changed is not None
    assert changed.schedule.policy.overlap is ScheduleOverlapPolicy.ALLOW_ALL
    assert [await paused(True), await paused(False)] == [True, False]
    assert await put(a_flow(task("note"))) is None
    assert await put(a_scheduled_flow(cron=NEVER)) is not None
    assert (await working.client.delete(path)).status_code == 204
    assert await described(temporal_client, flow) is None


async def test_the_same_time_starts_one_execution(
    working: Platform, temporal_client: Client
) -> None:
    flow = await working.flow(a_scheduled_flow(every_seconds=3_600, overlap="allow_all"))
    noon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    backfill = ScheduleBackfill(
        start_at=noon - timedelta(hours=3, minutes=1),
        end_at=noon,
        overlap=ScheduleOverlapPolicy.ALLOW_ALL,
    )

    await schedule(temporal_client, flow).backfill(backfill)
    first = await until_started(working, flow, 4)
    await _all_ended(temporal_client, flow)
    await schedule(temporal_client, flow).backfill(backfill)

    assert await _outcome(temporal_client, flow, 8) == "started"
    again = await executions(working, flow)
    assert [one["id"] for one in again] == [one["id"] for one in first]


async def test_a_firing_is_skipped_while_an_earlier_execution_runs(
    working: Platform, temporal_client: Client
) -> None:
    flow = await working.flow(a_scheduled_flow(a_long_wait(), every_seconds=3_600, overlap="skip"))
    await fire(temporal_client, flow, 2)
    (first,) = await until_started(working, flow, 1)

    await fire(temporal_client, flow, 1)
    assert await _outcome(temporal_client, flow, 2) == "skipped"

    assert len(await executions(working, flow)) == 1
    await working.client.post(f"/api/flow-executions/{first['id']}/cancel")


async def test_a_firing_may_cancel_the_earlier_execution(
    working: Platform, temporal_client: Client
) -> None:
    flow = await working.flow(
        a_scheduled_flow(a_long_wait(), every_seconds=3_600, overlap="cancel_other")
    )
    await fire(temporal_client, flow, 2)
    (first,) = await until_started(working, flow, 1)

    await fire(temporal_client, flow, 1)
    both = await until_started(working, flow, 2)

    await Execution(working.client, str(first["id"])).until("cancelled")
    second = Execution(working.client, str(both[1]["id"]))
    assert (await second.shown())["status"] not in CLOSED
    await working.client.post(f"{second.path}/cancel")


async def test_a_firing_may_wait_for_the_earlier_execution(
    working: Platform, temporal_client: Client
) -> None:
    flow = await working.flow(
        a_scheduled_flow(a_long_wait(), every_seconds=3_600, overlap="buffer_one")
    )
    await fire(temporal_client, flow, 2)
    (first,) = await until_started(working, flow, 1)
    await fire(temporal_client, flow, 1)
    second = temporal_client.get_workflow_handle(await _last_start(temporal_client, flow, 2))

    async def is_waiting() -> bool:
        types = [event.event_type async for event in second.fetch_history_events()]
        return EventType.EVENT_TYPE_TIMER_STARTED in types

    await eventually(is_waiting, saying="the second firing waits")
    assert len(await executions(working, flow)) == 1

    await working.client.post(f"/api/flow-executions/{first['id']}/cancel")

    both = await until_started(working, flow, 2)
    await working.client.post(f"/api/flow-executions/{both[1]['id']}/cancel")


async def test_a_schedule_that_temporal_was_not_told_about_is_made_up_for(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> None:
    settings = settings_for(temporal_address, mongo_uri)
    async with ready_api(settings, temporal_client) as api:
        platform = await api.organization()
        flow = await platform.flow(a_scheduled_flow(cron=NEVER))
        # As after a crash between the flow's write and Temporal's.
        await schedule(temporal_client, flow).delete()
        await api.database["flows"].update_one(
            {"_id": flow["id"]}, {"$set": {"schedules_pending": True}}
        )
        await _reconciled(api, temporal_client)
        made = await described(temporal_client, flow)

        await platform.client.delete(f"/api/flows/{flow['id']}")
        await api.database["flows"].update_one(
            {"_id": flow["id"]},
            {"$set": {"schedules_pending": True, "schedule_names": ["clock"]}},
        )
        await _reconciled(api, temporal_client)

        assert made is not None
        assert await described(temporal_client, flow) is None


async def test_a_schedule_that_does_not_follow_its_flow_starts_nothing_and_is_mended(
    working: Platform, temporal_client: Client
) -> None:
    flow = await working.flow(a_scheduled_flow(cron=NEVER))
    handle = schedule(temporal_client, flow)

    def outdated(found: ScheduleUpdateInput) -> ScheduleUpdate:
        action = found.description.schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        call = FireCall(
            organization_id=working.organization_id,
            flow_id=str(flow["id"]),
            task_name="clock",
            fingerprint="of another time",
        )
        changed = dataclasses.replace(action, args=[call])
        return ScheduleUpdate(
            schedule=dataclasses.replace(found.description.schedule, action=changed)
        )

    await handle.update(outdated)
    before = await described(temporal_client, flow)
    await handle.trigger()
    outcome = await _outcome(temporal_client, flow, 1)

    async def is_mended() -> bool:
        found = await described(temporal_client, flow)
        assert found is not None
        assert before is not None
        return found.schedule.state.note != before.schedule.state.note

    await eventually(is_mended, saying="the reconciler mends the schedule")
    assert outcome == "outdated"
    assert await executions(working, flow) == []


async def _last_start(client: Client, flow: Mapping[str, JsonValue], count: int) -> str:
    """Wait until a schedule has fired that often, and return the workflow of the last time."""

    async def found() -> str:
        about = await described(client, flow)
        if about is None or about.info.num_actions < count:
            return ""
        action = about.info.recent_actions[-1].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        return action.workflow_id

    return str(await eventually(found, saying=f"{count} firings"))


async def _all_ended(client: Client, flow: Mapping[str, JsonValue]) -> None:
    """Wait until no firing is under way: Temporal starts none again that still is."""
    about = await described(client, flow)
    assert about is not None
    for recent in about.info.recent_actions:
        assert isinstance(recent.action, ScheduleActionExecutionStartWorkflow)
        await client.get_workflow_handle(recent.action.workflow_id).result()


async def _outcome(client: Client, flow: Mapping[str, JsonValue], count: int) -> str:
    """Return what came of a schedule's last firing, once it is known."""
    workflow_id = await _last_start(client, flow, count)
    handle = client.get_workflow_handle(workflow_id, result_type=FireReply)
    reply: FireReply = await handle.result()
    return reply.outcome


async def _reconciled(api: Api, client: Client) -> None:
    """Run one round of the reconciler on an application's database."""
    operations = await operations_on(api.database, client, api.settings.task_queue)
    await operations.reconcile()


@pytest.mark.parametrize("status", ["draft", "published"])
async def test_a_paused_flow_starts_nothing_even_if_its_schedule_does_not_know(
    working: Platform, temporal_client: Client, status: str
) -> None:
    flow = await working.flow(a_scheduled_flow(cron=NEVER))
    await working.client.patch(
        f"/api/flows/{flow['id']}",
        json={"status": status, "settings": {"triggers_paused": True}},
    )
    handle = schedule(temporal_client, flow)

    await handle.trigger()

    assert await _outcome(temporal_client, flow, 1) == "gone"
    assert await executions(working, flow) == []
