"""Completing an execution as it stands: every result still holds, so there is nothing to run.

Source: docs/corrections.md, "Running again what is stale".
"""

from collections.abc import Collection
from typing import Any

from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.models import ExecutionRecord, ExecutionStatus
from store.staleness import NOTHING_OUTDATED, Staleness
from store.transactions import in_transaction
from store.values import Database

CONFIRMABLE = (ExecutionStatus.COMPLETED, ExecutionStatus.EDITED, ExecutionStatus.STALE)
"""Statuses of executions whose last run may have completed."""


class Reuse:
    """Does what a run that reuses everything would have come to, in one transaction."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._executions: Any = database[collections.EXECUTIONS]
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._staleness = Staleness(database)

    @guarded
    async def count(self, organization_id: str, flow_execution_id: str, most: int) -> int:
        """Return how many results an execution shows, as far as that many."""
        wanted = {
            "execution_id": flow_execution_id,
            "organization_id": organization_id,
            "live": True,
        }
        found: int = await self._rows.count_documents(wanted, limit=most, hint=indexes.ROWS_BY_ITEM)
        return found

    @guarded
    async def confirm(
        self,
        organization_id: str,
        record: ExecutionRecord,
        skipped: Collection[str],
        modified_by: str,
    ) -> bool:
        """Show an execution as completed, nothing of it stale, and its edits as taken up.

        Args:
            record: The execution as it was when every result was found to hold.
            skipped: Tasks that a run would have skipped.

        Returns:
            Whether it is done. False, and nothing is written, if the execution has changed
            meanwhile, did not complete, or shows results that a run would have hidden.
        """
        at = now()
        fields = {
            "status": ExecutionStatus.COMPLETED.value,
            "closed_at": at,
            "updated_at": at,
            "modified_by": modified_by,
            **NOTHING_OUTDATED,
        }
        unchanged = {
            "_id": record.id,
            "organization_id": organization_id,
            "generation": record.generation,
            "flow_version": record.flow_version,
            "edit_count": record.edit_count or {"$in": [0, None]},
            "status": {"$in": [status.value for status in CONFIRMABLE]},
            "is_open": False,
            "error": None,
        }

        async def transact(session: Any) -> bool:
            shown = {"execution_id": record.id, "task_name": {"$in": sorted(skipped)}, "live": True}
            if skipped and await self._rows.find_one(shown, {"_id": 1}, session=session):
                return False
            written = await self._executions.update_one(
                unchanged, {"$set": fields}, session=session
            )
            if written.matched_count:
                await self._staleness.confirm_all(record.id, session)
            return bool(written.matched_count)

        return await in_transaction(self._client, transact)
