"""Concurrent writes of one process share one round of bulk writes.

The first write of an idle process goes out at once; whatever arrives while it is under way leaves
together afterwards. A caller is released only when the write it asked for is acknowledged.

Source: docs/decisions/0008-group-commit-and-fencing.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")

MAX_BATCH = 500


class GroupCommit(Generic[W, R]):
    """Collects writes, and hands them in batches to one function.

    The function answers every write of its batch, in order, with a result or with an exception that
    concerns this write alone; an exception that it raises reaches every caller of the batch.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[W]], Awaitable[Sequence[R | Exception]]],
        *,
        max_batch: int = MAX_BATCH,
    ) -> None:
        """Keep the function; nothing runs until the first write."""
        self._flush = flush
        self._max_batch = max_batch
        self._waiting: list[tuple[W, asyncio.Future[R]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def submit(self, write: W) -> R:
        """Have one write done, and return its result.

        A caller that is cancelled leaves its write behind: it is done all the same.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        """Flush until nothing waits."""
        while self._waiting:
            batch = self._waiting[: self._max_batch]
            del self._waiting[: self._max_batch]
            await self._commit(batch)

    async def _commit(self, batch: list[tuple[W, asyncio.Future[R]]]) -> None:
        """Flush one batch and release its callers; never raises, or later writes would starve."""
        try:
            results = await self._flush([write for write, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError("a flush must answer each write of its batch")
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # the callers get it, each its own
            _release(batch, [error] * len(batch))
        else:
            _release(batch, results)


def _release(batch: list[tuple[W, "asyncio.Future[R]"]], results: Sequence[R | Exception]) -> None:
    """Answer every caller that still waits."""
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
