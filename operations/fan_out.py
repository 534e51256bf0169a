"""One change stream of this process, handed on to everybody who follows a flow here.

It is open only while somebody follows, so whoever writes pays for nothing otherwise.

Source: docs/decisions/0043-events-from-change-streams.md.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from flows.errors import EngineError, SlowReaderError
from operations.event_ids import Position
from operations.following import Following, in_time
from store.change_feed import ChangeFeed, Mark, Token
from store.notices import Change, FlowKey, Moment, Notice, notices_of

MAX_WAITING = 1_000
"""Events that wait for one reader; a notice is about a kilobyte."""


@dataclass(frozen=True, slots=True)
class Event:
    """A notice in its place among the events of its flow."""

    notice: Notice
    position: Position


class Reader:
    """What waits for one who follows a flow."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self._ended: EngineError | None = None
        self._has_overflowed = False

    def offer(self, event: Event) -> None:
        """Add an event; where too many wait already, let go of all of them."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self._has_overflowed = True
        if not self._has_overflowed:
            self._waiting.append(event)
        self._news.set()

    def end(self, reason: EngineError) -> None:
        """Let the reader go, for a reason that it is told."""
        self._ended = self._ended or reason
        self._news.set()

    def restart(self) -> None:
        """Forget what waits, for a reader who gets it in another way."""
        self._waiting.clear()
        self._has_overflowed = False

    @property
    def has_overflowed(self) -> bool:
        """Return whether something is missing since the last restart."""
        return self._has_overflowed

    def ensure_wanted(self) -> None:
        """Raise the reason for which the reader was ended, if it was."""
        if self._ended is not None:
            raise self._ended

    async def next(self, within: timedelta) -> Event | None:
        """Return the next event; None if there was none for a while.

        Raises:
            SlowReaderError: More happened than may wait.
            EngineError: The reader was ended.
        """
        if not self._waiting:
            self._news.clear()
            self._ensure_whole()
            with suppress(TimeoutError):
                async with asyncio.timeout(within.total_seconds()):
                    await self._news.wait()
        self._ensure_whole()
        return self._waiting.popleft() if self._waiting else None

    def _ensure_whole(self) -> None:
        self.ensure_wanted()
        if self._has_overflowed:
            raise SlowReaderError("events were not read as fast as they came")


class FanOut:
    """Follows the store while anybody follows a flow."""

    def __init__(self, feed: ChangeFeed) -> None:
        """Borrow the feed; nothing is opened yet."""
        self._feed = feed
        self._readers: dict[FlowKey, set[Reader]] = {}
        self._marks: dict[str, asyncio.Future[Moment]] = {}
        self._following = Following(self._read, self.end_all)
        self._token: Token | None = None
        self._at = Moment(0, 0)
        self._counts: Counter[FlowKey] = Counter()

    @asynccontextmanager
    async def joined(self, flow: FlowKey, reader: Reader) -> AsyncIterator[None]:
        """Have a reader offered what happens to a flow meanwhile.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        self._readers.setdefault(flow, set()).add(reader)
        try:
            if not self._following.is_under_way:
                self._begin()
            await self._following.opened()
            yield
        finally:
            self._leave(flow, reader)

    async def mark(self) -> Moment:
        """Return a moment that is now; what precedes it has been offered to all readers.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        mark_id = str(uuid4())
        seen = self._marks[mark_id] = asyncio.get_running_loop().create_future()
        try:
            await self._feed.mark(mark_id)
            return await in_time(seen)
        finally:
            del self._marks[mark_id]

    def position(self, flow: FlowKey) -> Position:
        """Return how far the events of a flow have been offered."""
        return Position(self._at, self._counts[flow])

    def end_all(self, reason: EngineError) -> None:
        """Let every reader go."""
        for readers in self._readers.values():
            for reader in readers:
                reader.end(reason)

    async def close(self) -> None:
        """Stop following."""
        await self._following.close()

    def _begin(self) -> None:
        self._token, self._at = None, Moment(0, 0)
        self._counts.clear()
        self._following.begin()

    def _leave(self, flow: FlowKey, reader: Reader) -> None:
        readers = self._readers[flow]
        readers.discard(reader)
        if not readers:
            del self._readers[flow]
        if not self._readers:
            self._following.stop()

    async def _read(self, opened: Callable[[], None]) -> None:
        """Read from where the last stream broke, so that nothing is missed."""
        async with self._feed.open(after=self._token) as stream:
            self._token = stream.token
            opened()
            while True:
                found = await stream.next()
                if found is not None:
                    self._take(found)
                self._token = stream.token
                await asyncio.sleep(0)  # a batch that is here already must not starve others

    def _take(self, found: Change | Mark) -> None:
        """Hand on what a change means."""
        if found.at != self._at:
            self._at = found.at
            self._counts.clear()
        if isinstance(found, Mark):
            seen = self._marks.get(found.id)
            if seen is not None and not seen.done():
                seen.set_result(found.at)
            return
        readers = self._readers.get(found.flow, ())
        if not readers:
            return
        for notice in notices_of(found):
            self._counts[found.flow] += 1
            event = Event(notice, self.position(found.flow))
            for reader in readers:
                reader.offer(event)
