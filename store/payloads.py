"""Deletes what Temporal's histories kept in MongoDB, once nobody can ask for it any more.

Source: docs/decisions/0012-payloads-outside-histories.md.
"""

from datetime import timedelta
from typing import Any

from contracts.names import PAYLOADS
from store import collections
from store.clock import now
from store.faults import guarded
from store.indexes import EXECUTIONS_KEEPING_PAYLOADS
from store.values import Database


class PayloadRepository:
    """Finds and deletes payloads by the execution that they belong to; the reconciler's tool."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._payloads: Any = database[PAYLOADS]
        self._executions: Any = database[collections.EXECUTIONS]

    @guarded
    async def delete_expired(self, retention: timedelta, limit: int = 100) -> int:
        """Delete payloads of executions that closed longer ago than the retention.

        Args:
            retention: How long Temporal keeps a closed workflow's history.
            limit: Executions looked at in one call, those that closed first before others.

        Returns:
            How many executions were looked at: fewer than ``limit`` means that none is left.
        """
        before = now() - retention
        cursor = (
            self._executions.find(
                {"keeps_payloads": True, "closed_at": {"$lt": before}}, {"generation": 1}
            )
            .sort("closed_at", 1)
            .limit(limit)
            .hint(EXECUTIONS_KEEPING_PAYLOADS)
        )
        executions = await cursor.to_list(length=limit)
        if executions:
            ids = [execution["_id"] for execution in executions]
            await self._payloads.delete_many(
                {"owner_id": {"$in": ids}, "created_at": {"$lt": before}}
            )
            await self._executions.update_many(
                {"_id": {"$in": ids}, "closed_at": {"$lt": before}},
                {"$set": {"keeps_payloads": False}},
            )
        await self._payloads.delete_many({"owner_id": "", "created_at": {"$lt": before}})
        return len(executions)

    @guarded
    async def delete(self, flow_execution_id: str) -> int:
        """Delete every payload of one execution; return how many documents that were."""
        deleted = await self._payloads.delete_many({"owner_id": flow_execution_id})
        return int(deleted.deleted_count)
