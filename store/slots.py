"""Slots: which executions of an organization with a limit may run, and which are next in line.

An organization with a limit has one document that holds the slots taken, each named by an execution
and its generation. Taking one is a single conditional update of that document, so no two processes
ever hand out the same last slot. Who waits is written on the executions themselves.

Source: docs/decisions/0037-slots.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.names import flow_workflow_id
from store import collections
from store.clock import now
from store.documents import EXECUTION_VALUES, execution_record
from store.faults import guarded
from store.indexes import EXECUTIONS_OPEN, EXECUTIONS_QUEUED
from store.models import ExecutionRecord, SlotState
from store.parking import is_whole
from store.values import Database, Document, Values

MAX_AT_ONCE = 100

_QUEUED = {"$exists": True}


@dataclass(frozen=True, slots=True)
class Held:
    """The slots that an organization's executions hold."""

    organization_id: str
    keys: Sequence[str]


class Slots:
    """Hands out slots; every method may be repeated, and called by several processes at once."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._slots: Any = database[collections.EXECUTION_SLOTS]
        self._values = Values(database)

    @guarded
    async def promote(self, organization_id: str) -> list[ExecutionRecord]:
        """Give free slots to the first in line, and return who got one; all of them, if any can.

        Whoever is returned is still in line, until it is stamped as started, or resumed. Whoever
        got a slot before and is not there yet is passed over.
        """
        granted: list[ExecutionRecord] = []
        while True:
            document = await self._slots.find_one({"_id": organization_id})
            if document is None:
                return granted
            room = _room(document)
            found = await self._first_in_line(organization_id, document["held"], room)
            if not found:
                return granted
            if await self._take(organization_id, found):
                granted += found
                if len(found) < MAX_AT_ONCE:
                    return granted

    async def _first_in_line(
        self, organization_id: str, held: Collection[str], count: int
    ) -> list[ExecutionRecord]:
        if count <= 0:
            return []
        known = set(held)
        documents: list[Document] = []
        cursor = (
            self._executions.find({"organization_id": organization_id, "queued_at": _QUEUED})
            .sort([("slot", 1), ("queued_at", 1), ("_id", 1)])
            .hint(EXECUTIONS_QUEUED)
        )
        async for document in cursor:
            if slot_key(document["_id"], document["generation"]) not in known:
                documents.append(document)
                if len(documents) == count:
                    break
        await self._values.load(documents, EXECUTION_VALUES)
        return [execution_record(document) for document in documents]

    async def _take(self, organization_id: str, records: Sequence[ExecutionRecord]) -> bool:
        """Take a slot for each, if there is still room for all; False if somebody was faster."""
        keys = [slot_key(record.id, record.generation) for record in records]
        wanted = {"$add": [{"$size": "$held"}, len(keys)]}
        taken = await self._slots.update_one(
            {
                "_id": organization_id,
                "held": {"$nin": keys},
                "$or": [{"limit": None}, {"$expr": {"$lte": [wanted, "$limit"]}}],
            },
            {"$push": {"held": {"$each": keys}}},
        )
        return bool(taken.modified_count)

    @guarded
    async def free(self, organization_id: str, keys: Collection[str]) -> None:
        """Give slots back; those that nobody holds are no matter."""
        await self._slots.update_one({"_id": organization_id}, {"$pullAll": {"held": list(keys)}})

    @guarded
    async def postpone(self, record: ExecutionRecord) -> None:
        """Give back the slot of one that cannot begin, and put it at the end of the line."""
        await self._executions.update_one(
            {"_id": record.id, "generation": record.generation, "queued_at": _QUEUED},
            {"$set": {"queued_at": now()}},
        )
        await self.free(record.organization_id, [slot_key(record.id, record.generation)])

    @guarded
    async def would_queue(self, organization_id: str, flow_execution_id: str) -> bool:
        """Return whether an execution that gave its slot back finds none, were it woken now."""
        paused = [SlotState.WAITING.value, SlotState.DEFERRED.value]
        place = {"_id": flow_execution_id, "organization_id": organization_id}
        execution = await self._executions.find_one({**place, "slot": {"$in": paused}}, {"_id": 1})
        if execution is None:
            return False
        document = await self._slots.find_one({"_id": organization_id})
        return document is not None and _room(document) <= 0

    @guarded
    async def queued(self, organization_id: str, up_to: int) -> int:
        """Return how many executions of an organization wait for a slot; counts no further."""
        count: int = await self._executions.count_documents(
            {"organization_id": organization_id, "queued_at": _QUEUED},
            limit=up_to,
            hint=EXECUTIONS_QUEUED,
        )
        return count

    @guarded
    async def held(self, *, after: str, limit: int) -> list[Held]:
        """Return what organizations with a limit hold, by id; those behind an id."""
        cursor = self._slots.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit)
        return [Held(document["_id"], document["held"]) async for document in cursor]

    @guarded
    async def stale(self, held: Held) -> list[str]:
        """Return slots held by what has closed, moved on to another generation, or waits."""
        states = await self._states(held)
        return [
            key
            for key in held.keys
            if (state := states.get(execution_of(key))) is None
            or not state["is_open"]
            or key != slot_key(state["_id"], state["generation"])
            or state.get("slot") == SlotState.WAITING.value
        ]

    @guarded
    async def stranded(self, held: Held) -> list[ExecutionRecord]:
        """Return executions that got a slot and may not know: in line still, or asking for it."""
        ids = [execution_of(key) for key in held.keys]
        untold = [{"queued_at": _QUEUED}, {"asking.0": {"$exists": True}}]
        documents = await self._executions.find(
            {"_id": {"$in": ids}, "$or": untold, "is_open": True}
        ).to_list(length=len(ids))
        known = set(held.keys)
        found = [each for each in documents if slot_key(each["_id"], each["generation"]) in known]
        await self._values.load(found, EXECUTION_VALUES)
        return [execution_record(document) for document in found]

    async def _states(self, held: Held) -> dict[str, Document]:
        ids = [execution_of(key) for key in held.keys]
        cursor = self._executions.find(
            {"_id": {"$in": ids}, "organization_id": held.organization_id},
            {"generation": 1, "is_open": 1, "slot": 1},
        )
        return {document["_id"]: document async for document in cursor}

    @guarded
    async def missing(self, records: Sequence[ExecutionRecord]) -> list[ExecutionRecord]:
        """Return those of these executions that ought to hold a slot, and hold none.

        These run although their organization has a limit: it has one only since they began, or a
        run was reset.
        """
        ids = list({record.organization_id for record in records})
        limits: dict[str, Document] = {}
        if ids:
            cursor = self._slots.find({"_id": {"$in": ids}})
            limits = {document["_id"]: document async for document in cursor}
        return [
            record
            for record in records
            if (document := limits.get(record.organization_id)) is not None
            and _lacks_slot(record, document)
        ]

    @guarded
    async def adopt(self, record: ExecutionRecord) -> None:
        """Count an execution that runs already, whether or not there is room.

        One that was not even started queues up instead; one that waits for people holds nothing.
        """
        place = {"_id": record.id, "generation": record.generation, "is_open": True}
        if record.slot is None and record.started_generation < record.generation:
            await self._executions.update_one(
                {**place, "slot": None, "started_generation": record.started_generation},
                {"$set": queue_fields(SlotState.FRESH, record.created_at)},
            )
            return
        waits = await self._waits_altogether(record)
        state = SlotState.WAITING if waits else SlotState.HELD
        known = {"slot": record.slot.value if record.slot else None}
        marked = await self._executions.update_one({**place, **known}, {"$set": {"slot": state}})
        if marked.matched_count and not waits:
            key = slot_key(record.id, record.generation)
            await self._slots.update_one(
                {"_id": record.organization_id}, {"$addToSet": {"held": key}}
            )

    async def _waits_altogether(self, record: ExecutionRecord) -> bool:
        document = await self._executions.find_one({"_id": record.id}, {"parked": 1})
        own = flow_workflow_id(record.id, record.generation)
        return document is not None and is_whole(own, document)

    @guarded
    async def open_uncounted(self, organization_id: str) -> list[ExecutionRecord]:
        """Return open executions of an organization that began when it had no limit."""
        cursor = self._executions.find(
            {"is_open": True, "organization_id": organization_id, "slot": None}
        ).hint(EXECUTIONS_OPEN)
        documents = await cursor.to_list(length=None)
        await self._values.load(documents, EXECUTION_VALUES)
        return [execution_record(document) for document in documents]

    @guarded
    async def forget_unlimited(self, organization_id: str) -> None:
        """Forget an organization that has no limit any more, once it holds and awaits nothing."""
        wanted = {"organization_id": organization_id, "queued_at": _QUEUED}
        if await self._executions.find_one(wanted, {"_id": 1}) is None:
            await self._slots.delete_one({"_id": organization_id, "limit": None, "held": []})

    async def swap(self, before: Mapping[str, Any], organization_id: str, session: Any) -> bool:
        """Hand the slot of an execution's generation to the next one, in a transaction.

        Args:
            before: The execution's document before its new generation.
        """
        old = slot_key(before["_id"], before["generation"])
        new = slot_key(before["_id"], before["generation"] + 1)
        swapped = await self._slots.update_one(
            {"_id": organization_id, "held": old}, {"$set": {"held.$": new}}, session=session
        )
        return bool(swapped.modified_count)


def slot_key(flow_execution_id: str, generation: int) -> str:
    """Return what a slot is taken under."""
    return f"{flow_execution_id}:{generation}"


def execution_of(key: str) -> str:
    """Return the execution that a slot is taken by."""
    return held_by(key)[0]


def held_by(key: str) -> tuple[str, int]:
    """Return the execution that a slot is taken by, and its generation."""
    execution_id, _, generation = key.partition(":")
    return execution_id, int(generation)


def queue_fields(state: SlotState, since: datetime) -> Document:
    """Return what an execution says while it waits for a slot.

    One that is not started has nothing that the reconciler could look at, so it is not checked.
    """
    fields: Document = {"slot": state.value, "queued_at": since}
    return {**fields, "checked_at": None} if state is SlotState.FRESH else fields


def _room(document: Mapping[str, Any]) -> int:
    if document["limit"] is None:
        return MAX_AT_ONCE
    limit: int = document["limit"]
    return min(MAX_AT_ONCE, limit - len(document["held"]))


def _lacks_slot(record: ExecutionRecord, document: Mapping[str, Any]) -> bool:
    if record.slot is None:
        return document["limit"] is not None
    holds = slot_key(record.id, record.generation) in document["held"]
    return record.slot is SlotState.HELD and not holds
