"""Flows whose finished executions are to follow a new version, and which of them come next.

The mark is written with the version. It holds how far the work has come, so whoever dies at it
leaves the rest to the next round.

Source: docs/decisions/0032-executions-that-follow-their-flow.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store import collections, indexes
from store.documents import EXECUTION_VALUES, execution_record
from store.faults import guarded
from store.models import ExecutionRecord, ExecutionStatus
from store.values import Database, Document, Values

FINISHED = (
    ExecutionStatus.COMPLETED,
    ExecutionStatus.FAILED,
    ExecutionStatus.EDITED,
    ExecutionStatus.STALE,
)


@dataclass(frozen=True, slots=True)
class Rerun:
    """That executions of a flow are to run again on a version.

    Attributes:
        asked_at: When the version was stored; what ended later is not meant.
        after: When the last execution that was looked at ended, and its id.
        modified_by: Who stored the version.
    """

    flow_id: str
    organization_id: str
    version: int
    asked_at: datetime
    after: tuple[datetime, str] | None
    modified_by: str


def rerun_mark(version: int, at: datetime, modified_by: str) -> Document:
    """Return what a flow is marked with when a version is stored that executions follow."""
    mark = {"version": version, "asked_at": at, "modified_by": modified_by}
    return {"rerun": {**mark, "after_at": None, "after_id": ""}}


class RerunRepository:
    """Reads and moves the marks, across organizations: nobody asks, the reconciler does."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._flows: Any = database[collections.FLOWS]
        self._executions: Any = database[collections.EXECUTIONS]
        self._values = Values(database)

    @guarded
    async def pending(self, limit: int) -> Sequence[Rerun]:
        """Return marked flows that are not deleted, the one marked first."""
        cursor = (
            self._flows.find(
                {"rerun.version": {"$gt": 0}, "deleted": False}, {"organization_id": 1, "rerun": 1}
            )
            .sort("rerun.asked_at", 1)
            .limit(limit)
            .hint(indexes.FLOWS_RERUN)
        )
        return [_rerun(flow) async for flow in cursor]

    @guarded
    async def executions(self, rerun: Rerun, limit: int) -> Sequence[ExecutionRecord]:
        """Return the executions that come next: finished, on an earlier version, as they ended."""
        ended: Document = {"$lte": rerun.asked_at}
        wanted: Document = {
            "organization_id": rerun.organization_id,
            "flow_id": rerun.flow_id,
            "is_open": False,
            "deleted_at": None,
            "closed_at": ended,
            "flow_version": {"$lt": rerun.version},
            "status": {"$in": [status.value for status in FINISHED]},
        }
        if rerun.after is not None:
            at, last = rerun.after
            ended["$gte"] = at
            wanted["$or"] = [{"closed_at": {"$gt": at}}, {"_id": {"$gt": last}}]
        cursor = (
            self._executions.find(wanted)
            .sort([("closed_at", 1), ("_id", 1)])
            .limit(limit)
            .hint(indexes.EXECUTIONS_CLOSED)
        )
        documents = await cursor.to_list(length=limit)
        await self._values.load(documents, EXECUTION_VALUES)
        return [execution_record(document) for document in documents]

    @guarded
    async def passed(self, rerun: Rerun, record: ExecutionRecord) -> None:
        """Note that an execution has been seen to, unless the flow has a newer mark."""
        await self._flows.update_one(
            {"_id": rerun.flow_id, "rerun.version": rerun.version},
            {"$set": {"rerun.after_at": record.closed_at, "rerun.after_id": record.id}},
        )

    @guarded
    async def done(self, rerun: Rerun) -> None:
        """Take the mark away, unless the flow has a newer one."""
        await self._flows.update_one(
            {"_id": rerun.flow_id, "rerun.version": rerun.version}, {"$unset": {"rerun": ""}}
        )


def _rerun(flow: Document) -> Rerun:
    """Return what a flow is marked with."""
    mark = flow["rerun"]
    after = mark["after_at"]
    return Rerun(
        flow_id=flow["_id"],
        organization_id=flow["organization_id"],
        version=mark["version"],
        asked_at=mark["asked_at"],
        after=None if after is None else (after, mark["after_id"]),
        modified_by=mark["modified_by"],
    )
