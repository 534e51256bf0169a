"""Work that goes on when whoever asked for it has gone."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from operations.ending import ended

T = TypeVar("T")

LAST_PATIENCE = timedelta(seconds=5)


class Carrying:
    """Carries on with what was begun; its outcome is for whoever still waits."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._tasks: set[asyncio.Task[None]] = set()

    def begun(self, work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """Begin with some work; cancelling what is returned does not cancel the work."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def carry() -> None:
            try:
                result = await work
            except Exception as error:
                if not outcome.done():
                    outcome.set_exception(error)
            else:
                if not outcome.done():
                    outcome.set_result(result)

        task = asyncio.create_task(carry())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return outcome

    async def close(self) -> None:
        """Wait a moment for what was begun, and let go of the rest."""
        tasks = [*self._tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_PATIENCE.total_seconds())
            await ended(tasks)
