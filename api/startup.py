"""What must exist before requests can be served well, made as soon as the stores answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from flows.errors import UnavailableError

PAUSE = timedelta(seconds=1)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Preparation:
    """Something to be made once in an outside part, which may not answer yet.

    Attributes:
        part: Name of the outside part, for the log.
        make: Repeatable; raises UnavailableError while the part does not answer.
        is_done: Whether it was made.
    """

    part: str
    make: Callable[[], Awaitable[None]]
    is_done: bool = False

    async def run(self) -> None:
        """Try until it works; say once that we wait, and once that waiting is over."""
        is_waiting = False
        while True:
            try:
                await self.make()
            except UnavailableError as error:
                if not is_waiting:
                    facts = {"part": self.part, "reason": error.message}
                    logger.warning("waiting for a part that does not answer", extra=facts)
                is_waiting = True
                await asyncio.sleep(PAUSE.total_seconds())
                continue
            self.is_done = True
            if is_waiting:
                logger.info("the part that we waited for answers", extra={"part": self.part})
            return
