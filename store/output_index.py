"""One document per (execution, task) that ever had a row: id, order and counters of task outputs.

What a task output shows is computed from the task's rows when it is read; so the end of a task
and its output are one write. Here is only what rows cannot hold.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from contracts.messages import RunContext
from store import collections
from store.clock import now
from store.faults import DUPLICATE_KEY, is_unavailable
from store.group_commit import GroupCommit
from store.identity import task_output_id
from store.values import Database, Document

MAX_KNOWN = 20_000

_Key = tuple[str, int, str]


class Shape(NamedTuple):
    """A task, whether it iterates, and over how many items where that is known."""

    task_name: str
    is_iteration: bool
    item_count: int | None = None


def since_now(shapes: Sequence[Shape]) -> dict[str, tuple[Shape, datetime]]:
    """Return shapes by task, as of those that have their first row now."""
    at = now()
    return {shape.task_name: (shape, at) for shape in shapes}


class OutputIndex:
    """Sees to it that every task with a row has its document, at the right version."""

    def __init__(self, database: Database) -> None:
        """Borrow a database; remembers what this process saw acknowledged."""
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._known: dict[_Key, None] = {}
        self._group: GroupCommit[UpdateOne, None] = GroupCommit(self._flush)

    async def ensure(self, context: RunContext, shapes: Iterable[Shape]) -> None:
        """Write what is missing; tasks known to be written cost nothing."""
        at = now()
        await self.ensure_all(context, [(shape, at) for shape in shapes])

    async def ensure_all(
        self, context: RunContext, shapes: Iterable[tuple[Shape, datetime]]
    ) -> None:
        """Write what is missing of tasks that had their first row at the time given with each."""
        unknown: dict[_Key, tuple[Shape, datetime]] = {}
        for shape, since in shapes:
            key = (context.flow_execution_id, context.generation, shape.task_name)
            if key not in self._known:
                unknown[key] = (shape, since)
        if not unknown:
            return
        await asyncio.gather(
            *(
                self._group.submit(_ensure(context, shape, since))
                for shape, since in unknown.values()
            )
        )
        self._remember(unknown)

    async def close_iteration(self, context: RunContext, shape: Shape, state: str) -> None:
        """Keep the workflow's word on an iteration as a whole, which may have no items at all."""
        await self._group.submit(_ensure(context, shape, now(), state=state))

    async def hide(self, context: RunContext, task_names: Collection[str]) -> None:
        """Hide outputs, but for those that outside workers reported in this generation."""
        execution_id = context.flow_execution_id
        ids = [task_output_id(execution_id, name) for name in task_names]
        hidden = {"$set": {"live": False, "updated_at": now()}}
        wanted = {
            "_id": {"$in": ids},
            "live": True,
            "$nor": [{"outside": True, "generation": context.generation}],
        }
        await self._outputs.update_many(wanted, hidden)
        for key in [key for key in self._known if key[0] == execution_id and key[2] in task_names]:
            del self._known[key]

    async def reported_before(self, context: RunContext) -> set[str]:
        """Return tasks of which outside workers reported in earlier generations alone."""
        wanted = {
            "execution_id": context.flow_execution_id,
            "live": True,
            "outside": True,
            "generation": {"$lt": context.generation},
        }
        return set(await self._outputs.distinct("task_name", wanted))

    async def _flush(self, operations: Sequence[UpdateOne]) -> list[None]:
        """Write in bulk; two processes that insert the same document at once are both right."""
        try:
            await self._outputs.bulk_write(list(operations), ordered=False)
        except BulkWriteError as error:
            faults = error.details["writeErrors"]
            if is_unavailable(error) or any(fault["code"] != DUPLICATE_KEY for fault in faults):
                raise
            await self._outputs.bulk_write([operations[fault["index"]] for fault in faults])
        return [None] * len(operations)

    def _remember(self, keys: Iterable[_Key]) -> None:
        """Note what was acknowledged, forgetting the oldest beyond the bound."""
        for key in keys:
            self._known[key] = None
        for key in list(self._known)[: max(0, len(self._known) - MAX_KNOWN)]:
            del self._known[key]


def _ensure(
    context: RunContext, shape: Shape, at: datetime, *, state: str | None = None
) -> UpdateOne:
    """Return the write that makes a task's document be there, live and at the run's version."""
    counted: Document = {"item_count": shape.item_count}
    if shape.is_iteration and shape.item_count is None:
        counted = {}
    return UpdateOne(
        {"_id": task_output_id(context.flow_execution_id, shape.task_name)},
        {
            "$set": {
                "organization_id": context.organization_id,
                "flow_id": context.flow_id,
                "flow_version": context.flow_version,
                "execution_id": context.flow_execution_id,
                "task_name": shape.task_name,
                "generation": context.generation,
                "is_iteration": shape.is_iteration,
                **counted,
                "state": state,
                "stale_status": "consistent",
                "live": True,
                "updated_at": at,
            },
            "$setOnInsert": {"created_at": at},
        },
        upsert=True,
    )
