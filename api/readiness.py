"""Whether the outside parts answer, and hold what must exist in them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from flows.errors import StartUpError, UnavailableError
from runtime.waiting import once_available

Probe = Callable[[], Awaitable[bool]]

WATCH_PAUSE = timedelta(milliseconds=250)

logger = logging.getLogger(__name__)


class OutsidePart:
    """MongoDB or Temporal, as this process depends on it.

    What must exist there (indexes, search attributes, a schedule) is made in the background as
    soon as the part answers; the process serves meanwhile.

    Attributes:
        is_down: Known not to answer. Calls are then refused without being tried: each would hold
            one of the driver's few threads until its timeout.
        is_unusable: It answers, but this process cannot work with what it holds.
    """

    def __init__(self, name: str, prepare: Callable[[], Awaitable[None]], probe: Probe) -> None:
        """Describe a part; nothing happens before ``start``.

        Args:
            name: As readers of ``/health/ready`` and of the log see it.
            prepare: Repeated until it succeeds, whatever it raises but StartUpError.
            probe: Answers within a second or so.
        """
        self.name = name
        self._prepare = prepare
        self._probe = probe
        self._preparing: asyncio.Task[None] | None = None
        self._is_prepared = False
        self._watching: asyncio.Task[None] | None = None
        self.is_down = False
        self.is_unusable = False

    def start(self) -> None:
        """Begin to prepare the part."""
        self._preparing = asyncio.create_task(self._prepared())

    async def stop(self) -> None:
        """Give up what goes on in the background."""
        tasks = [task for task in (self._preparing, self._watching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def suspect(self) -> None:
        """Look at the part, because a call failed; a single failure alone proves nothing."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watched())

    async def is_ready(self) -> bool:
        """Return whether the part answers and is prepared; calls are then let through at once."""
        answers = self._is_prepared and await self._probe()
        if answers:
            self.is_down = False
        return answers

    async def _prepared(self) -> None:
        try:
            await once_available(self.name, self._attempted)
        except StartUpError as error:
            self.is_unusable = True
            facts = {"service": self.name, "reason": error.message}
            logger.error("a service cannot be used", extra=facts)
            return
        self._is_prepared = True

    async def _attempted(self) -> None:
        """Prepare the part; what nobody foresaw may have passed by the next attempt."""
        try:
            await self._prepare()
        except (UnavailableError, StartUpError):
            raise
        except Exception as error:
            logger.exception("a service cannot be prepared", extra={"service": self.name})
            raise UnavailableError("it could not be prepared") from error

    async def _watched(self) -> None:
        while not await self._probe():
            if not self.is_down:
                logger.warning("a service does not answer", extra={"service": self.name})
            self.is_down = True
            await asyncio.sleep(WATCH_PAUSE.total_seconds())
        if self.is_down:
            logger.info("a service answers", extra={"service": self.name})
        self.is_down = False
