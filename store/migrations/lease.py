"""The right to migrate a database, held by one process at a time and lost with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from pymongo.errors import DuplicateKeyError

from flows.errors import StoreUnavailableError
from store.faults import store_faults

LEASE = timedelta(seconds=30)

_LOCK_ID = "lock"
_MILLISECOND = timedelta(milliseconds=1)
_FREE: dict[str, Any] = {"owner": None, "until": datetime.fromtimestamp(0, UTC)}


class Lease:
    """A lock that expires by the clock of the database, unless its holder renews it."""

    def __init__(self, lock: Any, duration: timedelta = LEASE) -> None:
        """Take the collection that holds the lock's document."""
        self._collection = lock
        self._duration = duration
        self._owner = uuid4().hex

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lock for the time of the block, which is cancelled if the lock is lost.

        Raises:
            StoreUnavailableError: Another process holds it, or it was lost on the way.
        """
        await self._take()
        block = asyncio.current_task()
        assert block is not None  # noqa: S101 - this runs in a task
        renewing = asyncio.create_task(self._renew(block))
        try:
            yield
        except asyncio.CancelledError:
            if renewing.done() and not renewing.cancelled() and block.uncancel() == 0:
                raise StoreUnavailableError("the right to migrate was lost") from None
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            with store_faults():
                await self._collection.update_one(
                    {"_id": _LOCK_ID, "owner": self._owner}, {"$set": _FREE}
                )

    async def _take(self) -> None:
        """Take the lock, if it is free or its holder let it expire."""
        with suppress(DuplicateKeyError):
            await self._collection.update_one(
                {"_id": _LOCK_ID}, {"$setOnInsert": _FREE}, upsert=True
            )
        is_expired = {"$expr": {"$lt": ["$until", "$$NOW"]}}
        taken = await self._collection.update_one({"_id": _LOCK_ID, **is_expired}, [self._stamp()])
        if not taken.matched_count:
            raise StoreUnavailableError("another process migrates the store")

    async def _renew(self, block: "asyncio.Task[Any]") -> None:
        """Push the expiry out, again and again; cancel the block once that fails."""
        while True:
            await asyncio.sleep(self._duration.total_seconds() / 3)
            try:
                kept = await self._collection.update_one(
                    {"_id": _LOCK_ID, "owner": self._owner}, [self._stamp()]
                )
            except Exception:
                block.cancel()
                raise
            if not kept.matched_count:
                block.cancel()
                return

    def _stamp(self) -> dict[str, Any]:
        until = {"$add": ["$$NOW", self._duration // _MILLISECOND]}
        return {"$set": {"owner": self._owner, "until": until}}
