"""What a model says, shown to whoever listens while it is being said.

Source: docs/decisions/0051-events-as-they-happen.md.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from contracts.runs import SpokenAt
from flows.errors import EngineError
from store.clock import now
from store.run_events import RunEventRepository, SpeechPiece

PAUSE = timedelta(milliseconds=50)
"""Between two pieces that are shown; what is said meanwhile is shown together."""

LAST_PATIENCE = timedelta(seconds=1)
MAX_PIECES = 2_000
"""Of one attempt; the rest is heard when all of it was said."""

Say = Callable[[str], None]

logger = logging.getLogger(__name__)


class Speech:
    """Shows what models say; nothing depends on it."""

    def __init__(self, events: RunEventRepository) -> None:
        """Borrow the repository."""
        self._events = events

    @asynccontextmanager
    async def shown(self, at: SpokenAt, attempt: int) -> AsyncIterator[Say]:
        """Show what a model says, for as long as the block lasts.

        What is yielded takes each part of the text, in order, as it arrives: it returns at once,
        never raises, and writes in the background, twenty times a second at most. Whoever listens
        to the run gets the parts as ``assistant_response_delta``, before the event with all of the
        text. The end of the block waits until the last part is written, but not for long.

        Args:
            at: From ``RunEvents.place_of``, in the call of the activity.
            attempt: ``activity.info().attempt``: listeners forget what earlier ones said.
        """
        mouth = _Mouth(self._events, at, attempt)
        showing = asyncio.create_task(mouth.show())
        try:
            yield mouth.say
        finally:
            mouth.end()
            await asyncio.wait([showing], timeout=LAST_PATIENCE.total_seconds())
            showing.cancel()
            await asyncio.wait([showing])


class _Mouth:
    """One attempt of one model at saying something."""

    def __init__(self, events: RunEventRepository, at: SpokenAt, attempt: int) -> None:
        self._events = events
        self._at = at
        self._attempt = attempt
        self._waiting: list[str] = []
        self._news = asyncio.Event()
        self._has_ended = False

    def say(self, text: str) -> None:
        if text:
            self._waiting.append(text)
            self._news.set()

    def end(self) -> None:
        self._has_ended = True
        self._news.set()

    async def show(self) -> None:
        """Write what waits, again and again, until the end or the first failure."""
        try:
            for sequence in range(MAX_PIECES):
                await self._news.wait()
                if not self._waiting:
                    return
                text = "".join(self._waiting)
                self._waiting.clear()
                if not self._has_ended:
                    self._news.clear()
                await self._events.say(
                    SpeechPiece(
                        at=self._at,
                        attempt=self._attempt,
                        sequence=sequence,
                        text=text,
                        said_at=now(),
                    )
                )
                await self._rest()
        except EngineError as error:
            logger.info("what a model says is shown when it is said", extra={"why": error.message})
        except Exception:
            logger.exception("what a model says cannot be shown")

    async def _rest(self) -> None:
        """Let a moment pass, unless the end comes."""
        if not self._has_ended:
            await asyncio.sleep(PAUSE.total_seconds())
