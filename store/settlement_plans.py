"""What settling has to write: the workflow's word, less what the store says already.

Source: docs/decisions/0008-group-commit-and-fencing.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import JsonValue
from pymongo import UpdateOne

from contracts.messages import RunContext, TaskSettlement, TaskState
from flows.canonical import digest
from store import collections
from store.clock import now, stored
from store.fence import Fence
from store.output_index import Shape
from store.pending_reports import Reports
from store.row_look import Known
from store.rows import NOT_EDITED, REPORTED, SETTLED, RowWrite
from store.values import Database, Document, Values, encode
from store.words import (
    ENDED,
    STATUS,
    WITH_OUTPUT,
    attempt_of,
    is_input_kept,
    is_said,
    kept_beside,
    row_id,
)

_MISSING: Document = {}


@dataclass(slots=True)
class Plan:
    """What settling has to write.

    Attributes:
        missing: Positions of settlements whose output the store lacks.
    """

    writes: list[RowWrite] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    aggregates: list[TaskSettlement] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    cancelled: list[TaskSettlement] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    beside: list[UpdateOne] = field(default_factory=list)


class Planner:
    """Decides what settlements need; reads at most the execution's own input."""

    def __init__(self, database: Database, values: Values) -> None:
        """Borrow a database, and what keeps values that are too large for a row."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._values = values

    async def plan(
        self,
        context: RunContext,
        fence: Fence,
        tasks: Sequence[TaskSettlement],
        known: Known,
        taken: Reports,
    ) -> Plan:
        """Return what the store does not say yet.

        Args:
            known: What is held of the rows in question.
            taken: Reports not written yet, which say what the workflow says.
        """
        plan = Plan()
        for position, task in enumerate(tasks):
            row = taken.rows.get(row_id(context, task)) if task.state in ENDED else None
            if row is None:
                await self._add(context, fence, position, task, known, plan)
            else:
                row.rank, row.is_full = SETTLED, fence.is_full
                plan.writes.append(row)
        return plan

    async def _add(
        self,
        context: RunContext,
        fence: Fence,
        position: int,
        task: TaskSettlement,
        known: Known,
        plan: Plan,
    ) -> None:
        """Add what one settlement needs."""
        if task.item_count is not None and task.item is None:
            plan.aggregates.append(task)
        elif task.state is TaskState.SKIPPED:
            plan.skipped.append(task.task_name)
        elif task.state in ENDED:
            if task.state is TaskState.CANCELLED and task.attempt is None:
                plan.cancelled.append(task)
                return
            held = known.by_id.get(row_id(context, task))
            is_known = is_said(task, held, known) or is_input_kept(task, fence, known)
            if is_known and task.item is not None and held is not None:
                plan.said.append(held["_id"])
            if not is_known:
                output = await self._output(context, fence, task)
                if output is _MISSING:
                    plan.missing.append(position)
                    return
                if held is not None and held["live"] and held["edited_status"] != NOT_EDITED:
                    plan.beside.append(kept_beside(held, task, output))
                    return
                plan.writes.append(await self._row(context, fence, task, output, held))
            plan.shapes.append(Shape(task.task_name, task.item is not None))

    async def _output(
        self, context: RunContext, fence: Fence, task: TaskSettlement
    ) -> bytes | Document | None:
        """Return what the row shall hold as output, or ``_MISSING``.

        An input task's output is the execution's own input, so nobody needs to send it.
        """
        if task.state not in WITH_OUTPUT:
            return None
        if task.has_output:
            return await self._values.put(context.flow_execution_id, encode(task.output))
        if task.task_name != fence.input_task_name or task.item is not None:
            return _MISSING
        execution = await self._executions.find_one(
            {"_id": context.flow_execution_id}, {"input": 1}
        )
        if execution is None:
            return _MISSING
        held: bytes | Document | None = execution["input"]
        is_same = digest(await self._values.get(held)) == task.output_digest
        return held if is_same else _MISSING

    async def _row(
        self,
        context: RunContext,
        fence: Fence,
        task: TaskSettlement,
        output: bytes | Document | None,
        held: Document | None,
    ) -> RowWrite:
        """Return the row that says what the workflow says."""
        execution_id = context.flow_execution_id
        failed = task.state is TaskState.FAILED and task.error is not None
        error = cast("JsonValue", task.error.model_dump()) if failed and task.error else None
        fields: Document = {
            "output": output,
            "digest": task.output_digest if task.state in WITH_OUTPUT else "",
            "error": await self._values.put(execution_id, encode(error)),
        }
        if task.input is not None or held is None:
            fields["input"] = await self._values.put(execution_id, encode(task.input))
        if task.fingerprint or held is None:
            fields["fingerprint"] = task.fingerprint
        if held is None:
            fields["run_id"] = fence.run_id
        if task.started_at is not None or held is None:
            fields["started_at"] = None if task.started_at is None else stored(task.started_at)
        if task.completed_at is not None or held is None or held["rank"] < REPORTED:
            fields["completed_at"] = stored(task.completed_at or now())
        return RowWrite(
            context=context,
            task_name=task.task_name,
            item=task.item,
            item_count=None,
            attempt=attempt_of(task),
            rank=SETTLED,
            status=STATUS[task.state],
            fields=fields,
            is_full=fence.is_full,
            begins=held is None,
        )
