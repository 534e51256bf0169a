"""Two builds of the workers beside each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client

import worker
from contracts.names import (
    RECONCILIATION_SCHEDULE,
    SCHEDULED_START,
    flow_workflow_id,
)
from flows.errors import StartUpError
from runtime.deployment import promote
from runtime.settings import Settings
from tests.end_to_end.test_schedules import fire
from tests.fixtures.api import Api, ready_api, settings_for
from tests.support.effect_flows import INPUT, Json, a_flow, an_effect
from tests.support.eventually import eventually
from tests.support.flow_builders import task
from tests.support.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def versioned(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> AsyncIterator[Api]:
    """An application whose workers belong to a deployment of its own."""
    settings = settings_for(
        temporal_address,
        mongo_uri,
        deployment_name=f"test-{uuid4().hex}",
        reconcile_interval=timedelta(seconds=1),
    )
    async with ready_api(settings, temporal_client) as api:
        yield api


@asynccontextmanager
async def build(settings: Settings, build_id: str) -> AsyncIterator[None]:
    """Run a worker of a build for a while."""
    stop = asyncio.Event()
    changed = settings.model_copy(update={"build_id": build_id})
    serving = asyncio.create_task(worker.serve(changed, stop))
    try:
        yield
    finally:
        stop.set()
        await serving


async def promoted(client: Client, settings: Settings, build_id: str) -> None:
    """Promote a build, as soon as one of its workers is known."""

    async def done() -> bool:
        try:
            await promote(client, settings.deployment_name, build_id)
        except StartUpError:
            return False
        return True

    await eventually(done, saying=f"{build_id} polls")


async def build_of(client: Client, workflow_id: str) -> str:
    described = await client.get_workflow_handle(workflow_id).describe()
    versioning = described.raw_description.workflow_execution_info.versioning_info
    return str(versioning.deployment_version.build_id)


async def test_a_run_ends_on_its_build_while_new_ones_begin_on_the_next(
    versioned: Api, temporal_client: Client, receiver: Receiver
) -> None:
    gate = receiver.gate("/first")
    platform = await versioned.organization()
    first = await platform.flow(a_flow(an_effect("call", receiver, "/first", reads="form")))
    second = await platform.flow(a_flow(an_effect("call", receiver, "/second", reads="form")))
    async with build(versioned.settings, "one"):
        await promoted(temporal_client, versioned.settings, "one")
        old = await platform.started(first["id"], INPUT)
        await eventually(lambda: receiver.arrived("/first"), 20, saying="the old run waits")
        async with build(versioned.settings, "two"):
            await promoted(temporal_client, versioned.settings, "two")
            new = await platform.started(second["id"], INPUT)
            assert (await new.until("completed", "failed"))["status"] == "completed"
            gate.set()
            assert (await old.until("completed", "failed"))["status"] == "completed"

    assert await build_of(temporal_client, flow_workflow_id(old.id, 1)) == "one"
    assert await build_of(temporal_client, flow_workflow_id(new.id, 1)) == "two"
    assert len(receiver.keys["/first"]) == len(receiver.keys["/second"]) == 1


async def test_rounds_of_the_reconciler_move_to_the_promoted_build(
    versioned: Api, temporal_client: Client
) -> None:
    schedule = f"{RECONCILIATION_SCHEDULE}:{versioned.settings.task_queue}"

    async def builds() -> set[str]:
        query = f'TaskQueue = "{versioned.settings.task_queue}" AND ExecutionStatus = "Completed"'
        rounds = [each async for each in temporal_client.list_workflows(query)]
        assert all(each.id.startswith(schedule) for each in rounds)
        return {await build_of(temporal_client, each.id) for each in rounds[:1]}

    for name in ("one", "two"):
        async with build(versioned.settings, name):
            await promoted(temporal_client, versioned.settings, name)

            async def has_ended_here(name: str = name) -> bool:
                return await builds() == {name}

            await eventually(has_ended_here, saying=f"a round ended on {name}")


async def test_a_start_that_waits_for_its_turn_moves_to_the_promoted_build(
    versioned: Api, temporal_client: Client, receiver: Receiver
) -> None:
    gate = receiver.gate("/call")
    platform = await versioned.organization()
    clock: Json = {"every_seconds": 3_600, "overlap": "buffer_one"}
    definition: Json = {
        "name": "by the clock",
        "tasks": [
            task("clock", "scheduled_trigger", {**clock, "input": INPUT}),
            an_effect("call", receiver, "/call", reads="clock"),
        ],
    }
    flow = await platform.flow(definition)
    starts = f'TaskQueue = "{versioned.settings.task_queue}" AND WorkflowType = "{SCHEDULED_START}"'

    async def builds() -> list[str]:
        found = [each async for each in temporal_client.list_workflows(starts)]
        return [await build_of(temporal_client, each.id) for each in found]

    async with build(versioned.settings, "one"):
        await promoted(temporal_client, versioned.settings, "one")
        await fire(temporal_client, flow, 2)
        await eventually(lambda: receiver.arrived("/call"), 20, saying="the first runs")
        await fire(temporal_client, flow, 1)

        async def waits() -> bool:
            return (await builds()).count("one") > 1

        await eventually(waits, saying="the second waits for the first")
        async with build(versioned.settings, "two"):
            await promoted(temporal_client, versioned.settings, "two")

            async def has_moved() -> bool:
                return "two" in await builds()

            await eventually(has_moved, saying="the start that waits is on the next build")
            gate.set()

            async def both_ran() -> bool:
                return len(receiver.keys["/call"]) > 1

            await eventually(both_ran, saying="the second ran as well")


async def test_a_build_that_nobody_runs_cannot_be_promoted(temporal_client: Client) -> None:
    with pytest.raises(StartUpError, match="knows no worker of build ghost of nobody"):
        await promote(temporal_client, "nobody", "ghost")
