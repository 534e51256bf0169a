"""Projection: what running tasks report, and what workflows settle, written into the read model.

Source: docs/ARCHITECTURE.md, "The life of a flow execution".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from pymongo.errors import PyMongoError

from contracts.messages import (
    RunContext,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
    TaskCall,
    TaskSettlement,
)
from flows.errors import ExecutionSupersededError, RunNotKnownError
from store.attempt_rows import of_run, row_of, shape_of
from store.attempts import AttemptEnd, AttemptFields
from store.clock import now
from store.execution_writer import ExecutionWriter
from store.faults import guarded, is_unavailable
from store.fence import Fences, refused, superseded
from store.leftovers import Leftovers
from store.models import ProcessingStatus
from store.output_index import OutputIndex
from store.pending_reports import PendingReports, Reports
from store.rows import REPORTED, RUNNING, RowWrite, RowWriter
from store.settling import Freed, Settling
from store.suspension import Suspension, awaits, is_settled_wait, is_wait, waiting_fields
from store.values import Database, Values

AdoptRun = Callable[[RunContext, str], Awaitable[Sequence[TaskSettlement] | None]]
"""Makes a run known to its execution, and returns what its history says; None if it is not the
execution's current one."""

Answer = TypeVar("Answer")

MAX_WORDS_AT_ONCE = 500

logger = logging.getLogger(__name__)


class Projection:
    """The engine's side of the read model; its calls carry their organization in their context."""

    def __init__(
        self, database: Database, adopt: AdoptRun | None = None, freed: Freed | None = None
    ) -> None:
        """Borrow a database; one Projection a process, so that its writes are grouped.

        Args:
            adopt: Finds out about runs that an execution does not know; without it, they may not
                write.
            freed: Told of an organization whose execution has just given its slot back.
        """
        self._adopt = adopt
        values = Values(database)
        self._attempts = AttemptFields(values)
        self._fences = Fences(database)
        self._rows = RowWriter(database)
        self._outputs = OutputIndex(database)
        self._executions = ExecutionWriter(database)
        self._leftovers = Leftovers(database)
        self._pending = PendingReports(self._write_pending)
        self._suspension = Suspension(database)
        self._settling = Settling(
            database,
            self._fences,
            self._rows,
            self._outputs,
            self._executions,
            values,
            self._pending,
            freed,
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
        await self._as_known_run(
            call.context, run_id, lambda: self._open_attempt(call, attempt, run_id, at)
        )

    @guarded
    async def await_input(
        self, call: TaskCall, run_id: str | None, at: datetime, workflow_id: str
    ) -> None:
        """Show a task as waiting for the outside, and so its execution. Repeatable.

        Args:
            workflow_id: Whom to signal once something came for it.

        Raises:
            ExecutionSupersededError: As ``open_attempt``.
            StoreUnavailableError: Not known to be written.
        """
        await self._as_known_run(
            call.context, run_id, lambda: self._open_attempt(call, 1, run_id, at, workflow_id)
        )
        await self._suspension.reckon(call.context)

    async def _open_attempt(
        self,
        call: TaskCall,
        attempt: int,
        run_id: str | None,
        at: datetime,
        waits_in: str | None = None,
    ) -> None:
        """Write the row of an attempt that begins, between two looks at the fence.

        The first one may be remembered where the row concerns no other: a later attempt changes the
        rows before it, a newer generation hides those of older ones, a wait may be settled.
        """
        context = call.context
        is_first = attempt == 1 and context.generation == 1 and not is_wait(call)
        look = self._fences.lately(context, run_id) if is_first else self._fences.of(context)
        fence = await look
        refusal = refused(fence, context, run_id)
        if is_settled_wait(call, fence, refusal):
            return
        if refusal is not None or fence is None:
            raise refusal or superseded(context)
        fields = await self._attempts.opening(call, run_id, at)
        status = ProcessingStatus.RUNNING
        if waits_in is not None:
            status = ProcessingStatus.AWAITING_INPUT
            fields |= waiting_fields(call, waits_in)
        row = row_of(call, attempt, RUNNING, status, fields)
        row.begins = True
        row.is_full = fence.is_full
        await asyncio.gather(
            self._rows.write(row),
            self._outputs.ensure(context, [shape_of(row)]),
            self._executions.progress(context, fence),
        )
        await self._ensure_still_wanted(row, run_id)

    @guarded
    async def close_attempt(
        self, call: TaskCall, attempt: int, end: AttemptEnd, run_id: str | None
    ) -> None:
        """Show how an attempt ended that was opened by the same run.

        Only the row itself is looked at: it takes no end any more once settling, a later attempt or
        a newer generation has had its say.

        Raises:
            StoreUnavailableError: Not known to be written.
        """
        fields = await self._attempts.ending(call.context, end)
        row = row_of(call, attempt, REPORTED, end.status, fields | {"run_id": run_id})
        row.is_opened = True
        await self._rows.write(row)
        if awaits(call) is not None:
            await self._suspension.reckon(call.context)

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
        row = await self._attempts.whole(call, attempt, end, run_id)
        reports = Reports(call.context, {row.id: row}, {row.task_name: (shape_of(row), now())})
        await self._as_known_run(call.context, run_id, lambda: self._write_ended(reports, run_id))

    @guarded
    async def note_attempt(
        self, call: TaskCall, attempt: int, end: AttemptEnd, run_id: str | None
    ) -> None:
        """Show soon what ``record_attempt`` shows at once.

        Nobody is told whether it could be written: settling sees to what was not.

        Raises:
            StoreUnavailableError: The output is too large to be kept back, and not written.
        """
        row = await self._attempts.whole(call, attempt, end, run_id)
        self._pending.note(row, shape_of(row), end.started_at)

    @guarded
    async def settle_tasks(
        self, call: SettleTasksCall, run_id: str | None = None
    ) -> SettleTasksReply:
        """Write the workflow's word on some tasks. Repeatable.

        Args:
            run_id: Temporal run whose word it is; None if it is the record's own.

        Raises:
            ExecutionSupersededError: A newer generation, or another run, owns the execution.
            StoreUnavailableError: Some of it may be written; repeat it.
        """
        return await self._as_known_run(
            call.context, run_id, lambda: self._settling.settle_tasks(call, run_id)
        )

    @guarded
    async def settle_execution(
        self, call: SettleExecutionCall, run_id: str | None = None
    ) -> SettleExecutionReply:
        """Close the execution with the workflow's word on it. Repeatable.

        Args:
            run_id: Temporal run whose word it is; None if it is the record's own.

        Raises:
            ExecutionSupersededError: Another run owns the execution.
            StoreUnavailableError: Some of it may be written; repeat it.
        """
        return await self._as_known_run(
            call.context, run_id, lambda: self._settling.settle_execution(call, run_id)
        )

    async def _as_known_run(
        self, context: RunContext, run_id: str | None, write: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Write; a run that is not known is made known first, if it is the execution's now.

        Raises:
            ExecutionSupersededError: It is not.
        """
        try:
            return await write()
        except RunNotKnownError:
            if run_id is None or self._adopt is None:
                raise
            words = await self._adopt(context, run_id)
            if words is None:
                raise
        for start in range(0, len(words), MAX_WORDS_AT_ONCE):
            told = list(words[start : start + MAX_WORDS_AT_ONCE])
            call = SettleTasksCall(context=context, tasks=told)
            await self._settling.settle_tasks(call, run_id)
        return await write()

    async def _write_pending(self, reports: Reports) -> None:
        """Write reports that nobody took along; what fails is left to settling."""
        run_ids = {row.fields["run_id"] for row in reports.rows.values()}
        try:
            for run_id in run_ids:
                await self._write_ended(of_run(reports, run_id), run_id)
        except ExecutionSupersededError:
            return
        except Exception as error:
            logger.warning(
                "reports not recorded; settling will",
                exc_info=not (isinstance(error, PyMongoError) and is_unavailable(error)),
                extra={"flow_execution_id": reports.context.flow_execution_id},
            )

    async def _write_ended(self, reports: Reports, run_id: str | None) -> None:
        """Write ended rows that the fence admits, what points at them and the progress made.

        What comes for a generation that was settled is dropped: either it is too late, or the
        worker died between settling and telling Temporal, and the run's last steps are repeated on
        their way to the same end.

        Raises:
            ExecutionSupersededError: The generation may not write any more.
        """
        context = reports.context
        fence = await self._fences.of(context)
        refusal = refused(fence, context, run_id)
        if isinstance(refusal, RunNotKnownError):
            raise refusal
        if fence is not None and fence.has_settled(context):
            return
        if refusal is not None or fence is None:
            raise refusal or superseded(context)
        for row in reports.rows.values():
            row.is_full = fence.is_full
        await asyncio.gather(
            *(self._rows.write(row) for row in reports.rows.values()),
            self._outputs.ensure_all(context, reports.shapes.values()),
            self._executions.progress(context, fence),
        )

    async def _ensure_still_wanted(self, row: RowWrite, run_id: str | None) -> None:
        """Look at the fence again, now that the row is there to be seen by whoever closes.

        Raises:
            ExecutionSupersededError: It was closed, or run again, while the row was written; the
                row is hidden, since the attempt will not do anything.
        """
        context = row.context
        refusal = refused(await self._fences.of(context), context, run_id)
        if refusal is not None:
            await self._leftovers.withdraw(context, row.task_name, row.item, row.attempt)
            raise refusal
