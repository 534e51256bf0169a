"""Running what a database has not had yet, once, whoever comes first.

Source: docs/decisions/0024-migrations.md.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flows.errors import StartUpError
from store import collections
from store.clock import now
from store.faults import guarded
from store.migrations.catalogue import MIGRATIONS
from store.migrations.lease import LEASE, Lease
from store.migrations.migration import Migration
from store.values import Database

logger = logging.getLogger(__name__)


class Migrations:
    """Brings one database to the schema that this code knows."""

    def __init__(
        self,
        database: Database,
        known: Sequence[Migration] = MIGRATIONS,
        *,
        lease: timedelta = LEASE,
    ) -> None:
        """Borrow a database.

        Args:
            known: In order of their numbers.
            lease: How long a process that died keeps others from going on where it stopped.
        """
        self._database = database
        self._known = known
        self._lease = lease
        self._records: Any = database[collections.MIGRATIONS]

    @guarded
    async def pending(self) -> list[Migration]:
        """Return what the database has not had yet, in order.

        Raises:
            StartUpError: It had a step that this code does not know and cannot live with.
        """
        found = await self._records.find({"_id": {"$type": "number"}}).to_list(length=None)
        numbers = {migration.number for migration in self._known}
        too_new = [
            record
            for record in found
            if record["_id"] not in numbers and not record["keeps_older_processes"]
        ]
        if too_new:
            newest = max(record["_id"] for record in too_new)
            raise StartUpError(
                f"the database is at schema {newest} and this version knows "
                f"{max(numbers, default=0)}: start a newer version"
            )
        had = {record["_id"] for record in found}
        return [migration for migration in self._known if migration.number not in had]

    @guarded
    async def run(self) -> list[Migration]:
        """Run what is pending, one after another, and return what this process ran.

        A step is recorded once it is through: one that was interrupted runs again from the start.

        Raises:
            StartUpError: The database is too new, see ``pending``.
            StoreUnavailableError: MongoDB does not answer, or another process is at it; try again.
        """
        if not await self.pending():
            return []
        done: list[Migration] = []
        async with Lease(self._records, self._lease).held():
            # Somebody may have been faster before we held the lock.
            for migration in await self.pending():
                await self._apply(migration)
                done.append(migration)
        return done

    async def _apply(self, migration: Migration) -> None:
        facts = {"number": migration.number, "migration": migration.name}
        logger.info("migrating the store", extra=facts)
        await migration.apply(self._database)
        record = {
            "name": migration.name,
            "keeps_older_processes": migration.keeps_older_processes,
            "applied_at": now(),
        }
        await self._records.update_one(
            {"_id": migration.number}, {"$setOnInsert": record}, upsert=True
        )
        logger.info("migrated the store", extra=facts)
