"""Transactions that give up in time: the driver's own loop tries for two minutes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from pymongo.errors import PyMongoError

from flows.errors import StoreUnavailableError
from store.faults import is_unavailable

R = TypeVar("R")

PATIENCE = timedelta(seconds=6)
LONGEST_PAUSE_SECONDS = 0.01

_TRANSIENT = "TransientTransactionError"


async def in_transaction(client: Any, body: Callable[[Any], Awaitable[R]]) -> R:
    """Run a body with a session and commit; all of it is written, or nothing.

    Args:
        body: May run several times, so it changes nothing but through its session.

    Raises:
        StoreUnavailableError: Others kept writing the same, all the time.
        PyMongoError: Not written, or after a broken connection not known to be.
    """

    async def attempt() -> R:
        async with await client.start_session() as session, session.start_transaction():
            return await body(session)

    return await until_alone(attempt)


async def until_alone(attempt: Callable[[], Awaitable[R]]) -> R:
    """Run a whole transaction, again where it collides with another one.

    What collides is tried again for a few seconds: longer than a server set up like the embedded
    one keeps what a killed process had begun. A store that does not answer is told at once.

    Raises:
        StoreUnavailableError: Others kept writing the same, all the time.
        PyMongoError: Not written, or after a broken connection not known to be.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE.total_seconds()
    while True:
        try:
            return await attempt()
        except PyMongoError as error:
            if not error.has_error_label(_TRANSIENT) or is_unavailable(error):
                raise
            if loop.time() >= deadline:
                raise StoreUnavailableError("too many write the same at once") from error
        pause = random.uniform(0, LONGEST_PAUSE_SECONDS)  # noqa: S311 - spreads rivals, no secret
        await asyncio.sleep(pause)
