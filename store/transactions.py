"""Transactions that give up in time: the driver's own loop tries for two minutes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from pymongo.errors import PyMongoError

from store.faults import is_unavailable

R = TypeVar("R")

PATIENCE = timedelta(seconds=5)
LONGEST_PAUSE_SECONDS = 0.01

_TRANSIENT = "TransientTransactionError"


async def in_transaction(client: Any, body: Callable[[Any], Awaitable[R]]) -> R:
    """Run a body with a session and commit; all of it is written, or nothing.

    What collides with another transaction is tried again for a few seconds; a store that does not
    answer is told at once.

    Args:
        body: May run several times, so it changes nothing but through its session.

    Raises:
        PyMongoError: Not written, or after a broken connection not known to be.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE.total_seconds()
    while True:
        try:
            async with await client.start_session() as session, session.start_transaction():
                return await body(session)
        except PyMongoError as error:
            if not error.has_error_label(_TRANSIENT) or is_unavailable(error):
                raise
            if loop.time() >= deadline:
                raise
        pause = random.uniform(0, LONGEST_PAUSE_SECONDS)  # noqa: S311 - spreads rivals, no secret
        await asyncio.sleep(pause)
