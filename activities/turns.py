"""Turns for something scarce, shared fairly between those who ask for it."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A bounded number of places; whoever holds many of them lets others go first.

    An owner never holds more than its share, so one that asks without end leaves places for
    others. Those who wait are served owner by owner, and in order of arrival for each.
    """

    def __init__(self, places: int, share: int | None = None) -> None:
        """Bound the places, and how many of them one owner may hold (default: half)."""
        self._free = places
        self._share = share or max(1, places // 2)
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, owner: str, *, patience: float) -> AsyncIterator[None]:
        """Wait for a place, and hold it until the end of the block.

        Args:
            patience: Seconds to wait.

        Raises:
            TimeoutError: No place became free in that time.
        """
        await self._enter(owner, patience)
        try:
            yield
        finally:
            self._leave(owner)

    async def _enter(self, owner: str, patience: float) -> None:
        """Take a place in turn."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(owner, deque())
        queue.append(granted)
        self._grant()
        try:
            async with asyncio.timeout(patience):
                await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self._leave(owner)
            else:
                granted.cancel()
                self._forget(owner, granted)
            raise

    def _leave(self, owner: str) -> None:
        """Give a place back."""
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._grant()

    def _grant(self) -> None:
        """Hand free places to those who may have one, the owner served last coming last."""
        while self._free:
            owner = next((each for each in self._waiting if self._held[each] < self._share), None)
            if owner is None:
                return
            queue = self._waiting.pop(owner)
            granted = queue.popleft()
            if queue:
                self._waiting[owner] = queue
            if not granted.done():
                granted.set_result(None)
                self._free -= 1
                self._held[owner] += 1

    def _forget(self, owner: str, granted: asyncio.Future[None]) -> None:
        """Take one that gave up out of its queue."""
        queue = self._waiting.get(owner)
        if queue is not None and granted in queue:
            queue.remove(granted)
            if not queue:
                del self._waiting[owner]
