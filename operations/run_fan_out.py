"""One change stream of this process that wakes everybody who listens to a run here.

It is open only while somebody listens, so whoever writes pays for nothing otherwise.

Source: docs/decisions/0051-events-as-they-happen.md.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from flows.errors import EngineError
from operations.following import Following
from store.run_events import SpeechPiece
from store.run_feed import RunFeed

MAX_PIECES = 1_000
"""Pieces of speech that wait for one listener; beyond them all of it is read from the store."""


class Ear:
    """What one who listens to a run is told of it, until they take it."""

    def __init__(self) -> None:
        """Begin with a look at what there is."""
        self._pieces: deque[SpeechPiece] = deque()
        self._is_to_look = self._is_to_look_all_over = True
        self._news = asyncio.Event()
        self._ended: EngineError | None = None

    def wake(self) -> None:
        """Say that there is something to read."""
        self._is_to_look = True
        self._news.set()

    def hear(self, piece: SpeechPiece) -> None:
        """Add something that a model said."""
        if len(self._pieces) >= MAX_PIECES:
            self.miss()
        else:
            self._pieces.append(piece)
            self._news.set()

    def miss(self) -> None:
        """Say that something may have been missed: everything is to be read."""
        self._pieces.clear()
        self._is_to_look_all_over = True
        self.wake()

    def end(self, reason: EngineError) -> None:
        """Let the listener go, for a reason that it is told."""
        self._ended = self._ended or reason
        self._news.set()

    def looks(self) -> tuple[bool, bool]:
        """Return whether there is something to read, and whether speech is part of it."""
        looks = self._is_to_look, self._is_to_look_all_over
        self._is_to_look = self._is_to_look_all_over = False
        return looks

    def heard(self) -> Iterator[SpeechPiece]:
        """Yield what was said meanwhile."""
        while self._pieces:
            yield self._pieces.popleft()

    async def news(self, within: timedelta) -> bool:
        """Return whether there is something new, at the latest after a while.

        Raises:
            EngineError: The listener was let go.
        """
        if not (self._pieces or self._is_to_look or self._ended):
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(within.total_seconds()):
                    await self._news.wait()
        if self._ended is not None:
            raise self._ended
        return bool(self._pieces) or self._is_to_look


class RunFanOut:
    """Follows the store while anybody listens to a run."""

    def __init__(self, feed: RunFeed) -> None:
        """Borrow the feed; nothing is opened yet."""
        self._feed = feed
        self._ears: dict[str, set[Ear]] = {}
        self._following = Following(self._read, self.end_all)

    @asynccontextmanager
    async def joined(self, run_id: str, ear: Ear) -> AsyncIterator[None]:
        """Have somebody told of a run meanwhile.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        self._ears.setdefault(run_id, set()).add(ear)
        try:
            if not self._following.is_under_way:
                self._following.begin()
            await self._following.opened()
            yield
        finally:
            self._leave(run_id, ear)

    def end_all(self, reason: EngineError) -> None:
        """Let every listener go."""
        for ear in self._all():
            ear.end(reason)

    async def close(self) -> None:
        """Stop following."""
        await self._following.close()

    def _all(self) -> list[Ear]:
        return [ear for ears in self._ears.values() for ear in ears]

    def _leave(self, run_id: str, ear: Ear) -> None:
        ears = self._ears[run_id]
        ears.discard(ear)
        if not ears:
            del self._ears[run_id]
        if not self._ears:
            self._following.stop()

    async def _read(self, opened: Callable[[], None]) -> None:
        """Read from now on; whatever came before is for everybody to look up."""
        async with self._feed.open() as stream:
            opened()
            for ear in self._all():
                ear.miss()
            while True:
                heard = await stream.next()
                if heard is not None:
                    self._tell(heard.run_id, heard.piece)
                await asyncio.sleep(0)  # a batch that is here already must not starve others

    def _tell(self, run_id: str, piece: SpeechPiece | None) -> None:
        for ear in self._ears.get(run_id, ()):
            if piece is None:
                ear.wake()
            else:
                ear.hear(piece)
