"""Coroutines under way, and waiting for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")


class Crew:
    """The coroutines that a scheduler has begun and that have not ended.

    A coroutine handles its own failures: one that escapes is raised by ``changed``.
    """

    def __init__(self) -> None:
        """Start with nobody under way."""
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._changed = asyncio.Event()
        self._escaped: BaseException | None = None

    def __len__(self) -> int:
        """Return how many are under way."""
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine run; ``changed`` returns once it ended."""
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def poke(self) -> None:
        """Let ``changed`` return although none has ended: one of them stands otherwise now."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait until at least one has ended, or poked, since the last call."""
        await self._changed.wait()
        self._changed.clear()
        if self._escaped is not None:
            raise self._escaped

    async def dismiss(self) -> None:
        """Cancel all that are under way and wait until they have ended."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await workflow.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forget a coroutine; keep what escaped it."""
        del self._tasks[task]
        if not task.cancelled() and task.exception() is not None:
            self._escaped = self._escaped or task.exception()
        self._changed.set()


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Run work to its end, even if the workflow is cancelled meanwhile."""
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await workflow.wait([task])
        except asyncio.CancelledError:
            continue
    return task.result()
