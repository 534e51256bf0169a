"""Rows that came between a workflow's last word and the close of its execution.

Attempts report on their own, so one may begin, or end, while its workflow has given it up:
cancelled it, or failed because of another. The workflow's word counts; these rows are brought in
line with it.

Source: docs/decisions/0008-group-commit-and-fencing.md.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pymongo import UpdateMany, UpdateOne

from contracts.messages import RunContext, SettleExecutionCall, TaskSettlement, TaskState
from store import collections, indexes
from store.clock import now
from store.group_commit import GroupCommit
from store.identity import task_execution_id
from store.models import ExecutionStatus, ProcessingStatus
from store.review_endings import ReviewEndings
from store.rows import NOT_EDITED, REPORTED, SETTLED, lost_fields
from store.values import Database, Document

_COMPLETED = ProcessingStatus.COMPLETED.value
_UNDONE: Document = {
    "status": ProcessingStatus.CANCELLED.value,
    "rank": SETTLED,
    "output": None,
    "digest": "",
    "error": None,
}


class Leftovers:
    """Brings rows in line that nobody else knows of; its caller turns driver errors into ours."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._executions: Any = database[collections.EXECUTIONS]
        self._reviews = ReviewEndings(database)
        self._open: GroupCommit[str, list[str]] = GroupCommit(self._left_open)

    async def request_cancel(self, execution_id: str, generation: int) -> None:
        """Show every attempt of a generation that has not ended as asked to stop."""
        unreported = {
            "execution_id": execution_id,
            "generation": generation,
            "live": True,
            "rank": {"$lt": REPORTED},
        }
        asked = {"status": ProcessingStatus.CANCEL_REQUESTED.value, "updated_at": now()}
        await self._rows.update_many(unreported, {"$set": asked})

    async def cancel(self, context: RunContext, words: Collection[TaskSettlement]) -> None:
        """Show the last attempt of each of these tasks and items as cancelled, if there is one."""
        if not words:
            return
        cursor = self._rows.find(
            {
                "execution_id": context.flow_execution_id,
                "task_name": {"$in": sorted({word.task_name for word in words})},
                "generation": context.generation,
                "live": True,
                "edited_status": NOT_EDITED,
            },
            {"task_name": 1, "item": 1, "attempt": 1, "status": 1, "rank": 1},
        )
        wanted = {(word.task_name, word.item) for word in words}
        last: dict[tuple[str, int | None], Document] = {}
        async for row in cursor.sort("attempt", 1).hint(indexes.ROWS_BY_ITEM):
            if (row["task_name"], row["item"]) in wanted:
                last[row["task_name"], row["item"]] = row
        undone = [row for row in last.values() if not _is_undone(row)]
        if undone:
            at = now()
            await self._rows.bulk_write(
                [
                    UpdateOne({"_id": row["_id"]}, {"$set": {**_UNDONE, **_times(at)}})
                    for row in undone
                ],
                ordered=False,
            )

    async def confirm(self, row_ids: Collection[str]) -> None:
        """Mark rows as the workflow's own word, so that they are told from what came later."""
        if row_ids:
            wanted = {"_id": {"$in": list(row_ids)}, "rank": REPORTED}
            await self._rows.update_many(wanted, {"$set": {"rank": SETTLED}})

    async def sweep(self, call: SettleExecutionCall) -> None:
        """Leave nothing open, nothing completed that the workflow gave up, nobody asked in vain.

        To be called once the execution is closed: whoever opens a row looks at the fence again
        afterwards, so either it sees the close, or its row is seen here.
        """
        context = call.context
        at = now()
        operations = [*self._given_up(context, call.tasks)]
        closing = {**lost_fields(at), "rank": SETTLED}
        if call.status == ExecutionStatus.CANCELLED.value:
            closing |= {"status": ProcessingStatus.CANCELLED.value, "error": None}
        for row_id in await self._open.submit(context.flow_execution_id):
            unreported = {"_id": row_id, "rank": {"$lt": REPORTED}}
            operations.append(UpdateMany(unreported, {"$set": closing}))
        if operations:
            await self._rows.bulk_write(operations, ordered=False)
        await self.cancel(context, [word for word in call.tasks if is_cancelled(word)])
        if call.status != ExecutionStatus.COMPLETED.value:
            await self._reviews.withdraw(context.flow_execution_id, context.generation)

    async def abandon(self, execution_id: str, generation: int) -> None:
        """Bring in line what earlier generations left, when this one is closed unstarted.

        A full generation discards all of it; one that reuses results keeps what has ended. Harmless
        should the generation run after all: either would have happened to these rows then, too.
        """
        execution = await self._executions.find_one({"_id": execution_id}, {"mode": 1})
        if execution is None or generation == 1:
            return
        older = {"execution_id": execution_id, "live": True, "generation": {"$lt": generation}}
        if execution["mode"] == "full":
            await self._rows.update_many(older, {"$set": {"live": False}})
            await self._outputs.update_many(older, {"$set": {"live": False}})
            return
        at = now()
        unreported = {**older, "rank": {"$lt": REPORTED}}
        await self._rows.update_many(unreported, {"$set": {**_UNDONE, **_times(at)}})
        failed = {**older, "rank": REPORTED, "status": ProcessingStatus.FAILED.value}
        await self._rows.update_many(failed, {"$set": {"rank": SETTLED}})

    async def withdraw(
        self, context: RunContext, task_name: str, item: int | None, attempt: int
    ) -> None:
        """Hide the row of an attempt that was refused after it had been opened."""
        row_id = task_execution_id(
            context.flow_execution_id, context.generation, task_name, item, attempt
        )
        await self._rows.update_one(
            {"_id": row_id, "rank": {"$lt": SETTLED}}, {"$set": {"live": False}}
        )

    async def _left_open(self, execution_ids: Sequence[str]) -> list[list[str]]:
        """Return the rows that each of these executions still shows as open, in one query."""
        wanted = {
            "execution_id": {"$in": list(set(execution_ids))},
            "rank": {"$lt": REPORTED},
            "live": True,
        }
        cursor = self._rows.find(wanted, {"execution_id": 1}).hint(indexes.ROWS_OPEN)
        found: dict[str, list[str]] = defaultdict(list)
        async for row in cursor:
            found[row["execution_id"]].append(row["_id"])
        return [found[execution_id] for execution_id in execution_ids]

    def _given_up(
        self, context: RunContext, words: Iterable[TaskSettlement]
    ) -> Iterable[UpdateMany]:
        """Return what undoes completions of tasks, or of items, that were given up."""
        at = now()
        for word in words:
            is_iteration = word.item_count is not None and word.item is None
            is_given_up = word.state is TaskState.CANCELLED or (
                is_iteration and word.state is TaskState.FAILED
            )
            if not is_given_up or word.item is not None:
                continue
            unheard = {
                "execution_id": context.flow_execution_id,
                "task_name": word.task_name,
                "generation": context.generation,
                "live": True,
                "rank": REPORTED,
                "status": _COMPLETED,
                "edited_status": NOT_EDITED,
            }
            yield UpdateMany(unheard, {"$set": {**_UNDONE, **_times(at)}})


def is_cancelled(word: TaskSettlement) -> bool:
    """Return whether a task or an item was told to stop, by whichever attempt it had come to."""
    is_iteration = word.item_count is not None and word.item is None
    return word.state is TaskState.CANCELLED and word.attempt is None and not is_iteration


def _is_undone(row: Document) -> bool:
    """Return whether a row says already that its task was told to stop."""
    return bool(row["status"] == _UNDONE["status"] and row["rank"] == SETTLED)


def _times(at: object) -> Document:
    return {"updated_at": at, "completed_at": at}
