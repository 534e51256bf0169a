"""Reads a change stream on and on while anybody in this process wants to hear of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from flows.errors import EngineError, StoreUnavailableError
from operations.ending import ended

STORE_PATIENCE = timedelta(seconds=10)
FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=5)

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Following:
    """Opens the stream for the first who wants it, and again whenever the store was away."""

    def __init__(
        self,
        read: Callable[[Callable[[], None]], Awaitable[None]],
        end_all: Callable[[EngineError], None],
    ) -> None:
        """Keep what to do; nothing is opened yet.

        Args:
            read: Reads the stream until it breaks, and calls what it is given once it is open.
            end_all: Lets everybody go, where there is no way to read on.
        """
        self._read = read
        self._end_all = end_all
        self._task: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Event()
        self._pause = FIRST_PAUSE

    @property
    def is_under_way(self) -> bool:
        """Return whether the stream is read, or waited for."""
        return self._task is not None

    def begin(self) -> None:
        """Open the stream; until then ``opened`` waits."""
        self._opened.clear()
        self._task = asyncio.create_task(self._follow())

    async def opened(self) -> None:
        """Return once the stream is open: what happens from now on is read.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        await in_time(self._opened.wait())

    def stop(self) -> None:
        """Read no more; whoever begins again meanwhile gets another stream."""
        if self._task is None:
            return
        ending = asyncio.create_task(ended([self._task]))
        self._stopping.add(ending)
        ending.add_done_callback(self._stopping.discard)
        self._task = None

    async def close(self) -> None:
        """Read no more, and wait until nothing is read."""
        self.stop()
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _follow(self) -> None:
        """Read on and on; a store that is away is waited for."""
        self._pause = FIRST_PAUSE
        while True:
            try:
                await self._read(self._has_opened)
            except StoreUnavailableError:
                logger.warning("events wait for the store")
            except EngineError as error:
                self._end_with(error)
                return
            except Exception:
                logger.exception("events cannot be followed")
                self._end_with(EngineError("events cannot be followed"))
                return
            await asyncio.sleep(self._pause.total_seconds())
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _has_opened(self) -> None:
        self._pause = FIRST_PAUSE
        self._opened.set()

    def _end_with(self, error: EngineError) -> None:
        """Let everybody go; who comes next finds another stream."""
        self._task = None
        self._end_all(error)


async def in_time(answer: Awaitable[T]) -> T:
    """Return what the store's change stream says, if it does so soon.

    Raises:
        StoreUnavailableError: It does not.
    """
    try:
        async with asyncio.timeout(STORE_PATIENCE.total_seconds()):
            return await answer
    except TimeoutError:
        raise StoreUnavailableError("the store does not answer") from None
