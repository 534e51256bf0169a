"""Starting while something that we need is still down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from flows.errors import UnavailableError

T = TypeVar("T")

FIRST_PAUSE = timedelta(milliseconds=250)
LONGEST_PAUSE = timedelta(seconds=5)

logger = logging.getLogger(__name__)


async def once_available(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat an attempt until it no longer raises UnavailableError, saying what is awaited.

    Args:
        what: Name of the thing in log lines, e.g. ``MongoDB``.
        attempt: Gives up within a few seconds by itself.
    """
    pause = FIRST_PAUSE
    tries = 0
    while True:
        try:
            answer = await attempt()
        except UnavailableError as error:
            tries += 1
            logger.warning(
                "waiting for a service",
                extra={"service": what, "tries": tries, "reason": error.message},
            )
        else:
            if tries:
                logger.info("a service answers", extra={"service": what, "tries": tries})
            return answer
        await asyncio.sleep(pause.total_seconds())
        pause = min(pause * 2, LONGEST_PAUSE)
