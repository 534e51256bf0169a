"""Giving an execution to another run of its current generation."""

from typing import Any

from store import collections
from store.clock import now
from store.faults import guarded
from store.models import ExecutionStatus, SlotState
from store.rows import NOT_EDITED, SYSTEM
from store.values import Database


class Adoption:
    """Discards what other runs left, and opens the record."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._rows: Any = database[collections.TASK_EXECUTIONS]

    @guarded
    async def adopt(
        self, organization_id: str, flow_execution_id: str, generation: int, run_id: str
    ) -> bool:
        """Make a run the execution's own. Repeatable, and by several workers at once.

        Rows of other runs go for good, since attempts of this one count from 1 again; what a person
        edited or an outside worker reported stays. They go first: a crash in between leaves a run
        that is still not known, whose next write begins again.

        Returns:
            Whether the generation is the current one.

        Raises:
            StoreUnavailableError: Not known to be written.
        """
        place = {
            "_id": flow_execution_id,
            "organization_id": organization_id,
            "generation": generation,
        }
        if await self._executions.find_one(place, {"_id": 1}) is None:
            return False
        await self._rows.delete_many(
            {
                "execution_id": flow_execution_id,
                "organization_id": organization_id,
                "generation": generation,
                "run_id": {"$ne": run_id},
                "edited_status": NOT_EDITED,
                "outside": {"$ne": True},
            }
        )
        at = now()
        opened = {
            "is_open": True,
            "run_id": run_id,
            "closed_at": None,
            "error": None,
            "cancel_requested_at": None,
            "keeps_payloads": True,
            "checked_at": at,
            "updated_at": at,
            "modified_by": SYSTEM,
            "status": {"$cond": [_IS_DELETED, "$status", ExecutionStatus.IN_PROGRESS.value]},
            "asking": "$$REMOVE",
            "queued_at": "$$REMOVE",
            "slot": {"$cond": [_IS_COUNTED, SlotState.HELD.value, "$$REMOVE"]},
        }
        written = await self._executions.update_one(
            {**place, "run_id": {"$ne": run_id}}, [{"$set": opened}]
        )
        return bool(written.matched_count) or await self._is_adopted({**place, "run_id": run_id})

    async def _is_adopted(self, wanted: dict[str, Any]) -> bool:
        """Return whether another worker was faster."""
        return await self._executions.find_one(wanted, {"_id": 1}) is not None


_IS_COUNTED = {"$ne": [{"$type": "$slot"}, "missing"]}
_IS_DELETED = {"$eq": ["$status", ExecutionStatus.DELETED.value]}
