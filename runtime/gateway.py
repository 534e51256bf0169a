"""All that we ask of Temporal: start, cancel, describe, query; and what it answers, translated."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import (
    Client,
    ScheduleAlreadyRunningError,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from contracts.messages import DeliveryNotice, FireCall, FlowExecutionStart, Message, TaskView
from contracts.names import (
    ADMITTED,
    DELIVERED,
    FLOW_EXECUTION,
    FLOW_EXECUTION_ID,
    FLOW_ID,
    FLOW_VERSION,
    INTERACTIVE_WORKFLOW_ID,
    ORGANIZATION_ID,
    RECONCILIATION_SCHEDULE,
    TASK_STATES,
    flow_workflow_id,
)
from flows.errors import TemporalUnavailableError
from flows.executors.scheduled_trigger import ScheduledTriggerParameters
from runtime.flow_details import flow_details
from runtime.flow_schedule import flow_schedule, revision_of
from runtime.history import HistoryReader
from runtime.reconciliation_schedule import reconciliation
from runtime.rpc_faults import RequestRefusedError, WorkflowNotFoundError, translated
from runtime.run_history import RunHistory

RPC_TIMEOUT = timedelta(seconds=2)
HEALTH_TIMEOUT = timedelta(seconds=1)
HISTORY_TIMEOUT = timedelta(seconds=30)
MAX_SUMMARY_BYTES = 200

_KEYWORD = SearchAttributeKey.for_keyword
SEARCH_ATTRIBUTES = {
    ORGANIZATION_ID: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    FLOW_ID: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    FLOW_VERSION: IndexedValueType.INDEXED_VALUE_TYPE_INT,
    FLOW_EXECUTION_ID: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    INTERACTIVE_WORKFLOW_ID: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
}


class RunStatus(StrEnum):
    """Where Temporal says that a workflow stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"
    CONTINUED_AS_NEW = "continued_as_new"


_RUN_STATUS = {
    WorkflowExecutionStatus.RUNNING: RunStatus.RUNNING,
    WorkflowExecutionStatus.COMPLETED: RunStatus.COMPLETED,
    WorkflowExecutionStatus.FAILED: RunStatus.FAILED,
    WorkflowExecutionStatus.CANCELED: RunStatus.CANCELLED,
    WorkflowExecutionStatus.TERMINATED: RunStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT: RunStatus.TIMED_OUT,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: RunStatus.CONTINUED_AS_NEW,
}


@dataclass(frozen=True, slots=True)
class Described:
    """The current run of a workflow id, as Temporal describes it.

    Attributes:
        is_cancel_requested: Whether a cancellation reached it, handled or not.
    """

    workflow_id: str
    run_id: str
    status: RunStatus
    is_cancel_requested: bool
    started_at: datetime
    closed_at: datetime | None

    @property
    def is_running(self) -> bool:
        """Return whether the workflow has not ended."""
        return self.status is RunStatus.RUNNING


class Gateway:
    """The only user of the Temporal client; every call ends within a few seconds.

    Every method raises TemporalUnavailableError when the server does not answer.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        """Borrow a client, connected or lazy; flows start on the given task queue."""
        self._client = client
        self._task_queue = task_queue
        self._histories = HistoryReader(client)

    async def start(self, start: FlowExecutionStart) -> str:
        """Start one generation of a flow execution and return its Temporal run id.

        Repeatable: a generation that was started before, even if it has ended, counts as started.
        A server that has never seen our search attributes is told about them first.
        """
        try:
            return await self._start(start)
        except RequestRefusedError:
            await self.ensure_search_attributes()
        try:
            return await self._start(start)
        except RequestRefusedError as error:
            raise TemporalUnavailableError("Temporal refuses the start") from error

    async def _start(self, start: FlowExecutionStart) -> str:
        async with translated():
            try:
                handle = await self._client.start_workflow(
                    FLOW_EXECUTION,
                    start,
                    id=flow_workflow_id(start.flow_execution_id, start.generation),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=_search_attributes(start),
                    static_summary=summary(start.flow_name, start.flow_version, start.run_number),
                    static_details=flow_details(start),
                    priority=Priority(fairness_key=start.organization_id),
                    rpc_timeout=RPC_TIMEOUT,
                )
            except WorkflowAlreadyStartedError as error:
                return error.run_id or ""
        return handle.first_execution_run_id or ""

    async def cancel(self, workflow_id: str) -> bool:
        """Ask a workflow to stop; False if there is none by that id."""
        try:
            async with translated():
                await self._client.get_workflow_handle(workflow_id).cancel(rpc_timeout=RPC_TIMEOUT)
        except WorkflowNotFoundError:
            return False
        return True

    async def tell_delivered(self, workflow_id: str, notice: DeliveryNotice) -> bool:
        """Let a task that waits look up what came for it; False if its workflow has ended."""
        return await self._signal(workflow_id, DELIVERED, notice)

    async def admit(self, workflow_id: str) -> bool:
        """Let a workflow that was woken ask again whether it may go on; False if it has ended."""
        return await self._signal(workflow_id, ADMITTED)

    async def _signal(self, workflow_id: str, signal: str, *arguments: Message) -> bool:
        try:
            async with translated():
                await self._client.get_workflow_handle(workflow_id).signal(
                    signal, args=arguments, rpc_timeout=RPC_TIMEOUT
                )
        except WorkflowNotFoundError:
            return False
        return True

    async def terminate(self, workflow_id: str, reason: str) -> bool:
        """End a workflow on the spot; False if there is none, or it has ended already."""
        try:
            async with translated():
                await self._client.get_workflow_handle(workflow_id).terminate(
                    reason=reason, rpc_timeout=RPC_TIMEOUT
                )
        except WorkflowNotFoundError:
            return False
        return True

    async def describe(self, workflow_id: str) -> Described | None:
        """Return the current run of a workflow, None if Temporal knows none."""
        try:
            async with translated():
                found = await self._client.get_workflow_handle(workflow_id).describe(
                    rpc_timeout=RPC_TIMEOUT
                )
        except WorkflowNotFoundError:
            return None
        assert found.status is not None  # noqa: S101 - the server always says it
        return Described(
            workflow_id=workflow_id,
            run_id=found.run_id,
            status=_RUN_STATUS[found.status],
            is_cancel_requested=found.raw_description.workflow_extended_info.cancel_requested,
            started_at=found.start_time,
            closed_at=found.close_time,
        )

    async def task_states(self, workflow_id: str) -> list[TaskView] | None:
        """Return where each task stands, in definition order; None if Temporal knows none."""
        try:
            async with translated():
                views: list[TaskView] = await self._client.get_workflow_handle(workflow_id).query(
                    TASK_STATES, result_type=list[TaskView], rpc_timeout=RPC_TIMEOUT
                )
        except WorkflowNotFoundError:
            return None
        return views

    async def history(self, workflow_id: str, run_id: str | None = None) -> RunHistory | None:
        """Return what a workflow's history says about its tasks; None if Temporal knows none."""
        try:
            async with translated(HISTORY_TIMEOUT):
                return await self._histories.read(workflow_id, run_id)
        except WorkflowNotFoundError:
            return None

    async def ensure_search_attributes(self) -> None:
        """Create those of our search attributes that the namespace lacks.

        Each call is bounded, not all of them together: on a busy server that would be too short.
        """
        async with translated():
            held = await self._client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=self._client.namespace), timeout=RPC_TIMEOUT
            )
        for name, value_type in SEARCH_ATTRIBUTES.items():
            if name not in held.custom_attributes:
                async with translated():
                    await self._add_search_attribute(name, value_type)

    async def _add_search_attribute(
        self, name: str, value_type: IndexedValueType.ValueType
    ) -> None:
        try:
            await self._client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=self._client.namespace, search_attributes={name: value_type}
                ),
                timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise

    async def ensure_schedule(self, every: timedelta) -> None:
        """Have the reconciler run at this interval, never two rounds at once.

        Rounds missed while everything was down are not made up for: one round sees it all.
        """
        schedule_id = f"{RECONCILIATION_SCHEDULE}:{self._task_queue}"
        schedule = reconciliation(schedule_id, self._task_queue, every)
        with suppress(ScheduleAlreadyRunningError):
            async with translated():
                await self._client.create_schedule(
                    schedule_id, schedule, trigger_immediately=True, rpc_timeout=RPC_TIMEOUT
                )
            return

        def replaced(_: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(schedule=schedule)

        handle = self._client.get_schedule_handle(schedule_id)
        async with translated():
            await handle.update(replaced, rpc_timeout=RPC_TIMEOUT)
        async with translated():
            await handle.trigger(rpc_timeout=RPC_TIMEOUT)

    async def put_schedule(
        self,
        schedule_id: str,
        call: FireCall,
        parameters: ScheduledTriggerParameters,
        *,
        is_paused: bool,
        revision: int,
    ) -> bool:
        """Create a flow's schedule, or bring it in line; False if Temporal refuses it.

        One that follows a later revision of its flow is left alone.
        """
        schedule = flow_schedule(
            schedule_id,
            self._task_queue,
            call,
            parameters,
            is_paused=is_paused,
            revision=revision,
        )

        def replaced(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
            is_newer = revision_of(found.description.schedule) > revision
            return None if is_newer else ScheduleUpdate(schedule=schedule)

        try:
            async with translated():
                try:
                    await self._client.create_schedule(
                        schedule_id, schedule, rpc_timeout=RPC_TIMEOUT
                    )
                except ScheduleAlreadyRunningError:
                    handle = self._client.get_schedule_handle(schedule_id)
                    await handle.update(replaced, rpc_timeout=RPC_TIMEOUT)
        except RequestRefusedError:
            return False
        except WorkflowNotFoundError as error:
            raise TemporalUnavailableError("the schedule was deleted meanwhile") from error
        return True

    async def delete_schedule(self, schedule_id: str) -> None:
        """Delete a flow's schedule; one that is not there needs no deleting."""
        try:
            async with translated():
                await self._client.get_schedule_handle(schedule_id).delete(rpc_timeout=RPC_TIMEOUT)
        except WorkflowNotFoundError:
            return

    async def is_healthy(self) -> bool:
        """Return whether the server answers within a second."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT.total_seconds()):
                return await self._client.service_client.check_health(timeout=HEALTH_TIMEOUT)
        except (RPCError, RuntimeError, TimeoutError):
            return False


def summary(flow_name: str, flow_version: int, run_number: int) -> str:
    """Return ``<flow name> v<version> #<run number>``, the name cut to what Temporal keeps."""
    tail = f" v{flow_version} #{run_number}"
    name = flow_name.encode()[: MAX_SUMMARY_BYTES - len(tail)].decode(errors="ignore")
    return name + tail


def _search_attributes(start: FlowExecutionStart) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(_KEYWORD(ORGANIZATION_ID), start.organization_id),
            SearchAttributePair(_KEYWORD(FLOW_ID), start.flow_id),
            SearchAttributePair(SearchAttributeKey.for_int(FLOW_VERSION), start.flow_version),
            SearchAttributePair(_KEYWORD(FLOW_EXECUTION_ID), start.flow_execution_id),
        ]
    )
