"""Keeping the gauges of what is open up to date."""

import asyncio
import logging
from datetime import timedelta

from flows.errors import EngineError
from runtime.metrics import Metrics
from store.clock import now
from store.open_executions import OpenExecutions

EVERY = timedelta(seconds=30)

logger = logging.getLogger(__name__)


async def watch_open(
    executions: OpenExecutions, metrics: Metrics, every: timedelta = EVERY
) -> None:
    """Look at what is open, again and again, until cancelled.

    A look that fails leaves the gauges as they were.
    """
    while True:
        try:
            count, oldest = await executions.summary()
        except EngineError as error:
            logger.debug("open executions not counted", extra={"reason": error.message})
        else:
            age = timedelta(0) if oldest is None else now() - oldest
            metrics.open_executions_seen(count, max(age, timedelta(0)))
        await asyncio.sleep(every.total_seconds())
