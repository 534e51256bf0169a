"""Settling: the workflow's state, which is the truth, written over what was reported.

What was reported and already says the same is left alone: once the execution is closed, its fence
refuses every later report, so nothing can move those rows any more.

Source: docs/decisions/0008-group-commit-and-fencing.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pymongo import UpdateOne

from contracts.messages import (
    RunContext,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
    TaskSettlement,
    TaskState,
)
from store import collections
from store.closing import closing
from store.execution_writer import ExecutionWriter
from store.fence import Fence, Fences, superseded
from store.leftovers import Leftovers
from store.output_index import OutputIndex, Shape, since_now
from store.pending_reports import PendingReports, Reports
from store.row_look import Known, RowLook
from store.rows import RowWrite, RowWriter
from store.settlement_plans import Planner
from store.slots import Slots, slot_key
from store.staleness import Staleness
from store.values import Database, Document, Values
from store.words import (
    ENDED,
    ensure_known,
    is_revised,
    may_be_input,
    row_id,
    says,
)

Freed = Callable[[str], Awaitable[None]]

_HIDDEN = {"$set": {"live": False}}


class Settling:
    """Writes settlements; its caller turns driver errors into ours."""

    def __init__(
        self,
        database: Database,
        fences: Fences,
        rows: RowWriter,
        outputs: OutputIndex,
        executions: ExecutionWriter,
        values: Values,
        pending: PendingReports,
        freed: Freed | None = None,
    ) -> None:
        """Borrow a database and those who read and write it in groups.

        Args:
            freed: Called with an organization that has a slot to give.
        """
        self._slots = Slots(database)
        self._freed = freed
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._fences = fences
        self._look = RowLook(database)
        self._leftovers = Leftovers(database)
        self._staleness = Staleness(database)
        self._execution_writer = executions
        self._writer = rows
        self._outputs = outputs
        self._planner = Planner(database, values)
        self._pending = pending

    async def settle_tasks(self, call: SettleTasksCall, run_id: str | None) -> SettleTasksReply:
        """Settle some tasks of a generation that is still open; nothing once it has closed."""
        taken = await self._taken(call.context, call.tasks)
        fence, known = await self._read(call.context, call.tasks, taken)
        if fence is None or not fence.is_of(call.context):
            raise superseded(call.context)
        ensure_known(fence, call.context, run_id)
        if not fence.is_open:
            return SettleTasksReply()
        missing = await self._settle(call.context, fence, call.tasks, known, taken)
        return SettleTasksReply(missing=missing)

    async def settle_execution(
        self, call: SettleExecutionCall, run_id: str | None
    ) -> SettleExecutionReply:
        """Settle the last tasks, see to it that nothing is left open, and close."""
        context = call.context
        taken = await self._taken(context, call.tasks)
        fence, known = await self._read(context, call.tasks, taken)
        if fence is None or not fence.is_of(context):
            return SettleExecutionReply(superseded=True)
        ensure_known(fence, context, run_id)
        if not fence.is_open and not is_revised(fence, call):
            if fence.has_settled(context):
                await self._conclude(call)
                await self._free(context, fence)
            return SettleExecutionReply(superseded=fence.started_generation < context.generation)
        missing = await self._settle(context, fence, call.tasks, known, taken)
        if missing:
            return SettleExecutionReply(missing=missing)
        await self._tidy(call, fence)
        await self._staleness.confirm_edits(call, is_full=fence.is_full)
        if fence.edits > context.edits:
            await self._staleness.foretell(context)
        await self._close(call, fence)
        await self._conclude(call)
        await self._free(context, fence)
        return SettleExecutionReply()

    async def _free(self, context: RunContext, fence: Fence) -> None:
        """Give the execution's slot to the next in line, where slots are counted.

        After the close: a slot that a crash leaves with a closed execution is found and freed; an
        execution that ran without one would not be.
        """
        if fence.is_counted:
            key = slot_key(context.flow_execution_id, context.generation)
            await self._slots.free(context.organization_id, [key])
            if self._freed is not None:
                await self._freed(context.organization_id)

    async def _taken(self, context: RunContext, tasks: Sequence[TaskSettlement]) -> Reports:
        """Return reports not written yet that say what the workflow says; the rest is written."""
        reports = await self._pending.take(context)
        if not reports.rows:
            return reports
        confirmed: dict[str, RowWrite] = {}
        for task in tasks:
            row = reports.rows.get(row_id(context, task)) if task.state in ENDED else None
            if row is not None and says(row, task):
                confirmed[row.id] = reports.rows.pop(row.id)
        if reports.rows:
            await self._pending.write_now(Reports(context, reports.rows, dict(reports.shapes)))
        return Reports(context, confirmed, reports.shapes)

    async def _read(
        self, context: RunContext, tasks: Sequence[TaskSettlement], taken: Reports
    ) -> tuple[Fence | None, Known]:
        """Return the fence and what is held of the rows in question."""
        reused = {task.task_name for task in tasks if task.state is TaskState.REUSED}
        if context.generation > 1:
            reused |= {task.task_name for task in tasks if may_be_input(task)}
        ids = [row_id(context, task) for task in tasks if task.state in ENDED]
        return await asyncio.gather(
            self._fences.of(context),
            self._look.at(
                context.flow_execution_id,
                [each for each in ids if each not in taken.rows],
                reused,
            ),
        )

    async def _settle(
        self,
        context: RunContext,
        fence: Fence,
        tasks: Sequence[TaskSettlement],
        known: Known,
        taken: Reports,
    ) -> list[int]:
        """Write what the store does not say yet; return the positions whose output it lacks."""
        plan = await self._planner.plan(context, fence, tasks, known, taken)
        await asyncio.gather(
            *(self._writer.write(row) for row in plan.writes),
            self._outputs.ensure_all(context, {**since_now(plan.shapes), **taken.shapes}.values()),
            *(self._close_iteration(context, task) for task in plan.aggregates),
            self._hide(context, plan.skipped),
            self._leftovers.cancel(context, plan.cancelled),
            self._leftovers.confirm(plan.said),
            self._keep_beside(plan.beside),
        )
        if context.generation > 1 and not fence.is_full:
            await self._staleness.confirm(context, tasks)
        return plan.missing

    async def _close_iteration(self, context: RunContext, task: TaskSettlement) -> None:
        """Keep the word on an iteration as a whole; rows beyond its end belong to older runs."""
        count = task.item_count or 0
        await self._outputs.close_iteration(
            context, Shape(task.task_name, True, count), task.state.value
        )
        if context.generation > 1:
            place = {
                "execution_id": context.flow_execution_id,
                "task_name": task.task_name,
                "live": True,
                "generation": {"$lt": context.generation},
                "$or": [{"item": {"$gte": count}}, {"item": None}],
            }
            await self._rows.update_many(place, _HIDDEN)

    async def _hide(self, context: RunContext, task_names: Sequence[str]) -> None:
        """Hide everything that tasks on no chosen path left behind."""
        if not task_names:
            return
        execution_id = context.flow_execution_id
        place = {
            "execution_id": execution_id,
            "task_name": {"$in": sorted(task_names)},
            "live": True,
            **_not_reported(context),
        }
        await asyncio.gather(
            self._rows.update_many(place, _HIDDEN), self._outputs.hide(context, task_names)
        )

    async def _forget(self, context: RunContext, task_names: Sequence[str]) -> None:
        """Hide what this generation shows of tasks that, by its own word, it never began."""
        if not task_names:
            return
        execution_id = context.flow_execution_id
        place = {
            "execution_id": execution_id,
            "task_name": {"$in": sorted(task_names)},
            "live": True,
        }
        ours = {**place, "generation": context.generation, "outside": {"$ne": True}}
        told = await self._rows.update_many(ours, _HIDDEN)
        if told.modified_count:
            shown = set(await self._rows.distinct("task_name", place))
            await self._outputs.hide(context, set(task_names) - shown)

    async def _keep_beside(self, updates: Sequence[UpdateOne]) -> None:
        """Keep what the engine says of results that a person edited, beside the edit."""
        if updates:
            await self._rows.bulk_write(list(updates), ordered=False)

    async def _conclude(self, call: SettleExecutionCall) -> None:
        """Bring in line what came until the close."""
        await self._leftovers.sweep(call)
        await self._staleness.conclude(call)

    async def _tidy(self, call: SettleExecutionCall, fence: Fence) -> None:
        """Hide skipped tasks and discarded results."""
        context = call.context
        await self._hide(context, call.skipped)
        await self._forget(context, call.unreached)
        if context.generation > 1 and fence.is_full:
            await self._discard_older(context)

    async def _discard_older(self, context: RunContext) -> None:
        """Hide what earlier generations left, of tasks that this one never came to."""
        place = {"execution_id": context.flow_execution_id, "live": True}
        older = {**place, "generation": {"$lt": context.generation}}
        names = set(await self._rows.distinct("task_name", older))
        names |= await self._outputs.reported_before(context)
        if not names:
            return
        await self._rows.update_many(older, _HIDDEN)
        names -= set(await self._rows.distinct("task_name", place))
        await self._outputs.hide(context, names)

    async def _close(self, call: SettleExecutionCall, fence: Fence) -> None:
        """Set the final status, in one write; ``deleted`` stays, and so does what came between."""
        await self._execution_writer.write(closing(call, fence))


def _not_reported(context: RunContext) -> Document:
    """Return the filter of what no outside worker reported in this generation."""
    return {"$nor": [{"outside": True, "generation": context.generation}]}
