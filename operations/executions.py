"""Use cases of flow executions: create, read, cancel, run again, delete."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Literal
from uuid import uuid4

from pydantic import JsonValue

from contracts.names import flow_workflow_id
from flows.canonical import digest
from flows.errors import (
    FlowExecutionNotFoundError,
    InvalidError,
    RateLimitedError,
    UnavailableError,
)
from operations.access import ExecutionAccess, FlowAccess
from operations.caller import Caller, Role
from operations.definitions import Definition, Definitions
from operations.promotion import waits_in_line
from operations.reexecution import ReExecution
from operations.sealing import Sealing
from operations.starting import Starter
from runtime.gateway import Gateway
from store.clock import now
from store.creation import Idempotency
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import ExecutionQuery, ExecutionRecord, ExecutionStatus, FlowRecord, SlotState

MAX_QUEUED = 10_000
RETRY_WHEN_QUEUED = timedelta(seconds=5)

logger = logging.getLogger(__name__)


class Executions:
    """What callers may do with flow executions.

    None of it waits for the work: an answer means that the record is written. What Temporal could
    not be told yet, the reconciler tells it.
    """

    def __init__(
        self,
        *,
        flows: FlowRepository,
        executions: ExecutionRepository,
        starter: Starter,
        gateway: Gateway,
        definitions: Definitions,
        sealing: Sealing,
        created: Callable[[], None] | None = None,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        """Borrow everything.

        Args:
            max_queued: How many executions of an organization with a limit may wait for a slot.
            created: Called for each execution that is recorded, to count it.
        """
        self._again = ReExecution(
            flows=flows,
            executions=executions,
            definitions=definitions,
            sealing=sealing,
            starter=starter,
        )
        self._created = created
        self._max_queued = max_queued
        self._flows = FlowAccess(flows)
        self._access = ExecutionAccess(executions)
        self._executions = executions
        self._starter = starter
        self._gateway = gateway
        self._definitions = definitions

    async def create(
        self,
        caller: Caller,
        flow_id: str,
        input: dict[str, JsonValue],
        *,
        input_task_name: str | None = None,
        idempotency_key: str | None = None,
    ) -> ExecutionRecord:
        """Record one execution of the flow's latest version, and ask for its start.

        Args:
            input_task_name: Which input task fires; needed where the flow has several.
            idempotency_key: Within 24 hours the same key with the same request gives the same
                execution.

        Raises:
            FlowNotFoundError: No such flow.
            ForbiddenError: Another organization's flow, or the role may not execute.
            InvalidDefinitionError: The flow has faults that forbid running it, or refers to a
                credential that does not exist.
            InvalidInputError: The input does not fit, or no input task can be told.
            IdempotencyConflictError: The key was used with another request.
            RateLimitedError: As many as may wait for a slot of the organization do so already.
            StoreUnavailableError: Nothing was recorded, as far as we know.
        """
        flow_record = await self._flows.latest(caller, flow_id)
        caller.require(Role.INTEGRATION, "execute flows")
        definition = self._definitions.of(flow_record)
        input_task = definition.accepted_input_task(input_task_name, input)
        await self._again.require_credentials(caller.organization_id, definition)
        draft = _draft(caller, flow_record, definition, input, input_task)
        idempotency = None
        if idempotency_key is not None:
            request: JsonValue = [flow_id, input, input_task_name]
            idempotency = (idempotency_key, digest(request))
        if caller.is_limited:
            await self._require_room(caller, idempotency)
        record = await self._executions.create(draft, idempotency)
        if record.id == draft.id:
            self._tell_created(record)
        if record.is_open and record.started_generation < record.generation:
            await self._starter.try_start(record, flow_record)
        return record

    async def _require_room(self, caller: Caller, idempotency: Idempotency | None) -> None:
        """Refuse to queue more than an organization may; what was recorded before is found again.

        Raises:
            RateLimitedError: So many wait already.
        """
        queued = await self._executions.slots.queued(caller.organization_id, self._max_queued)
        if queued < self._max_queued:
            return
        if idempotency is not None and await self._executions.created_under(
            caller.organization_id, idempotency
        ):
            return
        raise RateLimitedError(
            f"{queued} executions wait for their turn already",
            retry_after=RETRY_WHEN_QUEUED,
            queued=queued,
        )

    def _tell_created(self, record: ExecutionRecord) -> None:
        logger.info(
            "execution created",
            extra={"flow_execution_id": record.id, "organization_id": record.organization_id},
        )
        if self._created is not None:
            self._created()

    async def get(self, caller: Caller, flow_execution_id: str) -> ExecutionRecord:
        """Return an execution that is not deleted.

        Raises:
            FlowExecutionNotFoundError: No such execution, or deleted.
            ForbiddenError: It belongs to another organization.
        """
        return await self._access.get(caller, flow_execution_id)

    async def list(self, caller: Caller, query: ExecutionQuery) -> list[ExecutionRecord]:
        """Return one page of the executions of one flow, without deleted ones.

        Raises:
            FlowNotFoundError: No such flow.
            ForbiddenError: It belongs to another organization.
            InvalidError: A range that ends before it begins, or a start that is not of this flow.
        """
        await self._flows.latest(caller, query.flow_id)
        for name in ("created", "updated"):
            after, before = getattr(query, f"{name}_after"), getattr(query, f"{name}_before")
            if after is not None and before is not None and after > before:
                raise InvalidError(f"{name}_after is later than {name}_before")
        try:
            return await self._executions.list(caller.organization_id, query)
        except FlowExecutionNotFoundError as error:
            raise InvalidError("start_from_execution_id is none of this flow's") from error

    async def cancel(self, caller: Caller, flow_execution_id: str) -> None:
        """Ask an execution to stop; one that has ended, or is stopping, stays as it is.

        One that has not started is cancelled on the spot; should a start be under way, it finds
        the record closed and ends its workflow again.

        Raises:
            FlowExecutionNotFoundError: No such execution, deleted or foreign.
        """
        record = await self._access.get(caller, flow_execution_id, tells_foreign=False)
        if not record.is_open:
            return
        if record.started_generation < record.generation and await self._close_unstarted(record):
            await self._starter.promotion.closed(record)
            return
        await self._executions.request_cancel(
            caller.organization_id, flow_execution_id, caller.modified_by
        )
        await self._pass_on_cancellation(record)

    async def _close_unstarted(self, record: ExecutionRecord) -> bool:
        return await self._executions.close_unstarted(
            record.organization_id, record.id, record.generation, ExecutionStatus.CANCELLED
        )

    async def _pass_on_cancellation(self, record: ExecutionRecord) -> None:
        try:
            await self._gateway.cancel(flow_workflow_id(record.id, record.generation))
        except UnavailableError as error:
            logger.warning(
                "cancellation recorded but not passed on yet; the reconciler will do it",
                extra={"flow_execution_id": record.id, "reason": error.message},
            )

    async def re_execute(
        self, caller: Caller, flow_execution_id: str, *, only_stale: bool = False
    ) -> None:
        """Run the same execution again, on the flow's latest version.

        All refusals come before anything is recorded. The record gets its next generation in one
        write; what remains (older workflows ended, the new one started) is repeated by the
        reconciler until it is done.

        Args:
            only_stale: Reuse every result whose executor, parameters and inputs are unchanged,
                instead of running every task.

        Raises:
            FlowExecutionNotFoundError: No such execution, or deleted.
            ForbiddenError: Another organization's execution, or the role may not execute.
            ConflictError: The latest version cannot run on this input, or somebody else re-executed
                at the same moment.
        """
        record = await self._access.get(caller, flow_execution_id)
        caller.require(Role.INTEGRATION, "execute flows")
        version = await self._again.latest(record)
        mode: Literal["full", "stale"] = "stale" if only_stale else "full"
        await self._again.begin(
            record, version, mode, caller.modified_by, is_limited=caller.is_limited
        )

    async def delete(self, caller: Caller, flow_execution_id: str) -> None:
        """Hide an execution for good; deleting it again changes nothing.

        Its workflow goes on, and its task executions stay readable.

        Raises:
            FlowExecutionNotFoundError: There never was such an execution.
            ForbiddenError: It belongs to another organization.
        """
        record = await self._access.get(caller, flow_execution_id, deleted_too=True)
        if record.status is not ExecutionStatus.DELETED:
            await self._delete(caller, record)

    async def _delete(self, caller: Caller, record: ExecutionRecord) -> None:
        """Hide an execution; one that waits for a slot also leaves the line."""
        await self._executions.delete(caller.organization_id, record.id, caller.modified_by)
        if waits_in_line(record) and await self._close_unstarted(record):
            await self._starter.promotion.closed(record)

    async def set_status(
        self, caller: Caller, flow_execution_id: str, status: ExecutionStatus
    ) -> ExecutionRecord:
        """Overwrite the status shown; ``deleted`` equals delete.

        Raises:
            FlowExecutionNotFoundError: No such execution, deleted or foreign.
        """
        deletes = status is ExecutionStatus.DELETED
        record = await self._access.get(
            caller, flow_execution_id, tells_foreign=False, reports=not deletes
        )
        if deletes:
            await self._delete(caller, record)
            return await self._executions.find_any(caller.organization_id, record.id)
        return await self._executions.set_status(
            caller.organization_id, record.id, status, caller.modified_by
        )


def _draft(
    caller: Caller,
    flow_record: FlowRecord,
    definition: Definition,
    input: dict[str, JsonValue],
    input_task_name: str,
) -> ExecutionRecord:
    """Return the record to write; the store gives it its run number."""
    at = now()
    return ExecutionRecord(
        id=str(uuid4()),
        organization_id=caller.organization_id,
        flow_id=flow_record.id,
        flow_version=flow_record.version,
        status=ExecutionStatus.QUEUED,
        input=input,
        input_task_name=input_task_name,
        run_number=0,
        created_at=at,
        updated_at=at,
        modified_by=caller.modified_by,
        triggered_task_executor_name=definition.triggered_executor(input_task_name),
        slot=SlotState.FRESH if caller.is_limited else None,
        queued_at=at if caller.is_limited else None,
    )
