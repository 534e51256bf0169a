"""Interactive runs and their turns.

A run is written before it starts, with all that it takes to start it; its turns are written by the
run itself, each before anybody is answered.

Source: docs/decisions/0048-turns-over-temporal.md.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pydantic import JsonValue
from pymongo.errors import DuplicateKeyError

from contracts.runs import InteractiveRunStart, TurnView
from dialogs.state import RunStatus
from flows.errors import InteractiveRunNotFoundError, RateLimitedError
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.run_records import (
    GivenTurn,
    RunQuery,
    RunRecord,
    run_document,
    run_of,
    runs_wanted,
)
from store.transactions import in_transaction
from store.values import Database, Document, Values, encode

__all__ = ["GivenTurn", "RunQuery", "RunRecord", "RunRepository", "new_run_id"]

_START = ("start",)
_PAIR = ("pair", "hint")

RETRY_AFTER = timedelta(seconds=5)
"""Runs end when people end them; sooner than that nothing changes."""


def new_run_id() -> str:
    """Return the id of a run to come: 24 hexadecimal digits."""
    return str(ObjectId())


class RunRepository:
    """Reads and writes runs and turns."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client: Any = database.client
        self._workflows: Any = database[collections.WORKFLOWS]
        self._runs: Any = database[collections.INTERACTIVE_RUNS]
        self._turns: Any = database[collections.INTERACTIVE_TURNS]
        self._shown: Any = database[collections.RUN_EVENTS]
        self._speech: Any = database[collections.RUN_SPEECH]
        self._feedback: Any = database[collections.RUN_FEEDBACK]
        self._values = Values(database)

    @guarded
    async def create(self, record: RunRecord, max_open: int | None = None) -> RunRecord:
        """Write a run, or return the one that its key made before.

        Args:
            max_open: How many runs of its workflow may be open at once; None for any number.

        Raises:
            RateLimitedError: As many are open.
        """
        start = None if record.start is None else record.start.model_dump(mode="json")
        document = run_document(record)
        document["start"] = await self._values.put(record.id, encode(start))
        try:
            if max_open is None:
                await self._runs.insert_one(document)
            else:
                await self._insert_within(document, max_open)
        except (DuplicateKeyError, RateLimitedError):
            earlier = await self._of_key(record)
            if earlier is None:
                raise
            return await self._record(earlier)
        return record

    @guarded
    async def get(self, organization_id: str, run_id: str) -> RunRecord:
        """Return a run.

        Raises:
            InteractiveRunNotFoundError: None of this id in the organization.
        """
        document = await self._runs.find_one(_one(organization_id, run_id), {"start": 0})
        if document is None:
            raise InteractiveRunNotFoundError("no such run", run_id=run_id)
        return run_of(document)

    @guarded
    async def with_start(self, organization_id: str, run_id: str) -> RunRecord:
        """Return a run with all that it takes to start it.

        Raises:
            InteractiveRunNotFoundError: None of this id in the organization.
        """
        document = await self._runs.find_one(_one(organization_id, run_id))
        if document is None:
            raise InteractiveRunNotFoundError("no such run", run_id=run_id)
        return await self._record(document)

    @guarded
    async def list(self, organization_id: str, query: RunQuery) -> tuple[list[RunRecord], int]:
        """Return a page of runs, and how many there are."""
        wanted = runs_wanted(organization_id, query)
        cursor = (
            self._runs.find(wanted, {"start": 0})
            .sort([("created_at", -1), ("_id", -1)])
            .skip((query.page - 1) * query.size)
            .limit(query.size)
        )
        found = [run_of(document) async for document in cursor]
        return found, await self._runs.count_documents(wanted)

    @guarded
    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Delete a run with its turns and what was said of it; False if there was none.

        The run goes last: one that is left half deleted can be deleted again.
        """
        place = {"organization_id": organization_id, "run_id": ObjectId(run_id)}
        if await self._runs.find_one(_one(organization_id, run_id), {"_id": 1}) is None:
            return False
        for events in (self._turns, self._shown, self._speech):
            await events.delete_many(place)

        async def remove(session: Any) -> bool:
            await self._feedback.delete_many(place, session=session)
            deleted = await self._runs.delete_one(_one(organization_id, run_id), session=session)
            return bool(deleted.deleted_count)

        return await in_transaction(self._client, remove)

    @guarded
    async def unchecked(self, limit: int) -> Sequence[RunRecord]:
        """Return open runs of all organizations, those looked at longest ago first; marks them."""
        cursor = (
            self._runs.find({"is_open": True}, {"start": 0})
            .sort([("checked_at", 1)])
            .limit(limit)
            .hint(indexes.RUNS_OPEN)
        )
        found = [document async for document in cursor]
        ids = [document["_id"] for document in found]
        await self._runs.update_many({"_id": {"$in": ids}}, {"$set": {"checked_at": now()}})
        return [run_of(document) for document in found]

    @guarded
    async def fail(self, record: RunRecord, source: str, error: str) -> bool:
        """Close a run as failed, unless it moved on since the record was read."""
        changed = await self._runs.update_one(
            {
                **_one(record.organization_id, record.id),
                "is_open": True,
                "turn_number": record.turn_number,
                "status": record.status.value,
            },
            {
                "$set": {
                    "status": RunStatus.FAILED.value,
                    "termination_source": source,
                    "error": error,
                    "is_open": False,
                    "updated_at": now(),
                }
            },
        )
        return bool(changed.modified_count)

    @guarded
    async def open_of_workflow(self, organization_id: str, workflow_id: str) -> Sequence[str]:
        """Return the ids of a workflow's runs that have not ended."""
        wanted = {"organization_id": organization_id, "workflow_id": workflow_id, "is_open": True}
        cursor = self._runs.find(wanted, {"_id": 1}, hint=indexes.RUNS_BY_WORKFLOW)
        return [str(document["_id"]) async for document in cursor]

    @guarded
    async def delete_of_workflow(self, organization_id: str, workflow_id: str) -> None:
        """Delete all runs of a workflow, with their turns and what was said of them."""
        wanted = {"organization_id": organization_id, "workflow_id": workflow_id}
        cursor = self._runs.find(wanted, {"_id": 1}, hint=indexes.RUNS_BY_WORKFLOW)
        ids = [document["_id"] async for document in cursor]
        of_runs = {"organization_id": organization_id, "run_id": {"$in": ids}}
        for events in (self._turns, self._shown, self._speech):
            await events.delete_many(of_runs)
        await self._runs.delete_many({**wanted, "_id": {"$in": ids}})
        of_workflow = {"organization_id": organization_id, "workflow_id": workflow_id}
        await self._feedback.delete_many(of_workflow, hint=indexes.FEEDBACK_BY_WORKFLOW)

    @guarded
    async def turn_of(self, organization_id: str, run_id: str, input_id: str) -> GivenTurn | None:
        """Return the turn that an input led to, with its events; None if none did."""
        document = await self._turns.find_one(
            {"run_id": ObjectId(run_id), "organization_id": organization_id, "input_ids": input_id}
        )
        if document is None:
            return None
        turn = await self._view(document)
        return GivenTurn(turn, document["pair"]["run_input"])

    @guarded
    async def turn(self, organization_id: str, run_id: str, number: int) -> TurnView | None:
        """Return a turn with its events."""
        document = await self._turns.find_one(
            {
                "run_id": ObjectId(run_id),
                "turn_number": number,
                "organization_id": organization_id,
            }
        )
        return None if document is None else await self._view(document)

    @guarded
    async def pairs(self, organization_id: str, run_id: str, limit: int = 0) -> Sequence[JsonValue]:
        """Return what is kept of every turn, or of the first ones, in order."""
        wanted = {"run_id": ObjectId(run_id), "organization_id": organization_id}
        cursor = self._turns.find(wanted).sort([("turn_number", 1)]).limit(limit)
        documents = [document async for document in cursor]
        await self._values.load(documents, _PAIR)
        return [document["pair"] for document in documents]

    @guarded
    async def turn_count(self, organization_id: str, run_id: str) -> int:
        """Return how many turns of a run are kept."""
        wanted = {"run_id": ObjectId(run_id), "organization_id": organization_id}
        count: int = await self._turns.count_documents(wanted, hint=indexes.TURNS_BY_NUMBER)
        return count

    @guarded
    async def rerun_counts(self, organization_id: str, run_id: str) -> Mapping[int, int]:
        """Return how many runs repeat a run, by the index of the turn that they begin with."""
        wanted = {"organization_id": organization_id, "source_run_id": run_id}
        by_turn = {"$group": {"_id": "$source_turn_index", "count": {"$sum": 1}}}
        cursor = self._runs.aggregate([{"$match": wanted}, by_turn], hint=indexes.RUNS_BY_SOURCE)
        return {each["_id"]: each["count"] async for each in cursor}

    async def _insert_within(self, document: Document, max_open: int) -> None:
        """Write a run unless as many are open; those that begin at once go one by one."""
        place = _one(document["organization_id"], document["workflow_id"])
        opened = {
            "organization_id": document["organization_id"],
            "workflow_id": document["workflow_id"],
            "is_open": True,
        }

        async def insert(session: Any) -> None:
            # Changed, so that of two that begin at once one collides, and counts again.
            begun = {"$inc": {"runs_begun": 1}}
            await self._workflows.update_one(place, begun, session=session)
            count = await self._runs.count_documents(
                opened, limit=max_open, hint=indexes.RUNS_BY_WORKFLOW, session=session
            )
            if count >= max_open:
                raise RateLimitedError(
                    "as many runs of this workflow are open as may be",
                    retry_after=RETRY_AFTER,
                    max_concurrent_runs=max_open,
                )
            await self._runs.insert_one(document, session=session)

        await in_transaction(self._client, insert)

    async def _of_key(self, record: RunRecord) -> Document | None:
        if not record.is_keyed:
            return None
        wanted = {
            "organization_id": record.organization_id,
            "workflow_id": record.workflow_id,
            "input_id": record.input_id,
            "is_keyed": True,
        }
        found: Document | None = await self._runs.find_one(wanted, hint=indexes.RUNS_BY_KEY)
        return found

    async def _view(self, document: Document) -> TurnView:
        await self._values.load([document], _PAIR)
        return TurnView(
            turn_number=document["turn_number"],
            status=RunStatus(document["status"]),
            events=document["pair"]["run_output"]["events"],
            error=document["error"],
            hint=document["hint"],
        )

    async def _record(self, document: Document) -> RunRecord:
        await self._values.load([document], _START)
        start = InteractiveRunStart.model_validate(document["start"])
        return run_of(document, start)


def _one(organization_id: str, run_id: str) -> Document:
    return {"_id": ObjectId(run_id), "organization_id": organization_id}
