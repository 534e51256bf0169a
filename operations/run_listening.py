"""Use case: listen to one run, from its first event or from where one was cut off.

Source: docs/workflows-api.md, "Streams"; docs/decisions/0051-events-as-they-happen.md.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from contracts.runs import JsonObject
from dialogs.state import RunStatus
from flows.errors import InvalidError
from operations.caller import Caller, Role
from operations.run_fan_out import Ear, RunFanOut
from operations.stream_places import StreamPlaces, stopping
from store.interactive_runs import RunRecord, RunRepository
from store.run_events import RunEventRepository, SpeechPiece
from store.run_feed import RunFeed


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of a run.

    Attributes:
        number: Its place among the events of the run, from 1.
    """

    number: int
    event: JsonObject


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was told for a while."""


class RunListening:
    """Lets callers listen to runs of their organization."""

    def __init__(
        self,
        runs: RunRepository,
        events: RunEventRepository,
        feed: RunFeed,
        places: StreamPlaces,
    ) -> None:
        """Borrow everything."""
        self._runs = runs
        self._events = events
        self._fan_out = RunFanOut(feed)
        self._places = places

    async def visible(self, caller: Caller, run_id: str) -> RunRecord:
        """Return a run that a caller may listen to.

        Raises:
            InteractiveRunNotFoundError: No such run.
            ForbiddenError: The role may not see runs.
        """
        caller.require(Role.PUBLISHER, "see runs")
        return await self._runs.get(caller.organization_id, run_id)

    @asynccontextmanager
    async def listening(
        self, caller: Caller, run_id: str, *, after: int | None = None
    ) -> AsyncIterator["Listening"]:
        """Listen to a run.

        Args:
            after: How many events were received already; None for all that its turns so far told.

        Raises:
            InvalidError: The run has not told so many events.
            InteractiveRunNotFoundError: No such run.
            TooManyStreamsError: As many listen already as may.
            ServerStoppingError: This process stops.
            StoreUnavailableError: The store does not answer.
        """
        record = await self.visible(caller, run_id)
        told = record.events_told if after is None else after
        if told > record.events_told and not await self._has_told(record, told):
            raise InvalidError("the run has not told so many events", events_told=told)
        ear = Ear()
        with self._places.place(caller.organization_id):
            async with self._fan_out.joined(run_id, ear):
                yield Listening(self._runs, self._events, ear, record, told)

    def stop(self) -> None:
        """End every stream, and let nobody listen any more."""
        self._places.stop()
        self._fan_out.end_all(stopping())

    async def close(self) -> None:
        """Let go of the store."""
        await self._fan_out.close()

    async def _has_told(self, record: RunRecord, told: int) -> bool:
        """Return whether a turn that goes on has told an event."""
        return bool(await self._events.after(record.organization_id, record.id, told - 1))


class Listening:
    """One who listens to one run.

    Attributes:
        record: The run, as it was when it was looked at last.
        told: How many of its events were delivered.
        last: The type of the last of them, if any was.
    """

    def __init__(
        self,
        runs: RunRepository,
        events: RunEventRepository,
        ear: Ear,
        record: RunRecord,
        told: int,
    ) -> None:
        """Begin behind an event."""
        self._runs = runs
        self._events = events
        self._ear = ear
        self._heard: dict[str, tuple[int, int]] = {}
        self.record = record
        self.told = told
        self.last: str | None = None

    def wake(self) -> None:
        """Look at once: something is known to be new."""
        self._ear.wake()

    async def items(self, pause: timedelta) -> AsyncIterator[RunEvent | SpeechPiece | Quiet]:
        """Yield what a run tells, in order and once, until it has ended.

        Args:
            pause: After how long without an event to say so.

        Raises:
            InteractiveRunNotFoundError: The run was deleted.
            EngineError: The listener was let go.
        """
        while True:
            if not await self._ear.news(pause):
                yield Quiet()
                self._ear.miss()  # a look now and then costs little, and mends what was missed
            is_to_look, is_to_look_all_over = self._ear.looks()
            if is_to_look:
                self.record = await self._runs.get(self.record.organization_id, self.record.id)
                async for event in self._fresh():
                    yield event
                if self.record.status.is_terminal:
                    return
            if is_to_look_all_over:
                for piece in await self._spoken():
                    if self._is_fresh(piece):
                        yield piece
            for piece in self._ear.heard():
                if self._is_fresh(piece):
                    yield piece

    @property
    def is_over(self) -> bool:
        """Return whether the run had ended, and all its events were delivered."""
        return self.record.status.is_terminal and self.told >= self.record.events_told

    @property
    def has_ended_unsaid(self) -> bool:
        """Return whether the run has failed, and none of its events says so."""
        failed = (RunStatus.FAILED, RunStatus.ABORTED)
        return self.record.status in failed and self.last not in (None, "workflow_error")

    async def _fresh(self) -> AsyncIterator[RunEvent]:
        record = self.record
        while found := await self._events.after(record.organization_id, record.id, self.told):
            for event in found:
                self.told += 1
                self._heard.clear()
                self.last = str(event.get("type"))
                yield RunEvent(self.told, event)

    async def _spoken(self) -> list[SpeechPiece]:
        record = self.record
        return [*await self._events.spoken(record.organization_id, record.id, self.told)]

    def _is_fresh(self, piece: SpeechPiece) -> bool:
        """Return whether something said was not delivered yet, and no event came after it."""
        message_id = piece.at.message_id
        is_behind = piece.order <= self._heard.get(message_id, (0, -1))
        if piece.at.events_told != self.told or is_behind:
            return False
        self._heard[message_id] = piece.order
        return True
