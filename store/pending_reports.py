"""Reports that may wait a moment for company.

Instant work has no effect that a row must precede, and most of it is settled a few milliseconds
later. So its rows are kept back for a moment: settling writes them together with its own, and what
nobody settles is written when the moment is over. If the process dies before that, the workflow
still knows: settling asks it for what the store lacks.

Source: docs/decisions/0026-reports-that-wait.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from contracts.messages import RunContext
from store.output_index import Shape
from store.rows import RowWrite

LINGER = timedelta(milliseconds=100)

_Key = tuple[str, int]


@dataclass(slots=True)
class Reports:
    """What one generation of an execution has to say.

    Attributes:
        rows: By id, the latest word on each.
        shapes: By task, with the time of the task's first row.
    """

    context: RunContext
    rows: dict[str, RowWrite] = field(default_factory=dict)
    shapes: dict[str, tuple[Shape, datetime]] = field(default_factory=dict)


class PendingReports:
    """Keeps reports back, until they are taken along or have waited long enough."""

    def __init__(self, write: Callable[[Reports], Awaitable[None]]) -> None:
        """Keep the function that writes; it must not raise."""
        self._write = write
        self._waiting: dict[_Key, Reports] = {}
        self._writing: dict[_Key, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, row: RowWrite, shape: Shape, at: datetime) -> None:
        """Have a row written soon, and its task's output beside it.

        Args:
            at: When the task had its first row.
        """
        reports = self._waiting.setdefault(_key(row.context), Reports(row.context))
        reports.rows[row.id] = row
        reports.shapes.setdefault(shape.task_name, (shape, at))
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LINGER.total_seconds(), self._flush)

    async def take(self, context: RunContext) -> Reports:
        """Return what waits, for the caller to write; what is being written is awaited."""
        key = _key(context)
        while under_way := self._writing.get(key):
            await asyncio.wait({under_way})
        return self._waiting.pop(key, None) or Reports(context)

    async def write_now(self, reports: Reports) -> None:
        """Write reports that were taken, and are not to be taken along."""
        await self._write(reports)

    async def drain(self) -> None:
        """Write everything that waits."""
        self._flush()
        await asyncio.gather(*self._writing.values())

    def _flush(self) -> None:
        """Begin to write all that waits; what is still being written keeps its followers back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        for key, reports in waiting.items():
            task = asyncio.ensure_future(self._after(self._writing.get(key), reports))
            self._writing[key] = task
            task.add_done_callback(partial(self._forget, key))

    async def _after(self, earlier: "asyncio.Task[None] | None", reports: Reports) -> None:
        """Write reports behind those that came before."""
        if earlier is not None:
            await asyncio.wait({earlier})
        await self._write(reports)

    def _forget(self, key: _Key, done: "asyncio.Task[None]") -> None:
        """Let go of what is written."""
        if self._writing.get(key) is done:
            del self._writing[key]


def _key(context: RunContext) -> _Key:
    return context.flow_execution_id, context.generation
