"""Rows of task executions: how one attempt is written so that late and repeated writes do no harm.

A row's id follows from what it is about, and its rank only rises: a write carries the rank it
brings, matches rows below that rank alone, and inserts where there is none. What comes too late
collides with the row's own id, which says "already known" and is no error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from contracts.messages import RunContext
from flows.errors import ExecutionSupersededError
from store import collections
from store.clock import now
from store.faults import DUPLICATE_KEY, is_unavailable
from store.group_commit import GroupCommit
from store.identity import task_execution_id, task_output_id
from store.models import ProcessingStatus
from store.values import Database, Document, encode

RUNNING = 1
REPORTED = 2
SETTLED = 3

SYSTEM = "system"
NOT_EDITED = "not_edited"
WORKER_LOST = "WorkerLost"
MAX_CONFLICT_ROUNDS = 5
MAX_FILLED_ATTEMPTS = 20

_LOST_FIELDS: Document = {
    "error": encode(
        {
            "message": "the attempt ended without a report",
            "type": WORKER_LOST,
            "traceback": None,
        }
    )
}


@dataclass(slots=True)
class RowWrite:
    """One attempt as it shall be, at least.

    Attributes:
        item_count: Number of items of the iteration; None where it is not known, or for a task that
            runs once.
        rank: What this write brings; rows that have it already stay as they are.
        fields: What is set besides status and times; values encoded.
        is_full: Whether the generation discards every earlier result.
        begins: Whether this is the first that is heard of the attempt, so that those before it must
            have rows by now.
        is_opened: Whether the row is there, as its attempt opened it; then it is only changed, and
            not if it was hidden, taken further or given to another run meanwhile.
        idx: Position among the task's rows; None until it is known.
    """

    context: RunContext
    task_name: str
    item: int | None
    item_count: int | None
    attempt: int
    rank: int
    status: ProcessingStatus
    fields: Document
    is_full: bool = True
    begins: bool = False
    is_opened: bool = False
    idx: int | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the row's id, once."""
        context = self.context
        self.id = task_execution_id(
            context.flow_execution_id,
            context.generation,
            self.task_name,
            self.item,
            self.attempt,
        )


def lost_fields(at: datetime) -> Document:
    """Return what a row is set to whose attempt ended without a word."""
    return {
        **_LOST_FIELDS,
        "status": ProcessingStatus.FAILED.value,
        "rank": REPORTED,
        "completed_at": at,
        "updated_at": at,
    }


class RowWriter:
    """Writes rows in bulk."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._group: GroupCommit[RowWrite, None] = GroupCommit(self._flush)

    async def write(self, row: RowWrite) -> None:
        """Write one row, together with whatever else is being written.

        Earlier generations' rows of the same task and item are hidden first, and older attempts
        that are still open are closed as lost.

        Raises:
            ExecutionSupersededError: A newer generation's row is in its place.
            PyMongoError: Nothing is known to be written.
        """
        await self._group.submit(row)

    async def _flush(self, writes: Sequence[RowWrite]) -> list[Exception | None]:
        """Write rows in bulk, and answer each in order."""
        at = now()
        lost = [row for write in writes for row in _lost_before(write, at)]
        rows = [*writes, *lost]
        await self._number(rows)
        before = [operation for write in writes for operation in _make_way(write, at)]
        if before:
            await self._rows.bulk_write(before, ordered=False)
        faults = await self._bulk([_upsert(row, at) for row in rows])
        results: list[Exception | None] = [None] * len(rows)
        for position, fault in faults.items():
            results[position] = await self._answer(rows[position], fault)
        return results[: len(writes)]

    async def _bulk(self, operations: list[UpdateOne]) -> dict[int, Mapping[str, Any]]:
        """Return the faults by the operation's position; connection trouble is raised."""
        try:
            await self._rows.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            if is_unavailable(error):
                raise
            return {fault["index"]: fault for fault in error.details["writeErrors"]}
        return {}

    async def _answer(self, write: RowWrite, fault: Mapping[str, Any]) -> Exception | None:
        """Return what to tell the caller about one refused row."""
        for _ in range(MAX_CONFLICT_ROUNDS):
            if fault.get("code") != DUPLICATE_KEY:
                return RuntimeError(f"row refused with code {fault.get('code')}")
            if "_id" in fault.get("keyPattern", {"_id": 1}):
                return None
            if not await self._free(write):
                return ExecutionSupersededError("a newer generation owns the task's rows")
            faults = await self._bulk([_upsert(write, now())])
            if not faults:
                return None
            fault = faults[0]
        return RuntimeError("row number still taken")

    async def _free(self, write: RowWrite) -> bool:
        """Make a row's number free, or choose another; False if a newer generation holds it."""
        context = write.context
        place = {
            "execution_id": context.flow_execution_id,
            "task_name": write.task_name,
            "idx": write.idx,
            "live": True,
        }
        holder = await self._rows.find_one(place, {"generation": 1, "item": 1, "outside": 1})
        if holder is None:
            return True
        if holder.get("outside") and holder["generation"] <= context.generation:
            reported = {"_id": holder["_id"], "outside": True}
            await self._rows.update_one(reported, {"$set": {"live": False}})
            return True
        if holder["generation"] > context.generation:
            return False
        if holder["generation"] == context.generation:
            write.idx = await self._free_idx(write)
        elif write.is_full:
            await self._rows.update_one({"_id": holder["_id"]}, {"$set": {"live": False}})
        else:
            moved = {"$set": {"idx": await self._free_idx(write)}}
            await self._rows.update_one({"_id": holder["_id"]}, moved)
        return True

    async def _free_idx(self, write: RowWrite) -> int:
        """Take a number beyond every row that the task shows."""
        shown = {
            "execution_id": write.context.flow_execution_id,
            "task_name": write.task_name,
            "live": True,
        }
        last = await self._rows.find_one(shown, {"idx": 1}, sort=[("idx", -1)])
        return await self._next_idx(write, at_least=0 if last is None else last["idx"] + 1)

    async def _number(self, writes: Sequence[RowWrite]) -> None:
        """Give every row its number: retries of items need a counter, the rest is arithmetic."""
        retries: list[RowWrite] = []
        for write in writes:
            if write.idx is not None or write.is_opened:
                continue
            if write.item is None:
                write.idx = write.attempt - 1
            elif write.attempt == 1:
                write.idx = write.item
            else:
                retries.append(write)
        if not retries:
            return
        query = {"_id": {"$in": [write.id for write in retries]}}
        known = {row["_id"]: row["idx"] async for row in self._rows.find(query, {"idx": 1})}
        for write in retries:
            held = known.get(write.id)
            write.idx = await self._next_idx(write) if held is None else held

    async def _next_idx(self, write: RowWrite, *, at_least: int = 0) -> int:
        """Take the next free number of an iteration, counted from its number of items."""
        context = write.context
        restart: Document = {"$ne": [{"$ifNull": ["$idx_generation", 0]}, context.generation]}
        if not write.is_full:
            restart = {"$literal": False}
        count = write.item_count or (write.item or 0) + 1
        floor = {"$max": [count, at_least, {"$ifNull": ["$item_count", 0]}]}
        current = {"$cond": [restart, floor, {"$ifNull": ["$next_idx", floor]}]}
        document = await self._outputs.find_one_and_update(
            {"_id": task_output_id(context.flow_execution_id, write.task_name)},
            [
                {
                    "$set": {
                        "next_idx": {"$add": [{"$max": [current, floor]}, 1]},
                        "idx_generation": context.generation,
                        "created_at": {"$ifNull": ["$created_at", now()]},
                    }
                }
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
            projection={"next_idx": 1},
        )
        taken: int = document["next_idx"] - 1
        return taken


def _lost_before(write: RowWrite, at: datetime) -> list[RowWrite]:
    """Return rows for the attempts before one that begins, so that none is missing or stays open.

    Attempts that reported keep their report, unless ``_make_way`` knows better. Retries of items
    have no number of their own to be found by, so it closes those that are there.
    """
    if not write.begins or write.item is not None:
        return []
    first = max(1, write.attempt - MAX_FILLED_ATTEMPTS)
    return [
        replace(
            write,
            attempt=attempt,
            begins=False,
            idx=None,
            rank=REPORTED,
            status=ProcessingStatus.FAILED,
            fields={**_LOST_FIELDS, "completed_at": at},
        )
        for attempt in range(first, write.attempt)
    ]


def _make_way(write: RowWrite, at: datetime) -> list[UpdateMany]:
    """Return what has to happen before a row may appear.

    A completed attempt that is followed by another one completed for the store alone: its worker
    died before the workflow heard of it, so the workflow counts it as lost.
    """
    if write.is_opened:
        return []
    context = write.context
    operations: list[UpdateMany] = []
    place: Document = {
        "execution_id": context.flow_execution_id,
        "task_name": write.task_name,
        "live": True,
    }
    if context.generation > 1:
        older = {**place, "generation": {"$lt": context.generation}}
        if write.item is not None:
            older["item"] = {"$in": [write.item, None]}
        operations.append(UpdateMany(older, {"$set": {"live": False}}))
    if write.attempt > 1 and write.begins:
        unheard = {
            **place,
            "item": write.item,
            "generation": context.generation,
            "attempt": {"$lt": write.attempt},
            "edited_status": NOT_EDITED,
            "$or": [{"rank": {"$lt": REPORTED}}, {"status": ProcessingStatus.COMPLETED.value}],
        }
        lost = {**lost_fields(at), "output": None, "digest": ""}
        operations.append(UpdateMany(unheard, {"$set": lost}))
    return operations


def _upsert(write: RowWrite, at: datetime) -> UpdateOne:
    """Return the write itself: by id, below its rank, inserting where nothing is."""
    context = write.context
    is_lower = [{"rank": {"$lt": write.rank}}, {"outside": True}]
    below: Document = {"_id": write.id, "$or": is_lower, "edited_status": NOT_EDITED}
    said = {
        **write.fields,
        "status": write.status.value,
        "rank": write.rank,
        "updated_at": at,
        "modified_by": SYSTEM,
    }
    if write.is_opened:
        ours = {"live": True, "run_id": write.fields["run_id"]}
        return UpdateOne({**below, **ours}, {"$set": said})
    return UpdateOne(
        below,
        {
            "$set": {**said, "live": True, "outside": False},
            "$setOnInsert": {
                "organization_id": context.organization_id,
                "flow_id": context.flow_id,
                "flow_version": context.flow_version,
                "execution_id": context.flow_execution_id,
                "task_name": write.task_name,
                "item": write.item,
                "attempt": write.attempt,
                "generation": context.generation,
                "idx": write.idx,
                "created_at": at,
                "stale_status": "consistent",
            },
        },
        upsert=True,
    )
