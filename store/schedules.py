"""Which flows' schedules are not in line with their definitions, and what runs by one.

Every change of a flow that a schedule may depend on raises the flow's ``schedule_rev`` and marks it
as pending, in the write that changes the flow. So a process that dies before it told Temporal
leaves a mark behind.

Source: docs/decisions/0022-schedules-follow-flows.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store import collections, indexes
from store.faults import guarded
from store.models import ExecutionStatus
from store.status import ACTIVE
from store.values import Database, Document

PENDING: Document = {"$set": {"schedules_pending": True}, "$inc": {"schedule_rev": 1}}


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What is known of a flow's schedules.

    Attributes:
        revision: Of the flow, as far as schedules depend on it.
        task_names: Tasks for which Temporal may hold a schedule, or should.
    """

    flow_id: str
    organization_id: str
    latest_version: int
    is_deleted: bool
    revision: int
    task_names: Sequence[str]


@dataclass(frozen=True, slots=True)
class OpenExecution:
    """An execution that has not ended."""

    id: str
    created_at: datetime


class ScheduleRepository:
    """Reads and clears the marks, across organizations: nobody asks, the reconciler does."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._flows: Any = database[collections.FLOWS]
        self._executions: Any = database[collections.EXECUTIONS]

    @guarded
    async def pending(self, limit: int) -> list[str]:
        """Return ids of flows whose schedules may not be in line."""
        found = self._flows.find({"schedules_pending": True}, {"_id": 1})
        return [flow["_id"] async for flow in found.hint(indexes.FLOWS_UNSCHEDULED).limit(limit)]

    @guarded
    async def state(self, flow_id: str) -> ScheduleState | None:
        """Return what a flow's schedules should follow, deleted flows included."""
        flow = await self._flows.find_one({"_id": flow_id})
        if flow is None:
            return None
        return ScheduleState(
            flow_id=flow_id,
            organization_id=flow["organization_id"],
            latest_version=flow["latest_version"],
            is_deleted=flow["deleted"],
            revision=flow.get("schedule_rev", 0),
            task_names=flow.get("schedule_names", []),
        )

    @guarded
    async def mark(self, flow_id: str) -> None:
        """Have a flow's schedules looked at again."""
        await self._flows.update_one({"_id": flow_id}, PENDING)

    @guarded
    async def done(self, state: ScheduleState, kept: Sequence[str]) -> bool:
        """Clear the mark, unless the flow changed since; return whether it did not.

        Args:
            kept: Tasks that have a schedule now.
        """
        cleared = await self._flows.update_one(
            {"_id": state.flow_id, "schedule_rev": state.revision or {"$in": [None, 0]}},
            {"$set": {"schedule_names": list(kept)}, "$unset": {"schedules_pending": ""}},
        )
        return bool(cleared.matched_count)

    @guarded
    async def open_executions(
        self, organization_id: str, flow_id: str, input_task_name: str
    ) -> list[OpenExecution]:
        """Return executions that one input task started and that have not ended."""
        open_statuses = [*ACTIVE, ExecutionStatus.CANCEL_REQUESTED]
        query = {
            "organization_id": organization_id,
            "flow_id": flow_id,
            "status": {"$in": [status.value for status in open_statuses]},
            "input_task_name": input_task_name,
        }
        found = self._executions.find(query, {"created_at": 1}).hint(indexes.EXECUTIONS_BY_CREATED)
        return [OpenExecution(one["_id"], one["created_at"]) async for one in found]
