"""Interactive runs and their turns.

A run is written before it starts, with all that it takes to start it; its turns are written by the
run itself, each before anybody is answered.

Source: docs/decisions/0048-turns-over-temporal.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pydantic import JsonValue
from pymongo.errors import DuplicateKeyError

from contracts.runs import InteractiveRunStart, RecordTurnCall, TurnView
from dialogs.state import RunStatus
from flows.errors import InteractiveRunNotFoundError
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.values import Database, Document, Values, encode

TERMINAL = tuple(status.value for status in RunStatus if status.is_terminal)

_START = ("start",)
_PAIR = ("pair", "hint")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as it is written.

    Attributes:
        input_id: What its first turn was given under; with a key of the caller's, the key.
        is_keyed: Whether the caller chose that key, and so will ask again.
        start: What it takes to start it; None where it was not asked for.
    """

    id: str
    organization_id: str
    workflow_id: str
    version_number: int
    version_name: str | None
    status: RunStatus
    turn_number: int
    input_id: str
    is_keyed: bool
    run_by: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    error: str | None = None
    termination_source: str | None = None
    usage: dict[str, JsonValue] | None = None
    latency: dict[str, JsonValue] | None = None
    ended_by: tuple[str, ...] = ()
    events_told: int = 0
    start: InteractiveRunStart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs of an organization, newest first."""

    workflow_id: str | None = None
    status: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    page: int = 1
    size: int = 100


def new_run_id() -> str:
    """Return the id of a run to come: 24 hexadecimal digits."""
    return str(ObjectId())


class RunRepository:
    """Reads and writes runs and turns."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._runs: Any = database[collections.INTERACTIVE_RUNS]
        self._turns: Any = database[collections.INTERACTIVE_TURNS]
        self._shown: Any = database[collections.RUN_EVENTS]
        self._speech: Any = database[collections.RUN_SPEECH]
        self._values = Values(database)

    @guarded
    async def create(self, record: RunRecord) -> RunRecord:
        """Write a run, or return the one that its key made before."""
        start = None if record.start is None else record.start.model_dump(mode="json")
        document: Document = {
            "_id": ObjectId(record.id),
            "organization_id": record.organization_id,
            "workflow_id": record.workflow_id,
            "version_number": record.version_number,
            "version_name": record.version_name,
            "status": record.status.value,
            "turn_number": record.turn_number,
            "input_id": record.input_id,
            "is_keyed": record.is_keyed,
            "run_by": record.run_by,
            "created_by": record.created_by,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
            "is_open": True,
            "checked_at": record.created_at,
            "start": await self._values.put(record.id, encode(start)),
        }
        try:
            await self._runs.insert_one(document)
        except DuplicateKeyError:
            earlier = await self._runs.find_one(
                {
                    "organization_id": record.organization_id,
                    "workflow_id": record.workflow_id,
                    "input_id": record.input_id,
                    "is_keyed": True,
                },
                hint=indexes.RUNS_BY_KEY,
            )
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
        return _run(document)

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
        wanted: Document = {"organization_id": organization_id}
        if query.workflow_id is not None:
            wanted["workflow_id"] = query.workflow_id
        if query.status is not None:
            wanted["status"] = query.status
        created = {"$gte": query.start, "$lte": query.end}
        created = {name: value for name, value in created.items() if value is not None}
        if created:
            wanted["created_at"] = created
        cursor = (
            self._runs.find(wanted, {"start": 0})
            .sort([("created_at", -1), ("_id", -1)])
            .skip((query.page - 1) * query.size)
            .limit(query.size)
        )
        found = [_run(document) async for document in cursor]
        return found, await self._runs.count_documents(wanted)

    @guarded
    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Delete a run with its turns; False if there was none.

        The run goes last: one that is left half deleted can be deleted again.
        """
        place = {"organization_id": organization_id, "run_id": ObjectId(run_id)}
        if await self._runs.find_one(_one(organization_id, run_id), {"_id": 1}) is None:
            return False
        for events in (self._turns, self._shown, self._speech):
            await events.delete_many(place)
        deleted = await self._runs.delete_one(_one(organization_id, run_id))
        return bool(deleted.deleted_count)

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
        return [_run(document) for document in found]

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
        """Delete all runs of a workflow, with their turns."""
        wanted = {"organization_id": organization_id, "workflow_id": workflow_id}
        cursor = self._runs.find(wanted, {"_id": 1}, hint=indexes.RUNS_BY_WORKFLOW)
        ids = [document["_id"] async for document in cursor]
        of_runs = {"organization_id": organization_id, "run_id": {"$in": ids}}
        for events in (self._turns, self._shown, self._speech):
            await events.delete_many(of_runs)
        await self._runs.delete_many({**wanted, "_id": {"$in": ids}})

    @guarded
    async def record_turn(self, call: RecordTurnCall) -> None:
        """Write a turn, then where the run stands. Repeatable; a run that has ended stays so."""
        turn = call.turn
        changes: Document = {
            "status": turn.status.value,
            "turn_number": turn.turn_number,
            "error": turn.error,
            "termination_source": call.termination_source,
            "usage": call.usage,
            "latency": call.latency,
            "updated_at": call.at,
            "is_open": not turn.status.is_terminal,
        }
        if call.pair is not None:
            event_count = _event_count(call.pair)
            changes["events_told"] = call.first_event + event_count
            document: Document = {
                "organization_id": call.organization_id,
                "run_id": ObjectId(call.run_id),
                "turn_number": turn.turn_number,
                "status": turn.status.value,
                "input_ids": call.input_ids,
                "error": turn.error,
                "hint": await self._values.put(call.run_id, encode(turn.hint)),
                "pair": await self._values.put(call.run_id, encode(call.pair)),
                "at": call.at,
                "first_event": call.first_event,
                "event_count": event_count,
            }
            place = {"run_id": document["run_id"], "turn_number": turn.turn_number}
            await self._turns.update_one(place, {"$set": document}, upsert=True)
        if turn.status.is_terminal:
            changes["ended_by"] = call.input_ids
        await self._runs.update_one(
            {
                **_one(call.organization_id, call.run_id),
                "turn_number": {"$lte": turn.turn_number},
                "status": {"$nin": TERMINAL},
            },
            {"$set": changes},
        )

    @guarded
    async def turn_of(self, organization_id: str, run_id: str, input_id: str) -> TurnView | None:
        """Return the turn that an input led to, with its events; None if none did."""
        document = await self._turns.find_one(
            {"run_id": ObjectId(run_id), "organization_id": organization_id, "input_ids": input_id}
        )
        return None if document is None else await self._view(document)

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
    async def pairs(self, organization_id: str, run_id: str) -> Sequence[JsonValue]:
        """Return what is kept of every turn, in order."""
        cursor = self._turns.find(
            {"run_id": ObjectId(run_id), "organization_id": organization_id}
        ).sort([("turn_number", 1)])
        documents = [document async for document in cursor]
        await self._values.load(documents, _PAIR)
        return [document["pair"] for document in documents]

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
        return _run(document, start)


def _event_count(pair: dict[str, JsonValue]) -> int:
    output = pair["run_output"]
    events = output["events"] if isinstance(output, dict) else None
    return len(events) if isinstance(events, list) else 0


def _one(organization_id: str, run_id: str) -> Document:
    return {"_id": ObjectId(run_id), "organization_id": organization_id}


def _run(document: Document, start: InteractiveRunStart | None = None) -> RunRecord:
    return RunRecord(
        id=str(document["_id"]),
        organization_id=document["organization_id"],
        workflow_id=document["workflow_id"],
        version_number=document["version_number"],
        version_name=document["version_name"],
        status=RunStatus(document["status"]),
        turn_number=document["turn_number"],
        input_id=document["input_id"],
        is_keyed=document["is_keyed"],
        run_by=document["run_by"],
        created_by=document["created_by"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        error=document.get("error"),
        termination_source=document.get("termination_source"),
        usage=document.get("usage"),
        latency=document.get("latency"),
        ended_by=tuple(document.get("ended_by", ())),
        events_told=document.get("events_told", 0),
        start=start,
    )
