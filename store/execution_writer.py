"""Updates of executions that need no answer: those made at the same time are one bulk write."""

from collections.abc import Sequence
from typing import Any

from pymongo import UpdateOne

from contracts.messages import RunContext
from store import collections
from store.clock import now
from store.fence import Fence
from store.group_commit import GroupCommit
from store.models import ExecutionStatus
from store.rows import SYSTEM
from store.values import Database

_BEFORE_IN_PROGRESS = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)


class ExecutionWriter:
    """Writes updates; each says in its filter when it still counts."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._group: GroupCommit[UpdateOne, None] = GroupCommit(self._flush)

    async def write(self, update: UpdateOne) -> None:
        """Return once the update is acknowledged, whether or not it still counted."""
        await self._group.submit(update)

    async def progress(self, context: RunContext, fence: Fence) -> None:
        """Move an execution that only just runs to ``in_progress``: a task was dispatched."""
        if fence.status not in _BEFORE_IN_PROGRESS:
            return
        await self.write(
            UpdateOne(
                {
                    "_id": context.flow_execution_id,
                    "generation": context.generation,
                    "is_open": True,
                    "status": {"$in": [status.value for status in _BEFORE_IN_PROGRESS]},
                },
                {
                    "$set": {
                        "status": ExecutionStatus.IN_PROGRESS.value,
                        "updated_at": now(),
                        "modified_by": SYSTEM,
                    }
                },
            )
        )

    async def _flush(self, updates: Sequence[UpdateOne]) -> list[None]:
        """Write in bulk."""
        await self._executions.bulk_write(list(updates), ordered=False)
        return [None] * len(updates)
