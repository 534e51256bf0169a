"""How a worker stops: in order, but not for ever.

The SDK leaves it to the server to end a worker's last polls. A server that hangs, or that misses
one of them, would keep the worker for as long as nobody kills it.
"""

import asyncio
import logging
from datetime import timedelta

from temporalio.worker import Worker

LAST_POLLS = timedelta(seconds=5)
"""How much longer than its grace period a worker waits; less than what supervisors give it."""

logger = logging.getLogger("worker")


async def stopped(worker: Worker, running: asyncio.Task[None], grace: timedelta) -> None:
    """Stop a worker, and leave without what does not end.

    What is left counts as lost: the server hands it to another worker once it is overdue.

    Args:
        running: Its ``run``.
        grace: How long the worker itself lets activities run on.

    Raises:
        Exception: Whatever ended the worker before.
    """
    shutdown = asyncio.create_task(worker.shutdown())
    try:
        await asyncio.wait({running}, timeout=(grace + LAST_POLLS).total_seconds())
        if not running.done():
            logger.warning("leaving without the last answers of Temporal")
            running.cancel()
            await asyncio.wait({running})
        if not running.cancelled():
            running.result()
    finally:
        shutdown.cancel()
