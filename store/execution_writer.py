"""Updates of executions that need no answer: those made at the same time are one bulk write."""

from collections.abc import Sequence
from typing import Any

from pymongo import UpdateOne

from store import collections
from store.group_commit import GroupCommit
from store.values import Database


class ExecutionWriter:
    """Writes updates; each says in its filter when it still counts."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._group: GroupCommit[UpdateOne, None] = GroupCommit(self._flush)

    async def write(self, update: UpdateOne) -> None:
        """Return once the update is acknowledged, whether or not it still counted."""
        await self._group.submit(update)

    async def _flush(self, updates: Sequence[UpdateOne]) -> list[None]:
        """Write in bulk."""
        await self._executions.bulk_write(list(updates), ordered=False)
        return [None] * len(updates)
