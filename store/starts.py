"""Stamping executions as started, those started at the same time together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument, UpdateOne

from contracts.messages import RunContext
from flows.canonical import digest
from store import collections
from store.clock import now
from store.group_commit import GroupCommit
from store.models import ExecutionStatus, ProcessingStatus, SlotState
from store.output_index import OutputIndex, Shape
from store.rows import REPORTED, RowWrite, RowWriter
from store.values import Database, Document, Values

_FIELDS = {
    "organization_id": 1,
    "flow_id": 1,
    "flow_version": 1,
    "generation": 1,
    "mode": 1,
    "is_open": 1,
    "started_generation": 1,
    "started_at": 1,
    "run_id": 1,
    "input": 1,
    "input_task_name": 1,
}


_IS_FRESH = {"$eq": ["$slot", SlotState.FRESH.value]}
_OUT_OF_LINE = {
    "slot": {"$cond": [_IS_FRESH, SlotState.HELD.value, "$slot"]},
    "queued_at": {"$cond": [_IS_FRESH, "$$REMOVE", "$queued_at"]},
    "checked_at": {"$ifNull": ["$checked_at", "$$NOW"]},
}
"""What a stamp changes of one that took a slot; the workflow may have given it back already."""


@dataclass(frozen=True, slots=True)
class Start:
    """One generation whose workflow was started.

    Attributes:
        has_slot: Whether it took a slot of its organization before.
    """

    organization_id: str
    flow_execution_id: str
    generation: int
    run_id: str | None
    at: datetime
    has_slot: bool = False


class Starts:
    """Stamps generations as started, and shows their input tasks as completed."""

    def __init__(self, database: Database, values: Values) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._task_executions: Any = database[collections.TASK_EXECUTIONS]
        self._values = values
        self._rows = RowWriter(database)
        self._outputs = OutputIndex(database)
        self._group: GroupCommit[Start, Document | None] = GroupCommit(self._stamp)

    async def stamp(self, start: Start) -> bool:
        """Stamp a generation; return whether it is the current one, and was not closed before."""
        document = await self._group.submit(start)
        if document is None:
            return False
        if document["is_open"]:
            await self._show_input(document)
        return True

    async def _stamp(self, starts: Sequence[Start]) -> list[Document | None]:
        """Stamp what still counts, and read what came of it."""
        if len(starts) == 1:
            return [await self._stamp_one(starts[0])]
        await self._executions.bulk_write(
            [UpdateOne(*_stamp(start)) for start in starts], ordered=False
        )
        ids = [start.flow_execution_id for start in starts]
        cursor = self._executions.find({"_id": {"$in": ids}}, _FIELDS)
        found = {document["_id"]: document async for document in cursor}
        return [_if_wanted(start, found.get(start.flow_execution_id)) for start in starts]

    async def _stamp_one(self, start: Start) -> Document | None:
        """Stamp and read in one round trip."""
        wanted, changes = _stamp(start)
        document: Document | None = await self._executions.find_one_and_update(
            wanted, changes, projection=_FIELDS, return_document=ReturnDocument.AFTER
        )
        return document

    async def _show_input(self, document: Document) -> None:
        """Write the input task's row: its output is the execution's input.

        Where results are reused the earlier row stays, edited or not; settling replaces it if what
        the flow reads is another input now.
        """
        context = RunContext(
            organization_id=document["organization_id"],
            flow_id=document["flow_id"],
            flow_version=document["flow_version"],
            flow_execution_id=document["_id"],
            generation=document["generation"],
        )
        name = document["input_task_name"]
        if document["mode"] == "stale" and await self._is_shown(context, name):
            return
        row = RowWrite(
            context=context,
            task_name=name,
            item=None,
            item_count=None,
            attempt=1,
            rank=REPORTED,
            status=ProcessingStatus.COMPLETED,
            fields={
                "output": document["input"],
                "digest": digest(await self._values.get(document["input"])),
                "started_at": document["started_at"],
                "completed_at": document["started_at"],
                "run_id": document["run_id"],
            },
            is_full=document["mode"] == "full",
        )
        shape = Shape(name, is_iteration=False)
        await asyncio.gather(self._rows.write(row), self._outputs.ensure(context, [shape]))

    async def _is_shown(self, context: RunContext, task_name: str) -> bool:
        """Return whether an earlier run's row of the input task is there to be kept."""
        shown = {
            "execution_id": context.flow_execution_id,
            "task_name": task_name,
            "item": None,
            "live": True,
            "status": ProcessingStatus.COMPLETED.value,
            "outside": {"$ne": True},
        }
        return await self._task_executions.find_one(shown, {"_id": 1}) is not None


def _stamp(start: Start) -> tuple[Document, list[Document]]:
    """Return what stamps a generation, unless it was closed before it started: filter, update."""
    queued, running = ExecutionStatus.QUEUED.value, ExecutionStatus.RUNNING.value
    is_queued = {"$eq": ["$status", queued]}
    return (
        {
            "_id": start.flow_execution_id,
            "organization_id": start.organization_id,
            "generation": start.generation,
            "$or": [{"is_open": True}, {"started_generation": start.generation}],
        },
        [
            {
                "$set": {
                    "status": {"$cond": [is_queued, running, "$status"]},
                    "updated_at": {"$cond": [is_queued, now(), "$updated_at"]},
                    "started_generation": start.generation,
                    "started_at": {"$ifNull": ["$started_at", start.at]},
                    "run_id": "$run_id" if start.run_id is None else start.run_id,
                    **(_OUT_OF_LINE if start.has_slot else {}),
                }
            }
        ],
    )


def _if_wanted(start: Start, document: Document | None) -> Document | None:
    """Return the execution if it now says that this generation was started."""
    is_wanted = (
        document is not None
        and document["organization_id"] == start.organization_id
        and document["generation"] == start.generation
        and document["started_generation"] == start.generation
    )
    return document if is_wanted else None
