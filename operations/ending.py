"""Ending tasks for certain."""

import asyncio
from collections.abc import Iterable

AGAIN_SECONDS = 0.05


async def ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks until they have ended; what they raise is nobody's any more.

    Once is not always enough: before Python 3.12 ``asyncio.wait_for``, which drivers use, forgets a
    cancellation that arrives together with what it waits for.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()
