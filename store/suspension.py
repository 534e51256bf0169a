"""Which tasks wait for the outside, and whether their execution therefore does.

A task that waits is a row like any other attempt's, ``awaiting_input``, which names the workflow to
signal. So a wait is opened, ended, cancelled and discarded as rows are.

Source: docs/decisions/0033-waiting-for-the-outside.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.messages import RunContext, TaskCall
from flows.errors import ExecutionSupersededError, RunNotKnownError
from flows.executors.catalogue import executor_named
from flows.executors.spec import Kind
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.fence import Fence
from store.identity import task_execution_id
from store.models import ExecutionStatus, ProcessingStatus
from store.rows import REPORTED, SYSTEM
from store.values import Database, Document

_AWAITING = ProcessingStatus.AWAITING_INPUT.value
_MAY_WAIT = [
    status.value
    for status in (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING, ExecutionStatus.IN_PROGRESS)
]
_FIELDS = {
    "organization_id": 1,
    "execution_id": 1,
    "generation": 1,
    "task_name": 1,
    "item": 1,
    "awaits": 1,
    "waits_in": 1,
}


@dataclass(frozen=True, slots=True)
class Wait:
    """One task, or one item of an iteration, that waits for the outside.

    Attributes:
        awaits: For what kind of delivery.
        workflow_id: Whom to signal once it is stored.
    """

    organization_id: str
    flow_execution_id: str
    generation: int
    task_name: str
    item: int | None
    awaits: str
    workflow_id: str


def awaits(call: TaskCall) -> str | None:
    """Return what kind of delivery a call's task waits for; None if for none."""
    executor = executor_named(call.executor)
    return None if executor is None else executor.awaits


def waiting_fields(call: TaskCall, workflow_id: str) -> Document:
    """Return what the row of a waiting task says besides what every row says."""
    return {"awaits": awaits(call), "waits_in": workflow_id}


def is_wait(call: TaskCall) -> bool:
    """Return whether a call's task waits, for the outside or for time."""
    executor = executor_named(call.executor)
    return executor is not None and executor.kind is Kind.WAITING


def is_settled_wait(
    call: TaskCall, fence: Fence | None, refusal: ExecutionSupersededError | None
) -> bool:
    """Return whether a wait begins that is over, and settled with its execution.

    Temporal throws a run's last workflow task away if a signal came while it was under way. All
    that it did is then done again, on its way to the same end; a wait has no effect to hold back.
    """
    if fence is None or refusal is None or isinstance(refusal, RunNotKnownError):
        return False
    return is_wait(call) and fence.has_settled(call.context)


class Suspension:
    """Reads waits, and keeps the status of executions in line with them."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._executions: Any = database[collections.EXECUTIONS]

    @guarded
    async def of_executions(
        self, execution_ids: Collection[str], *, task_name: str | None = None
    ) -> Sequence[Wait]:
        """Return what waits in these executions and was not woken yet.

        Like the reconciler's list of open executions, this knows no tenant: whoever asks has found
        the executions within one.
        """
        wanted: Document = {
            "execution_id": {"$in": sorted(execution_ids)},
            "rank": {"$lt": REPORTED},
            "live": True,
            "status": _AWAITING,
            "woken_at": None,
        }
        if task_name is not None:
            wanted["task_name"] = task_name
        cursor = self._rows.find(wanted, _FIELDS).hint(indexes.ROWS_OPEN)
        return [_wait(row) async for row in cursor]

    @guarded
    async def note_woken(self, call: TaskCall) -> None:
        """Note that what a task waits for has come to its knowledge: nobody need signal it."""
        context = call.context
        row_id = task_execution_id(
            context.flow_execution_id, context.generation, call.task_name, call.item, 1
        )
        waiting = {"_id": row_id, "rank": {"$lt": REPORTED}}
        await self._rows.update_one(waiting, {"$set": {"woken_at": now()}})

    @guarded
    async def reckon(self, context: RunContext) -> None:
        """Show an execution as ``awaiting_input`` while a task of it is, and as under way if not.

        To be called after a row has begun or ceased to wait. Whoever changes the status looks at
        the rows once more, so the last one to write has seen them all.
        """
        while await self._bring_in_line(context):
            pass

    async def _bring_in_line(self, context: RunContext) -> bool:
        """Set the status that the rows ask for; return whether it was another one."""
        waiting = await self._rows.find_one(
            {
                "execution_id": context.flow_execution_id,
                "generation": context.generation,
                "rank": {"$lt": REPORTED},
                "live": True,
                "status": _AWAITING,
            },
            {"_id": 1},
            hint=indexes.ROWS_OPEN,
        )
        here, there = [ExecutionStatus.AWAITING_INPUT.value], ExecutionStatus.IN_PROGRESS.value
        if waiting is not None:
            here, there = _MAY_WAIT, ExecutionStatus.AWAITING_INPUT.value
        written = await self._executions.update_one(
            {
                "_id": context.flow_execution_id,
                "generation": context.generation,
                "is_open": True,
                "status": {"$in": here},
            },
            {"$set": {"status": there, "updated_at": now(), "modified_by": SYSTEM}},
        )
        return bool(written.modified_count)


def _wait(row: Document) -> Wait:
    return Wait(
        organization_id=row["organization_id"],
        flow_execution_id=row["execution_id"],
        generation=row["generation"],
        task_name=row["task_name"],
        item=row["item"],
        awaits=row["awaits"],
        workflow_id=row["waits_in"],
    )
