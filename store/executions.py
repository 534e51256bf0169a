"""Flow executions: created with their run number, then moved on by generation."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pymongo import ReturnDocument

from flows.errors import ConflictError, FlowExecutionNotFoundError
from store import collections
from store.clock import now, stored
from store.creation import Creation, Idempotency
from store.deletion import DELETED, NOT_DELETED, Deletion
from store.documents import EXECUTION_VALUES, execution_record
from store.execution_lists import list_executions
from store.faults import guarded
from store.generations import Generations, NextGeneration
from store.indexes import EXECUTIONS_OPEN
from store.leftovers import Leftovers
from store.models import (
    ExecutionQuery,
    ExecutionRecord,
    ExecutionStatus,
)
from store.reuse import Reuse
from store.rows import SYSTEM
from store.slot_pauses import SlotPauses
from store.slots import Slots
from store.starts import Start, Starts
from store.status import ACTIVE, sources
from store.values import Database, Document, Values

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class ExecutionRepository:
    """Reads and writes flow executions of one organization at a time.

    Attributes:
        slots: Who of organizations with a limit may run.
        pauses: What becomes of the slots of those that wait altogether.
        reuse: Completes what has nothing to run.
    """

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._database = database
        self._executions: Any = database[collections.EXECUTIONS]
        self._values = Values(database)
        self._leftovers = Leftovers(database)
        self._creation = Creation(database, self._values)
        self._starts = Starts(database, self._values)
        self._task_executions: Any = database[collections.TASK_EXECUTIONS]
        self._deletion = Deletion(database)
        self.slots = Slots(database)
        self._generations = Generations(database, self.slots)
        self.pauses = SlotPauses(database)
        self.reuse = Reuse(database)

    @guarded
    async def create(
        self, record: ExecutionRecord, idempotency: Idempotency | None = None
    ) -> ExecutionRecord:
        """Write a new execution and return it with its run number.

        Args:
            record: Complete but for ``run_number``.
            idempotency: The caller's key and a digest of its request. Within 24 hours the same
                pair returns the execution that the first one made.

        Raises:
            IdempotencyConflictError: The key came with another request before.
            StoreUnavailableError: Not known to be written.
        """
        return await self._creation.create(record, idempotency)

    @guarded
    async def created_under(
        self, organization_id: str, idempotency: Idempotency
    ) -> ExecutionRecord | None:
        """Return the execution that a key led to within 24 hours, if any.

        Raises:
            IdempotencyConflictError: The key came with another request.
        """
        return await self._creation.earlier(organization_id, idempotency)

    @guarded
    async def get(self, organization_id: str, flow_execution_id: str) -> ExecutionRecord:
        """Return an execution that is not deleted.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
        """
        return await self._one(
            {"_id": flow_execution_id, "organization_id": organization_id, "status": NOT_DELETED}
        )

    @guarded
    async def find_any(self, organization_id: str, flow_execution_id: str) -> ExecutionRecord:
        """Return an execution, deleted or not.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization.
        """
        return await self._one({"_id": flow_execution_id, "organization_id": organization_id})

    @guarded
    async def organization_of(self, flow_execution_id: str) -> str | None:
        """Return whose execution this is, so that "foreign" and "absent" can be told apart."""
        document = await self._executions.find_one(
            {"_id": flow_execution_id, "status": NOT_DELETED}, {"organization_id": 1}
        )
        return None if document is None else document["organization_id"]

    @guarded
    async def list(self, organization_id: str, query: ExecutionQuery) -> list[ExecutionRecord]:
        """Return one page of a flow's executions in the order asked for, without deleted ones.

        Raises:
            FlowExecutionNotFoundError: ``start_from_execution_id`` is none of this flow's.
        """
        return await list_executions(self._database, self._values, organization_id, query)

    @guarded
    async def mark_started(
        self,
        organization_id: str,
        flow_execution_id: str,
        generation: int,
        run_id: str | None,
        at: datetime,
        *,
        has_slot: bool = False,
    ) -> bool:
        """Stamp a generation as started, and show its input task as completed. Repeatable.

        Args:
            has_slot: Whether it took a slot before; then it is no longer in line for one.

        Returns:
            Whether the generation is wanted: False if the execution was closed before it started,
            or has a newer generation.
        """
        start = Start(organization_id, flow_execution_id, generation, run_id, stored(at), has_slot)
        return await self._starts.stamp(start)

    @guarded
    async def request_cancel(
        self, organization_id: str, flow_execution_id: str, modified_by: str
    ) -> ExecutionRecord:
        """Note that somebody asked an execution to stop, its open attempts too.

        One that has ended, or is stopping already, stays as it is.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
        """
        at = now()
        requested = ExecutionStatus.CANCEL_REQUESTED.value
        place = {"_id": flow_execution_id, "organization_id": organization_id}
        document = await self._executions.find_one_and_update(
            {**place, "status": {"$in": [status.value for status in ACTIVE]}, "is_open": True},
            {
                "$set": {
                    "status": requested,
                    "cancel_requested_at": at,
                    "updated_at": at,
                    "modified_by": modified_by,
                }
            },
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            return await self._one({**place, "status": NOT_DELETED})
        await self._leftovers.request_cancel(flow_execution_id, document["generation"])
        return await self._record(document)

    @guarded
    async def close_unstarted(
        self,
        organization_id: str,
        flow_execution_id: str,
        generation: int,
        status: ExecutionStatus,
    ) -> bool:
        """Close a generation that was never stamped as started; False if it was, or is closed."""
        await self._leftovers.abandon(flow_execution_id, generation)
        at = now()
        written = await self._executions.update_one(
            {
                "_id": flow_execution_id,
                "organization_id": organization_id,
                "generation": generation,
                "is_open": True,
                "started_generation": {"$lt": generation},
            },
            [
                {
                    "$set": {
                        "status": {"$cond": [{"$eq": ["$status", DELETED]}, DELETED, status.value]},
                        "is_open": False,
                        "closed_at": at,
                        "updated_at": at,
                        "modified_by": SYSTEM,
                        "queued_at": "$$REMOVE",
                    }
                }
            ],
        )
        return bool(written.modified_count)

    @guarded
    async def begin_generation(
        self,
        organization_id: str,
        flow_execution_id: str,
        expected_generation: int,
        mode: Literal["full", "stale"],
        flow_version: int,
        modified_by: str,
        *,
        is_limited: bool = False,
        outdated: Collection[str] = (),
        removed: Collection[str] = (),
    ) -> ExecutionRecord:
        """Record the next generation: open, queued, on the given version of the flow.

        Args:
            is_limited: Whether the organization limits how many run. Then the generation takes over
                the slot of the one before, or else gets in line for one.
            outdated: Tasks whose results come from another definition than that version's.
            removed: Tasks that the version does not have any more; their results are hidden.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
            ConflictError: Somebody else began a generation meanwhile.
        """
        place = {"_id": flow_execution_id, "organization_id": organization_id}
        began = await self._generations.begin(
            organization_id,
            flow_execution_id,
            NextGeneration(
                expected_generation, mode, flow_version, modified_by, is_limited, outdated, removed
            ),
        )
        if not began:
            await self._one({**place, "status": NOT_DELETED})
            raise ConflictError("somebody else re-executed it at the same moment")
        return await self._one(place)

    @guarded
    async def delete(self, organization_id: str, flow_execution_id: str, modified_by: str) -> None:
        """Hide an execution for good; again changes nothing. Its workflow goes on.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization.
        """
        place = {"_id": flow_execution_id, "organization_id": organization_id}
        if not await self._deletion.delete(organization_id, flow_execution_id, modified_by):
            await self._one(place)

    @guarded
    async def set_status(
        self,
        organization_id: str,
        flow_execution_id: str,
        status: ExecutionStatus,
        modified_by: str,
    ) -> ExecutionRecord:
        """Show another status, if it may follow the one shown; a late report changes nothing.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
        """
        place = {"_id": flow_execution_id, "organization_id": organization_id}
        await self._executions.update_one(
            {**place, "status": {"$in": sources(status)}},
            {"$set": {"status": status.value, "updated_at": now(), "modified_by": modified_by}},
        )
        return await self._one({**place, "status": NOT_DELETED})

    @guarded
    async def open_records(self, limit: int) -> Sequence[ExecutionRecord]:
        """Return open executions of all organizations, the one checked longest ago first.

        Not those that wait in line for their first slot: there is nothing to look at yet.

        Stamps them as checked: what is read now comes last in the next round. The reconciler's
        way in; the one list that knows no tenant.
        """
        cursor = (
            self._executions.find({"is_open": True, "checked_at": {"$gt": _BEGINNING}})
            .sort("checked_at", 1)
            .limit(limit)
            .hint(EXECUTIONS_OPEN)
        )
        documents = await cursor.to_list(length=limit)
        if documents:
            ids = [document["_id"] for document in documents]
            await self._executions.update_many(
                {"_id": {"$in": ids}}, {"$set": {"checked_at": now()}}
            )
        await self._values.load(documents, EXECUTION_VALUES)
        return [execution_record(document) for document in documents]

    @guarded
    async def touch(self, organization_id: str, flow_execution_id: str, modified_by: str) -> None:
        """Note that something belonging to an execution changed."""
        await self._executions.update_one(
            {"_id": flow_execution_id, "organization_id": organization_id, "status": NOT_DELETED},
            {"$set": {"updated_at": now(), "modified_by": modified_by}},
        )

    async def _one(self, wanted: dict[str, Any]) -> ExecutionRecord:
        """Return the one execution that matches."""
        document = await self._executions.find_one(wanted)
        if document is None:
            raise FlowExecutionNotFoundError(
                "no such flow execution", flow_execution_id=wanted["_id"]
            )
        return await self._record(document)

    async def _record(self, document: Document) -> ExecutionRecord:
        """Return a document's execution."""
        await self._values.load([document], EXECUTION_VALUES)
        return execution_record(document)
