"""The store as tests use it: every repository over one database, and records worth writing."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue

from contracts.messages import (
    RunContext,
    SettleExecutionCall,
    SettleExecutionReply,
    TaskCall,
    TaskError,
    TaskSettlement,
    TaskState,
)
from flows.canonical import digest
from store.accounts import AccountRepository
from store.attempts import AttemptEnd
from store.clock import now
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import (
    ExecutionRecord,
    ExecutionStatus,
    FlowRecord,
    ProcessingStatus,
    TaskExecutionRecord,
    TaskOutputRecord,
)
from store.projection import Projection
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository

ORGANIZATION = "organization-a"
STRANGER = "organization-b"
AUTHOR = "author"


def a_flow(name: str | None = None, **changes: Any) -> FlowRecord:
    """Return a flow that is not stored yet."""
    at = now()
    record = FlowRecord(
        id=str(uuid4()),
        organization_id=ORGANIZATION,
        created_at=at,
        updated_at=at,
        modified_by=AUTHOR,
        created_by=AUTHOR,
        display_name=name or f"flow {uuid4()}",
        description=None,
        visibility=None,
        status="draft",
        settings=None,
        tags=[],
        version=1,
        is_latest=True,
        definition={"tasks": [{"name": "in", "executor": "custom_form_input"}]},
    )
    return replace(record, **changes)


def an_execution(flow_id: str = "flow", **changes: Any) -> ExecutionRecord:
    """Return an execution that is not stored yet."""
    at = now()
    record = ExecutionRecord(
        id=str(uuid4()),
        organization_id=ORGANIZATION,
        flow_id=flow_id,
        flow_version=1,
        status=ExecutionStatus.QUEUED,
        input={"a": 1},
        input_task_name="in",
        run_number=0,
        created_at=at,
        updated_at=at,
        modified_by=AUTHOR,
    )
    return replace(record, **changes)


def said(
    task_name: str, state: TaskState = TaskState.COMPLETED, output: JsonValue = None, **more: Any
) -> TaskSettlement:
    """Return the workflow's word on a task, its output left out but for the digest."""
    if state in (TaskState.COMPLETED, TaskState.REUSED):
        more.setdefault("output_digest", digest(output))
    if more.get("has_output"):
        more["output"] = output
    return TaskSettlement(task_name=task_name, state=state, **more)


@dataclass(frozen=True, slots=True)
class Running:
    """One generation of an execution, seen from its tasks' side."""

    stores: "Stores"
    context: RunContext

    @property
    def id(self) -> str:
        """Return the execution's id."""
        return self.context.flow_execution_id

    def call(self, task_name: str, item: int | None = None, **more: Any) -> TaskCall:
        """Return the call of one task."""
        return TaskCall(
            context=self.context,
            task_name=task_name,
            executor=more.pop("executor", "http_request"),
            parameters=more.pop("parameters", {"of": task_name}),
            item=item,
            item_count=more.pop("item_count", 1),
            effect_key=f"{self.id}/{task_name}",
            fingerprint=more.pop("fingerprint", f"fingerprint of {task_name} {item}"),
            **more,
        )

    async def open(self, task_name: str, attempt: int = 1, **more: Any) -> None:
        """Report that an attempt begins."""
        call = self.call(task_name, **more)
        await self.stores.projection.open_attempt(call, attempt, "run", now())

    async def close(
        self,
        task_name: str,
        attempt: int = 1,
        *,
        output: JsonValue = None,
        error: str | None = None,
        status: ProcessingStatus | None = None,
        was_opened: bool = False,
        **more: Any,
    ) -> None:
        """Report that an attempt ended: completed with this output, or failed with this error."""
        ended = ProcessingStatus.COMPLETED if error is None else ProcessingStatus.FAILED
        end = AttemptEnd(
            status or ended,
            output,
            digest(output),
            None if error is None else TaskError(message=error, type="Broken"),
            started_at=now(),
            completed_at=now(),
        )
        waits = more.pop("waits", False)
        call, projection = self.call(task_name, **more), self.stores.projection
        if was_opened:
            await projection.close_attempt(call, attempt, end, "run")
        elif waits:
            await projection.note_attempt(call, attempt, end, "run")
        else:
            await projection.record_attempt(call, attempt, end, "run")

    async def settle(
        self, *tasks: TaskSettlement, status: str = "completed", **more: Any
    ) -> SettleExecutionReply:
        """Close the execution with the workflow's word on it."""
        return await self.stores.projection.settle_execution(
            SettleExecutionCall(context=self.context, status=status, tasks=list(tasks), **more)
        )

    async def again(self, mode: Any = "full") -> "Running":
        """Begin and start the next generation."""
        record = await self.stores.executions.begin_generation(
            ORGANIZATION,
            self.id,
            self.context.generation,
            mode,
            self.context.flow_version,
            AUTHOR,
        )
        await self.stores.task_executions.interrupt(ORGANIZATION, self.id, record.generation)
        await self.stores.executions.mark_started(
            ORGANIZATION, self.id, record.generation, "run", now()
        )
        context = self.context.model_copy(update={"generation": record.generation})
        return Running(self.stores, context)

    async def rows(self, **filters: Any) -> list[TaskExecutionRecord]:
        """Return the visible rows by task, item and attempt."""
        found = await self.stores.task_executions.list(
            ORGANIZATION, flow_execution_id=self.id, **filters
        )
        return sorted(found, key=lambda row: (row.task_name, row.item or 0, row.attempt))

    async def row(self, task_name: str) -> TaskExecutionRecord:
        """Return the only row of a task."""
        (found,) = await self.rows(task_name=task_name)
        return found

    async def shown(self, task_name: str) -> list[TaskExecutionRecord]:
        """Return a task's rows once nothing waits to be written."""
        await self.stores.projection.drain()
        return await self.rows(task_name=task_name)

    async def output(self, task_name: str) -> TaskOutputRecord:
        """Return what became of a task as a whole, once nothing waits to be written."""
        await self.stores.projection.drain()
        outputs = await self.stores.task_outputs.of_execution(ORGANIZATION, self.id)
        (found,) = [output for output in outputs if output.task_name == task_name]
        return found

    async def record(self) -> ExecutionRecord:
        """Return the execution, deleted or not."""
        return await self.stores.executions.find_any(ORGANIZATION, self.id)


class Stores:
    """Every repository over one database."""

    def __init__(self, database: AsyncIOMotorDatabase) -> None:
        """Borrow a database whose indexes are there."""
        self.database = database
        self.flows = FlowRepository(database)
        self.executions = ExecutionRepository(database)
        self.task_executions = TaskExecutionRepository(database)
        self.task_outputs = TaskOutputRepository(database)
        self.accounts = AccountRepository(database)
        self.projection = Projection(database)

    async def created(self, flow_id: str = "flow", **changes: Any) -> ExecutionRecord:
        """Return a stored execution."""
        return await self.executions.create(an_execution(flow_id, **changes))

    async def running(self, flow_id: str = "flow", **changes: Any) -> Running:
        """Return an execution that was started."""
        record = await self.created(flow_id, **changes)
        await self.executions.mark_started(ORGANIZATION, record.id, 1, "run", now())
        return self.run_of(record)

    def run_of(self, record: ExecutionRecord) -> Running:
        """Return the current generation of an execution, started or not."""
        return Running(
            self,
            RunContext(
                organization_id=record.organization_id,
                flow_id=record.flow_id,
                flow_version=record.flow_version,
                flow_execution_id=record.id,
                generation=record.generation,
                run_id="run",
            ),
        )
