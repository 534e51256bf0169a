"""Saying that an attempt is alive, which is also how a cancellation reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from temporalio import activity

HEARTBEAT_EVERY = timedelta(seconds=3)


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeat until the end of the block; local activities need none."""
    info = activity.info()
    if info.is_local:
        yield
        return
    every = HEARTBEAT_EVERY
    if info.heartbeat_timeout is not None:
        every = min(every, info.heartbeat_timeout / 3)
    beating = asyncio.create_task(_beat(every))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(every: timedelta) -> None:
    """Heartbeat for ever."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(every.total_seconds())
