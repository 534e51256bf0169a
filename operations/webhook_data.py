"""Data that outside systems submit for tasks of the executor ``webhook_receiver``.

Source: docs/api.md, "Data for waiting tasks"; docs/decisions/0034-webhook-data.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from contracts.messages import TaskCall
from flows.canonical import digest
from flows.errors import (
    ExecutionEndedError,
    ForbiddenError,
    InvalidError,
    OtherDataStoredError,
    TaskFailedError,
    TaskNotFoundError,
    WebhookDataRefusedError,
)
from flows.executors.catalogue import executor_named
from flows.executors.spec import JsonSchema
from flows.executors.webhook_receiver import WEBHOOK_RECEIVER
from flows.fitting import schema_faults
from flows.model import Task
from flows.outputs import output_schema
from operations.access import ExecutionAccess
from operations.caller import Caller, Role
from operations.definitions import Definitions
from operations.waiting import Wakes
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import ExecutionRecord
from store.suspension import Wait
from store.webhook_data import WebhookData, WebhookDataRepository

_SENDERS = (Role.ORG_ADMIN, Role.APP_USER)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a sender is told: it is stored for good, now or since before."""

    id: str
    status: Literal["received", "duplicate"]


class WebhookSubmissions:
    """Takes data for tasks that wait, or will, and wakes them."""

    def __init__(
        self,
        *,
        executions: ExecutionRepository,
        flows: FlowRepository,
        definitions: Definitions,
        stored: WebhookDataRepository,
        wakes: Wakes,
    ) -> None:
        """Borrow everything."""
        self._access = ExecutionAccess(executions)
        self._flows = flows
        self._definitions = definitions
        self._stored = stored
        self._wakes = wakes

    async def submit(
        self,
        caller: Caller,
        flow_execution_id: str,
        task_name: str,
        data: dict[str, JsonValue],
    ) -> Acknowledgement:
        """Store data for a task and wake it, in this order.

        The same data again is acknowledged again, however the execution has ended meanwhile.

        Raises:
            ForbiddenError: The role may not submit data.
            FlowExecutionNotFoundError: No such execution, deleted or foreign.
            TaskNotFoundError: The version that runs has no such task.
            InvalidError: The task waits for no data.
            WebhookDataRefusedError: The data does not fit the task's fields.
            OtherDataStoredError: Other data is stored for the task.
            ExecutionEndedError: Nothing will ever read it.
            StoreUnavailableError: Not known to be stored: submit it again.
        """
        _require_sender(caller)
        record = await self._access.get(
            caller,
            flow_execution_id,
            tells_foreign=False,
            reports=caller.kind == "service_account",
        )
        schema = output_schema(await self._receiver(record, task_name))
        faults = schema_faults(schema, data)
        if faults:
            raise WebhookDataRefusedError(f"the data does not fit task '{task_name}'", faults)
        earlier = await self._earlier(record, task_name, schema)
        if earlier is None and not record.is_open:
            raise ExecutionEndedError("the flow execution has ended", status=record.status.value)
        kept, is_new = (
            (earlier, False)
            if earlier is not None
            else await self._stored.add(
                record.organization_id, record.id, task_name, data, caller.modified_by
            )
        )
        if kept.digest != digest(data):
            raise OtherDataStoredError("other data is stored for this task", id=kept.id)
        await self._wakes.wake(record.id, task_name)
        return Acknowledgement(kept.id, "received" if is_new else "duplicate")

    async def _receiver(self, record: ExecutionRecord, task_name: str) -> Task:
        """Return the task of the version that runs, if it waits for data."""
        flow = await self._flows.version(
            record.organization_id, record.flow_id, record.flow_version
        )
        tasks = self._definitions.of(flow).flow.tasks
        task = next((task for task in tasks if task.name == task_name), None)
        if task is None:
            raise TaskNotFoundError("the flow has no such task", task_name=task_name)
        if executor_named(task.executor) is not WEBHOOK_RECEIVER:
            raise InvalidError("this task does not wait for data", task_name=task_name)
        return task

    async def _earlier(
        self, record: ExecutionRecord, task_name: str, schema: JsonSchema
    ) -> WebhookData | None:
        """Return what is stored for a task, unless its fields have changed too much since."""
        found = await self._stored.find(record.organization_id, record.id, task_name)
        if found is None or not schema_faults(schema, found.data):
            return found
        await self._stored.set_aside(found)
        return None


class WebhookDataSource:
    """The engine's view of what was submitted: a ``DeliverySource``."""

    def __init__(self, stored: WebhookDataRepository) -> None:
        """Borrow the repository."""
        self._stored = stored

    async def expect(self, call: TaskCall) -> None:
        """Set aside what was submitted for an earlier version of the task and fits no more."""
        found = await self._found(call)
        if found is not None and schema_faults(_schema(call), found.data):
            await self._stored.set_aside(found)

    async def has_come(self, call: TaskCall) -> bool:
        """Return whether data is stored for a task."""
        return await self._found(call) is not None

    async def come(self, waits: Sequence[Wait]) -> Collection[Wait]:
        """Return those tasks that data is stored for."""
        found = await self._stored.tasks_with_data({wait.flow_execution_id for wait in waits})
        return [wait for wait in waits if (wait.flow_execution_id, wait.task_name) in found]

    async def data_for(self, call: TaskCall) -> dict[str, JsonValue]:
        """Return what was submitted for a task.

        Raises:
            TaskFailedError: ``NothingSubmitted``.
        """
        found = await self._found(call)
        if found is None:
            raise TaskFailedError("nothing was submitted", type="NothingSubmitted")
        return found.data

    async def _found(self, call: TaskCall) -> WebhookData | None:
        context = call.context
        return await self._stored.find(
            context.organization_id, context.flow_execution_id, call.task_name
        )


def _schema(call: TaskCall) -> JsonSchema:
    return WEBHOOK_RECEIVER.output_schema(call.parameters)


def _require_sender(caller: Caller) -> None:
    """Refuse whoever may not submit data; organizations' own keys may, whatever their role.

    Raises:
        ForbiddenError: It may not.

    Source: docs/permissions.md, "Roles".
    """
    if caller.kind != "service_account" and caller.role not in _SENDERS:
        raise ForbiddenError(
            f"role {caller.role.value} may not submit data for tasks", role=caller.role.value
        )
