"""Which results are outdated, and when they are not any more.

Staleness is a mark on rows: what a result was made from has changed since. An iteration without
items has no rows, so its task output carries the mark as well. What a person changes while a run is
under way is kept with the execution, and marked once the run has closed: the run goes on with what
it has. Edits of an execution are counted, and a run knows how many came before it read its seeds.

Source: docs/corrections.md.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from contracts.messages import RunContext, SettleExecutionCall, TaskSettlement, TaskState
from store import collections, indexes
from store.clock import now
from store.models import ExecutionStatus, ProcessingStatus
from store.values import Database, Document

STALE = "stale"
CONSISTENT = "consistent"
EDITED = "edited_not_reexecuted"
REEXECUTED = "edited_reexecuted"

ENDED = (ProcessingStatus.COMPLETED.value, ProcessingStatus.FAILED.value)

NOTHING_OUTDATED: Document = {"outdated": []}
"""What an execution says when a generation begins; edits made from now on add to it."""


class Staleness:
    """Marks results, and takes marks away; its caller turns driver errors into ours."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._executions: Any = database[collections.EXECUTIONS]

    async def mark(
        self, execution_id: str, task_names: Collection[str], session: Any = None
    ) -> None:
        """Mark what these tasks have yielded; what never ran has nothing to be outdated."""
        if not task_names:
            return
        place = {
            "execution_id": execution_id,
            "task_name": {"$in": sorted(task_names)},
            "live": True,
        }
        marked = {"$set": {"stale_status": STALE, "updated_at": now()}}
        await self._rows.update_many(
            {**place, "status": {"$in": ENDED}, "stale_status": {"$ne": STALE}},
            marked,
            session=session,
        )
        await self._outputs.update_many(
            {**place, "is_iteration": True, "item_count": 0, "stale_status": {"$ne": STALE}},
            marked,
            session=session,
        )

    async def hide(
        self, execution_id: str, task_names: Collection[str], session: Any = None
    ) -> None:
        """Hide what these tasks have yielded."""
        if task_names:
            place = {
                "execution_id": execution_id,
                "task_name": {"$in": sorted(task_names)},
                "live": True,
            }
            hidden = {"$set": {"live": False, "updated_at": now()}}
            await self._rows.update_many(place, hidden, session=session)
            await self._outputs.update_many(place, hidden, session=session)

    async def discard(self, execution_id: str, session: Any = None) -> None:
        """Hide everything that an execution shows, and what people made of it."""
        place = {"execution_id": execution_id, "live": True}
        hidden = {"$set": {"live": False, "updated_at": now()}}
        await self._rows.update_many(place, hidden, session=session, hint=indexes.ROWS_BY_ITEM)
        await self._outputs.update_many(
            place, hidden, session=session, hint=indexes.OUTPUTS_BY_EXECUTION
        )

    async def has_any(self, execution_id: str, session: Any = None) -> bool:
        """Return whether anything that an execution shows is outdated."""
        place = {"execution_id": execution_id, "live": True, "stale_status": STALE}
        row = await self._rows.find_one(
            {**place, "status": {"$in": ENDED}},
            {"_id": 1},
            session=session,
            hint=indexes.ROWS_BY_ITEM,
        )
        if row is not None:
            return True
        output = await self._outputs.find_one(
            {**place, "is_iteration": True},
            {"_id": 1},
            session=session,
            hint=indexes.OUTPUTS_BY_EXECUTION,
        )
        return output is not None

    async def confirm(self, context: RunContext, words: Iterable[TaskSettlement]) -> None:
        """Take the mark from results that a run has found to hold still."""
        items: dict[str, list[int | None]] = defaultdict(list)
        for word in words:
            if word.state is TaskState.REUSED and word.item_count is None:
                items[word.task_name].append(word.item)
        single = sorted(name for name, found in items.items() if found == [None])
        places: list[Document] = [{"task_name": {"$in": single}, "item": None}] if single else []
        places += [
            {"task_name": name, "item": {"$in": found}}
            for name, found in items.items()
            if found != [None]
        ]
        for place in places:
            await self._rows.update_many(
                {
                    "execution_id": context.flow_execution_id,
                    "live": True,
                    "stale_status": STALE,
                    **place,
                },
                {"$set": {"stale_status": CONSISTENT, "updated_at": now()}},
                hint=indexes.ROWS_BY_ITEM,
            )

    async def confirm_all(self, execution_id: str, session: Any) -> None:
        """Take the mark from all that an execution shows, and count its edits as taken up."""
        place = {"execution_id": execution_id, "live": True}
        consistent, at = {"stale_status": CONSISTENT}, {"updated_at": now()}
        await self._rows.update_many(
            place | {"stale_status": STALE},
            {"$set": consistent | at},
            session=session,
            hint=indexes.ROWS_BY_ITEM,
        )
        await self._rows.update_many(
            place | {"edited_status": EDITED},
            {"$set": {"edited_status": REEXECUTED} | at},
            session=session,
            hint=indexes.ROWS_BY_ITEM,
        )
        await self._outputs.update_many(
            place | {"is_iteration": True, "stale_status": STALE},
            {"$set": consistent | at},
            session=session,
            hint=indexes.OUTPUTS_BY_EXECUTION,
        )

    async def confirm_edits(self, call: SettleExecutionCall, *, is_full: bool) -> None:
        """Count results edited before a run that reused them, and that completed, as re-executed.

        Before the run is closed, so that whoever sees it completed sees this, too. Repeatable.
        """
        context = call.context
        has_completed = call.status == ExecutionStatus.COMPLETED.value
        if has_completed and context.generation > 1 and not is_full:
            await self._rows.update_many(
                {
                    "execution_id": context.flow_execution_id,
                    "live": True,
                    "edited_status": EDITED,
                    "edit": {"$lte": context.edits},
                },
                {"$set": {"edited_status": REEXECUTED, "updated_at": now()}},
                hint=indexes.ROWS_BY_ITEM,
            )

    async def foretell(self, context: RunContext) -> None:
        """Mark what depends on a result that was edited while a run went on; it is about to close.

        Whoever sees its status then sees the marks, too. Repeatable.
        """
        running = await self._executions.find_one(
            {"_id": context.flow_execution_id, "generation": context.generation}, {"outdated": 1}
        )
        if running is not None:
            since = outdated_since(running, context.edits)
            await self.mark(context.flow_execution_id, since)

    async def conclude(self, call: SettleExecutionCall) -> None:
        """Mark what was outdated in the very moment of the close, or take the status back.

        Repeatable.
        """
        context = call.context
        closed = await self._executions.find_one(
            {"_id": context.flow_execution_id, "generation": context.generation, "is_open": False},
            {"outdated": 1},
        )
        since = [] if closed is None else outdated_since(closed, context.edits)
        if not since:
            return
        await self.mark(context.flow_execution_id, since)
        if not await self.has_any(context.flow_execution_id):
            has_completed = call.status == ExecutionStatus.COMPLETED.value
            status = ExecutionStatus.EDITED.value if has_completed else call.status
            await self._executions.update_one(
                {
                    "_id": context.flow_execution_id,
                    "generation": context.generation,
                    "status": STALE,
                },
                {"$set": {"status": status, "updated_at": now()}},
            )


def outdated_since(execution: Document, edits: int) -> list[str]:
    """Return the tasks that edits after the first so many have outdated."""
    return sorted(each["task"] for each in execution.get("outdated") or () if each["edit"] > edits)


def status_at_close(status: str, edits: int) -> Document:
    """Return the expression for the status of a run that closes with this outcome.

    What was edited after the run had read its seeds shows; ``deleted`` stays.

    Args:
        edits: How many edits it knew of.
    """
    deleted = ExecutionStatus.DELETED.value
    shown: Document | str = status
    if status == ExecutionStatus.COMPLETED.value:
        is_edited = {"$gt": [{"$ifNull": ["$edit_count", 0]}, edits]}
        shown = {"$cond": [is_edited, ExecutionStatus.EDITED.value, status]}
    if status != ExecutionStatus.CANCELLED.value:
        latest = {"$ifNull": [{"$max": "$outdated.edit"}, 0]}
        shown = {"$cond": [{"$gt": [latest, edits]}, STALE, shown]}
    return {"$cond": [{"$eq": ["$status", deleted]}, deleted, shown]}
