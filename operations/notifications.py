"""Use case: follow what happens to one flow, from now on or from where one was cut off.

Source: docs/api.md, "Events"; docs/decisions/0043-events-from-change-streams.md.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from flows.errors import (
    InvalidError,
    SlowReaderError,
    TooManyStreamsError,
)
from operations.access import FlowAccess
from operations.caller import Caller
from operations.event_ids import Position
from operations.fan_out import Event, FanOut, Reader
from operations.stream_places import StreamPlaces, stopping
from store.change_feed import ChangeFeed, Mark, OpenStream
from store.flows import FlowRepository
from store.notices import Change, FlowKey, Moment, NoticeKind, notices_of

MAX_CATCHING_UP = 8
"""Readers of one process that read the past at the same time, each through a stream of its own."""

PLACE_PATIENCE = timedelta(seconds=30)
CATCH_UP_PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing happened for a while; all up to this place was delivered."""

    position: Position


class Notifications:
    """Lets callers follow flows that they may see."""

    def __init__(
        self,
        flows: FlowRepository,
        feed: ChangeFeed,
        places: StreamPlaces,
    ) -> None:
        """Borrow everything."""
        self._access = FlowAccess(flows)
        self._feed = feed
        self._fan_out = FanOut(feed)
        self._catching_up = asyncio.Semaphore(MAX_CATCHING_UP)
        self._places = places

    async def ensure_visible(self, caller: Caller, flow_id: str) -> None:
        """Refuse whoever may not follow a flow.

        Raises:
            FlowNotFoundError: No such flow, or not for this caller.
            ForbiddenError: It belongs to another organization.
        """
        await self._access.latest(caller, flow_id)

    @asynccontextmanager
    async def following(
        self, caller: Caller, flow_id: str, *, after: str | None, summaries: bool
    ) -> AsyncIterator["Following"]:
        """Follow a flow.

        Args:
            after: Id of the last event that was received; None begins now.
            summaries: Whether to tell of task outputs with their summaries, too.

        Raises:
            InvalidError: No event has this id.
            FlowNotFoundError: No such flow, or not for this caller.
            ForbiddenError: It belongs to another organization.
            EventsExpiredError: What came after the event is not kept any more.
            TooManyStreamsError: As many follow already as may.
            ServerStoppingError: This process stops.
            StoreUnavailableError: The store does not answer.
        """
        start = None if after is None else Position.of(after)
        await self.ensure_visible(caller, flow_id)
        flow, reader = FlowKey(caller.organization_id, flow_id), Reader()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._places.place(caller.organization_id))
            await stack.enter_async_context(self._fan_out.joined(flow, reader))
            live_from = await self._fan_out.mark()
            past = None
            if start is not None and start.at > live_from:
                raise InvalidError("the last event id is none that an event had")
            if start is not None:
                past = await stack.enter_async_context(self._past(flow, start.at))
            position = start or Position(live_from, 0)
            yield Following(self._fan_out, flow, reader, position, past, summaries)

    def stop(self) -> None:
        """End every stream, and let nobody follow any more."""
        self._places.stop()
        self._fan_out.end_all(stopping())

    async def close(self) -> None:
        """Let go of the store."""
        await self._fan_out.close()

    @asynccontextmanager
    async def _past(self, flow: FlowKey, since: Moment) -> AsyncIterator["Past"]:
        """Open a stream from a moment on; the past has few places."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(PLACE_PATIENCE.total_seconds()):
                    await stack.enter_async_context(self._catching_up)
            except TimeoutError:
                raise TooManyStreamsError("too many read what happened before") from None
            stream = await stack.enter_async_context(self._feed.open(since=since, flow=flow))
            yield Past(stream, stack)


@dataclass(frozen=True, slots=True)
class Past:
    """A stream of one reader's own; the stack closes it, and gives its place back."""

    stream: OpenStream
    stack: AsyncExitStack


class Following:
    """One reader of one flow.

    Attributes:
        position: How far everything was delivered.
    """

    def __init__(
        self,
        fan_out: FanOut,
        flow: FlowKey,
        reader: Reader,
        position: Position,
        past: Past | None,
        summaries: bool,
    ) -> None:
        """Begin at a position; what lies between it and now is read from the past."""
        self._fan_out = fan_out
        self._flow = flow
        self._reader = reader
        self.position = position
        self._past = past
        self._has_summaries = summaries

    async def items(self, pause: timedelta) -> AsyncIterator[Event | Idle]:
        """Yield what happens, in order and once, without an end.

        Args:
            pause: After how long without an event to say so.

        Raises:
            SlowReaderError: The events were not taken as fast as they came.
            EngineError: The reader was let go.
        """
        if self._past is not None:
            async for found in self._caught_up(self._past):
                yield found
            await self._past.stack.aclose()
        while True:
            event = await self._reader.next(pause)
            if event is None:
                self.position = max(self.position, self._fan_out.position(self._flow))
                yield Idle(self.position)
            elif self._advance(event):
                yield event

    async def _caught_up(self, past: Past) -> AsyncIterator[Event | Idle]:
        """Yield the past, up to a moment from which on nothing is missing of what waits."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CATCH_UP_PATIENCE.total_seconds()
        is_behind = True
        while is_behind:
            self._reader.restart()
            live_from = await self._fan_out.mark()
            async for found in self._until(past.stream, live_from):
                yield found
                self._reader.ensure_wanted()
                if loop.time() > deadline:
                    raise SlowReaderError("what happened before was not read in time")
            self.position = max(self.position, Position(live_from, 0))
            is_behind = self._reader.has_overflowed

    async def _until(self, stream: OpenStream, end: Moment) -> AsyncIterator[Event | Idle]:
        """Yield what a stream of this flow holds before a mark."""
        at, count = Moment(0, 0), 0
        while True:
            found = await stream.next()
            if found is None:
                yield Idle(self.position)
                continue
            if isinstance(found, Mark):
                if found.at >= end:
                    return
                continue
            at, count = found.at, count if found.at == at else 0
            for event in _events(found, count):
                count = event.position.count
                if self._advance(event):
                    yield event

    def _advance(self, event: Event) -> bool:
        """Return whether an event is to be delivered, and count it as delivered."""
        if event.position <= self.position:
            return False
        self.position = event.position
        return self._has_summaries or event.notice.kind is not NoticeKind.TASK_OUTPUT_SUMMARY


def _events(change: Change, count: int) -> Iterator[Event]:
    """Yield what a change means, counted on from what the same moment has brought before."""
    for number, notice in enumerate(notices_of(change), count + 1):
        yield Event(notice, Position(change.at, number))
