"""What the gateway asks of Temporal, and how it says that Temporal does not answer."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

from contracts.messages import FlowExecutionStart
from contracts.names import (
    FLOW_EXECUTION_ID,
    FLOW_ID,
    FLOW_VERSION,
    ORGANIZATION_ID,
    RECONCILIATION_SCHEDULE,
    flow_workflow_id,
)
from flows.errors import TemporalUnavailableError
from runtime.gateway import Gateway, RunStatus, summary
from runtime.readiness import LOOPBACK, free_port
from runtime.temporal import connect
from tests.support.engine import a_flow, a_start, instant
from tests.support.eventually import eventually

# Less than the SDK's own deadline of a call.
UNASSISTED_SECONDS = 25


@pytest.fixture
def gateway(temporal_client: Client, task_queue: str) -> Gateway:
    return Gateway(temporal_client, task_queue)


@pytest.fixture
def start() -> FlowExecutionStart:
    return a_start(a_flow(instant("a", {"n": 1})))


def workflow_id_of(start: FlowExecutionStart) -> str:
    return flow_workflow_id(start.flow_execution_id, start.generation)


async def test_starting_twice_is_one_run(gateway: Gateway, start: FlowExecutionStart) -> None:
    first = await gateway.start(start)
    second = await gateway.start(start)

    assert first == second


async def test_a_generation_that_ended_is_not_started_again(
    gateway: Gateway, start: FlowExecutionStart
) -> None:
    first = await gateway.start(start)
    await gateway.terminate(workflow_id_of(start), "test")

    assert await gateway.start(start) == first
    described = await gateway.describe(workflow_id_of(start))
    assert described is not None
    assert described.status is RunStatus.TERMINATED


async def test_a_start_says_what_it_is_about(
    gateway: Gateway, start: FlowExecutionStart, temporal_client: Client
) -> None:
    await gateway.start(start)

    found = await temporal_client.get_workflow_handle(workflow_id_of(start)).describe()

    assert await found.static_summary() == "test v1 #1"
    assert found.raw_description.workflow_execution_info.priority.fairness_key == (
        start.organization_id
    )
    attributes = found.typed_search_attributes
    assert attributes[SearchAttributeKey.for_keyword(ORGANIZATION_ID)] == start.organization_id
    assert attributes[SearchAttributeKey.for_keyword(FLOW_ID)] == start.flow_id
    assert attributes[SearchAttributeKey.for_int(FLOW_VERSION)] == start.flow_version
    assert attributes[SearchAttributeKey.for_keyword(FLOW_EXECUTION_ID)] == start.flow_execution_id


async def test_a_summary_fits_whatever_the_flow_is_called() -> None:
    text = summary("\N{GRINNING FACE}" * 255, 12, 345)

    assert text.endswith("\N{GRINNING FACE} v12 #345")
    assert len(text.encode()) <= 200


async def test_a_namespace_without_our_search_attributes_gets_them(
    temporal_client: Client, temporal_address: str, task_queue: str, start: FlowExecutionStart
) -> None:
    namespace = f"bare-{uuid4().hex}"
    retention = Duration()
    retention.FromTimedelta(timedelta(days=1))
    await temporal_client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
    )
    client = await connect(temporal_address, namespace)
    gateway = Gateway(client, task_queue)

    async def is_started() -> bool:
        """The server needs a moment to notice new namespaces and attributes."""
        try:
            return bool(await gateway.start(start))
        except TemporalUnavailableError:
            return False

    assert await eventually(is_started)


async def test_a_cancellation_shows(gateway: Gateway, start: FlowExecutionStart) -> None:
    await gateway.start(start)
    before = await gateway.describe(workflow_id_of(start))
    assert await gateway.cancel(workflow_id_of(start))

    described = await gateway.describe(workflow_id_of(start))

    assert before is not None
    assert not before.is_cancel_requested
    assert described is not None
    assert described.is_running
    assert described.is_cancel_requested


async def test_what_temporal_does_not_know_is_no_error(gateway: Gateway) -> None:
    unknown = flow_workflow_id(str(uuid4()), 1)

    assert await gateway.describe(unknown) is None
    assert await gateway.history(unknown) is None
    assert await gateway.task_states(unknown) is None
    assert not await gateway.cancel(unknown)
    assert not await gateway.terminate(unknown, "test")


async def test_what_has_ended_cannot_be_terminated_again(
    gateway: Gateway, start: FlowExecutionStart
) -> None:
    await gateway.start(start)

    assert await gateway.terminate(workflow_id_of(start), "test")
    assert not await gateway.terminate(workflow_id_of(start), "test")


async def test_the_schedule_is_made_once_and_then_changed(
    gateway: Gateway, temporal_client: Client, task_queue: str
) -> None:
    await gateway.ensure_schedule(timedelta(seconds=30))
    await gateway.ensure_schedule(timedelta(seconds=5))

    handle = temporal_client.get_schedule_handle(f"{RECONCILIATION_SCHEDULE}:{task_queue}")
    described = await handle.describe()
    await handle.delete()
    intervals = [interval.every for interval in described.schedule.spec.intervals]
    assert intervals == [timedelta(seconds=5)]


async def test_a_server_that_is_down_is_said_soon(start: FlowExecutionStart) -> None:
    client = await connect(f"{LOOPBACK}:{free_port()}", "default", lazy=True)
    gateway = Gateway(client, "nowhere")

    async with asyncio.timeout(UNASSISTED_SECONDS):
        with pytest.raises(TemporalUnavailableError):
            await gateway.start(start)
        with pytest.raises(TemporalUnavailableError):
            await gateway.describe(workflow_id_of(start))
        assert not await gateway.is_healthy()


async def test_a_server_that_answers_is_healthy(gateway: Gateway) -> None:
    assert await gateway.is_healthy()


async def test_a_start_that_temporal_refuses_is_left_for_later_and_said(
    temporal_client: Client, task_queue: str, start: FlowExecutionStart
) -> None:
    """Here it refuses the id; what Temporal refuses today it may accept after an upgrade."""
    gateway = Gateway(temporal_client, task_queue)
    too_long = start.model_copy(update={"flow_execution_id": "x" * 2_000})

    with pytest.raises(TemporalUnavailableError, match="refuses"):
        await gateway.start(too_long)
