"""Projection: what running tasks report, and what workflows settle, written into the read model.

Source: docs/ARCHITECTURE.md, "The life of a flow execution".
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pydantic import JsonValue
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from contracts.messages import (
    RunContext,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
    TaskCall,
    TaskError,
)
from flows.errors import ExecutionSupersededError
from store.clock import now, stored
from store.execution_writer import ExecutionWriter
from store.faults import guarded, is_unavailable
from store.fence import Fence, Fences, superseded
from store.leftovers import Leftovers
from store.models import ExecutionStatus, ProcessingStatus
from store.output_index import OutputIndex, Shape
from store.pending_reports import PendingReports, Reports
from store.rows import REPORTED, RUNNING, SYSTEM, RowWrite, RowWriter
from store.settling import Settling
from store.values import Database, Document, Values, encode

logger = logging.getLogger(__name__)

_BEFORE_IN_PROGRESS = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended.

    Attributes:
        status: ``completed`` with its output, ``failed`` with its error, or ``cancelled``.
        digest: ``flows.canonical.digest`` of the output.
    """

    status: ProcessingStatus
    output: JsonValue
    digest: str
    error: TaskError | None
    started_at: datetime
    completed_at: datetime


class Projection:
    """The engine's side of the read model; its calls carry their organization in their context."""

    def __init__(self, database: Database) -> None:
        """Borrow a database; one Projection a process, so that its writes are grouped."""
        self._values = Values(database)
        self._fences = Fences(database)
        self._rows = RowWriter(database)
        self._outputs = OutputIndex(database)
        self._executions = ExecutionWriter(database)
        self._leftovers = Leftovers(database)
        self._pending = PendingReports(self._write_pending)
        self._settling = Settling(
            database,
            self._fences,
            self._rows,
            self._outputs,
            self._executions,
            self._values,
            self._pending,
        )

    async def drain(self) -> None:
        """Write what still waits for company; to be called before the process ends."""
        await self._pending.drain()

    @guarded
    async def open_attempt(
        self, call: TaskCall, attempt: int, run_id: str | None, at: datetime
    ) -> None:
        """Show an attempt as running, before it does anything.

        Earlier attempts that never reported are closed as lost.

        Args:
            attempt: Temporal's, from 1.
            run_id: Temporal run of the workflow that scheduled it.
            at: When the attempt began.

        Raises:
            ExecutionSupersededError: The execution is closed or has a newer generation: the
                attempt must not do anything.
            StoreUnavailableError: Not known to be written: likewise.
        """
        context = call.context
        fence = await self._fences.lately(context)
        if fence is None or not fence.admits(context):
            raise superseded(context)
        fields = await self._opening(call, run_id, at)
        row = _row(call, attempt, RUNNING, ProcessingStatus.RUNNING, fields)
        row.begins = True
        row.is_full = fence.is_full
        await asyncio.gather(
            self._rows.write(row),
            self._outputs.ensure(context, [_shape(row)]),
            self._progress(context, fence),
        )
        await self._ensure_still_wanted(row)

    @guarded
    async def close_attempt(self, call: TaskCall, attempt: int, end: AttemptEnd) -> None:
        """Show how an attempt ended that was opened.

        Only the row itself is looked at: it takes no end any more once settling, a later attempt or
        a newer generation has had its say.

        Raises:
            StoreUnavailableError: Not known to be written.
        """
        fields = await self._ending(call.context, end)
        row = _row(call, attempt, REPORTED, end.status, fields)
        row.is_opened = True
        await self._rows.write(row)

    @guarded
    async def record_attempt(
        self, call: TaskCall, attempt: int, end: AttemptEnd, run_id: str | None
    ) -> None:
        """Show an attempt that was never opened, and how it ended.

        Raises:
            ExecutionSupersededError: The execution was closed before this generation started, or
                has a newer one.
            StoreUnavailableError: Not known to be written.
        """
        row = await self._whole(call, attempt, end, run_id)
        reports = Reports(call.context, {row.id: row}, {row.task_name: (_shape(row), now())})
        await self._write_ended(reports)

    @guarded
    async def note_attempt(
        self, call: TaskCall, attempt: int, end: AttemptEnd, run_id: str | None
    ) -> None:
        """Show soon what ``record_attempt`` shows at once.

        Nobody is told whether it could be written: settling sees to what was not.

        Raises:
            StoreUnavailableError: The output is too large to be kept back, and not written.
        """
        row = await self._whole(call, attempt, end, run_id)
        self._pending.note(row, _shape(row), end.started_at)

    @guarded
    async def settle_tasks(self, call: SettleTasksCall) -> SettleTasksReply:
        """Write the workflow's word on some tasks. Repeatable.

        Raises:
            ExecutionSupersededError: A newer generation owns the execution.
            StoreUnavailableError: Some of it may be written; repeat it.
        """
        return await self._settling.settle_tasks(call)

    @guarded
    async def settle_execution(self, call: SettleExecutionCall) -> SettleExecutionReply:
        """Close the execution with the workflow's word on it. Repeatable.

        Raises:
            StoreUnavailableError: Some of it may be written; repeat it.
        """
        return await self._settling.settle_execution(call)

    async def _opening(self, call: TaskCall, run_id: str | None, at: datetime) -> Document:
        """Return what a row says from its beginning."""
        return {
            "input": await self._put(call.context, cast("JsonValue", call.parameters)),
            "fingerprint": call.fingerprint,
            "started_at": stored(at),
            "run_id": run_id,
        }

    async def _put(self, context: RunContext, value: JsonValue) -> object:
        """Return what a row holds of a value."""
        return await self._values.put(context.flow_execution_id, encode(value))

    async def _ending(self, context: RunContext, end: AttemptEnd) -> Document:
        """Return what a row says from its end."""
        completed = end.status is ProcessingStatus.COMPLETED
        described = cast("JsonValue", end.error.model_dump()) if end.error is not None else None
        return {
            "output": await self._put(context, end.output) if completed else None,
            "digest": end.digest if completed else "",
            "error": await self._put(context, described),
            "completed_at": stored(end.completed_at),
        }

    async def _whole(
        self, call: TaskCall, attempt: int, end: AttemptEnd, run_id: str | None
    ) -> RowWrite:
        """Return the row of an attempt that is written once, at its end."""
        fields = await self._ending(call.context, end)
        fields |= await self._opening(call, run_id, end.started_at)
        row = _row(call, attempt, REPORTED, end.status, fields)
        row.begins = True
        return row

    async def _write_pending(self, reports: Reports) -> None:
        """Write reports that nobody took along; what fails is left to settling."""
        try:
            await self._write_ended(reports)
        except ExecutionSupersededError:
            return
        except Exception as error:
            logger.warning(
                "reports not recorded; settling will",
                exc_info=not (isinstance(error, PyMongoError) and is_unavailable(error)),
                extra={"flow_execution_id": reports.context.flow_execution_id},
            )

    async def _write_ended(self, reports: Reports) -> None:
        """Write ended rows that the fence admits, what points at them and the progress made.

        What comes for a generation that was settled is dropped: either it is too late, or the
        worker died between settling and telling Temporal, and the run's last steps are repeated on
        their way to the same end.

        Raises:
            ExecutionSupersededError: The generation may not write any more.
        """
        context = reports.context
        fence = await self._fences.of(context)
        if fence is not None and fence.has_settled(context):
            return
        if fence is None or not fence.admits(context):
            raise superseded(context)
        for row in reports.rows.values():
            row.is_full = fence.is_full
        await asyncio.gather(
            *(self._rows.write(row) for row in reports.rows.values()),
            self._outputs.ensure_all(context, reports.shapes.values()),
            self._progress(context, fence),
        )

    async def _ensure_still_wanted(self, row: RowWrite) -> None:
        """Look at the fence again, now that the row is there to be seen by whoever closes.

        Raises:
            ExecutionSupersededError: It was closed, or run again, while the row was written; the
                row is hidden, since the attempt will not do anything.
        """
        context = row.context
        fence = await self._fences.of(context)
        if fence is None or not fence.admits(context):
            await self._leftovers.withdraw(context, row.task_name, row.item, row.attempt)
            raise superseded(context)

    async def _progress(self, context: RunContext, fence: Fence) -> None:
        """Move an execution that only just runs to ``in_progress``: a task was dispatched."""
        if fence.status not in _BEFORE_IN_PROGRESS:
            return
        await self._executions.write(
            UpdateOne(
                {
                    "_id": context.flow_execution_id,
                    "generation": context.generation,
                    "is_open": True,
                    "status": {"$in": [status.value for status in _BEFORE_IN_PROGRESS]},
                },
                {
                    "$set": {
                        "status": ExecutionStatus.IN_PROGRESS.value,
                        "updated_at": now(),
                        "modified_by": SYSTEM,
                    }
                },
            )
        )


def _shape(row: RowWrite) -> Shape:
    """Return what the row says about its task as a whole."""
    return Shape(row.task_name, row.item is not None, row.item_count)


def _row(
    call: TaskCall, attempt: int, rank: int, status: ProcessingStatus, fields: Document
) -> RowWrite:
    """Return the write for one attempt of a call."""
    return RowWrite(
        context=call.context,
        task_name=call.task_name,
        item=call.item,
        item_count=None if call.item is None else call.item_count,
        attempt=attempt,
        rank=rank,
        status=status,
        fields=fields,
    )
