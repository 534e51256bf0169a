"""How much is open, across organizations."""

from datetime import datetime
from typing import Any

from store import collections
from store.faults import guarded
from store.indexes import EXECUTIONS_OPEN
from store.values import Database

_PATIENCE_MS = 5_000


class OpenExecutions:
    """Counts what has not ended; reads no more than the documents of open executions."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]

    @guarded
    async def summary(self) -> tuple[int, datetime | None]:
        """Return how many executions are open, and when the oldest of them was created.

        Raises:
            StoreUnavailableError: No answer, or not within five seconds.
        """
        wanted = {"$match": {"is_open": True}}
        counted = {"$group": {"_id": None, "count": {"$sum": 1}, "oldest": {"$min": "$created_at"}}}
        cursor = self._executions.aggregate(
            [wanted, counted], hint=EXECUTIONS_OPEN, maxTimeMS=_PATIENCE_MS
        )
        async for document in cursor:
            return document["count"], document["oldest"]
        return 0, None
