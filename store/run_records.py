"""A run as it is written, and which runs are asked for."""

import re
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pydantic import JsonValue

from contracts.runs import InteractiveRunStart, TurnView
from dialogs.state import RunStatus
from store.values import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as it is written.

    Attributes:
        input_id: What its first turn was given under; with a key of the caller's, the key.
        is_keyed: Whether the caller chose that key, and so will ask again.
        source_run_id: The run that it repeats, from the turn of the index on; None for most.
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
    source_run_id: str | None = None
    source_turn_index: int | None = None
    start: InteractiveRunStart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs of an organization, newest first.

    Attributes:
        search: The id of a run, or a part of who began it, of its version's name or of its error.
        source_turn_index: Counts only beside a source.
    """

    workflow_id: str | None = None
    status: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    search: str | None = None
    source_run_id: str | None = None
    source_turn_index: int | None = None
    page: int = 1
    size: int = 100


@dataclass(frozen=True, slots=True)
class GivenTurn:
    """A turn, and what it was given."""

    turn: TurnView
    run_input: JsonValue


def run_document(record: RunRecord) -> Document:
    """Return what is written of a run that begins, but for its start message."""
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
    }
    if record.source_run_id is not None:
        document["source_run_id"] = record.source_run_id
        document["source_turn_index"] = record.source_turn_index
    return document


def runs_wanted(organization_id: str, query: RunQuery) -> Document:
    """Return which documents a query means."""
    wanted: Document = {"organization_id": organization_id}
    if query.workflow_id is not None:
        wanted["workflow_id"] = query.workflow_id
    if query.status is not None:
        wanted["status"] = query.status
    created = {"$gte": query.start, "$lte": query.end}
    created = {name: value for name, value in created.items() if value is not None}
    if created:
        wanted["created_at"] = created
    if query.source_run_id is not None:
        wanted["source_run_id"] = query.source_run_id
        if query.source_turn_index is not None:
            wanted["source_turn_index"] = query.source_turn_index
    if query.search:
        part = {"$regex": re.escape(query.search), "$options": "i"}
        places: list[Document] = [{name: part} for name in ("run_by", "version_name", "error")]
        if ObjectId.is_valid(query.search):
            places.append({"_id": ObjectId(query.search)})
        wanted["$or"] = places
    return wanted


def run_of(document: Document, start: InteractiveRunStart | None = None) -> RunRecord:
    """Return a run as it was written."""
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
        source_run_id=document.get("source_run_id"),
        source_turn_index=document.get("source_turn_index"),
        events_told=document.get("events_told", 0),
        start=start,
    )
