"""How a process of ours ends: signals become an event, and the interpreter leaves quietly."""

import asyncio
import gc
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

import uvloop

from runtime.heap import unsettle_heap

T = TypeVar("T")

_SETTLING_SECONDS = 0.2


def run_until_signalled(main: Callable[[asyncio.Event], Coroutine[None, None, T]]) -> T:
    """Run a coroutine that ends soon after the event it is given is set, by SIGINT or SIGTERM.

    Returns:
        What the coroutine returns, once the loop is closed and native threads have let go.
    """

    async def supervised() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await main(stop)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(supervised())
    finally:
        settle_interpreter()


def settle_interpreter() -> None:
    """Let native threads of the Temporal SDK let go of Python objects before the interpreter ends.

    Without it about one short process in ten aborts at exit, after correct work.
    """
    unsettle_heap()
    gc.collect()
    time.sleep(_SETTLING_SECONDS)


async def unless_stopped(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    """Await work, but give it up as soon as the event is set; None then."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return None
    finally:
        for pending in (task, stopped):
            pending.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
