"""Whether the outside parts answer, and hold what must exist in them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from runtime.waiting import once_available

Probe = Callable[[], Awaitable[bool]]

logger = logging.getLogger(__name__)


class OutsidePart:
    """MongoDB or Temporal, as this process depends on it.

    What must exist there (indexes, search attributes, a schedule) is made in the background as
    soon as the part answers; the process serves meanwhile.
    """

    def __init__(self, name: str, prepare: Callable[[], Awaitable[None]], probe: Probe) -> None:
        """Describe a part; nothing happens before ``start``.

        Args:
            name: As readers of ``/health/ready`` and of the log see it.
            prepare: Repeatable; raises UnavailableError while the part does not answer.
            probe: Answers within a second or so.
        """
        self.name = name
        self._prepare = prepare
        self._probe = probe
        self._preparing: asyncio.Task[None] | None = None
        self._is_prepared = False

    def start(self) -> None:
        """Begin to prepare the part."""
        self._preparing = asyncio.create_task(self._prepared())

    async def stop(self) -> None:
        """Give up preparing, if it is not done yet."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)

    async def is_ready(self) -> bool:
        """Return whether the part answers and is prepared."""
        return self._is_prepared and await self._probe()

    async def _prepared(self) -> None:
        try:
            await once_available(self.name, self._prepare)
        except Exception:
            logger.exception("a service cannot be prepared", extra={"service": self.name})
            return
        self._is_prepared = True
