"""Run many of something at once, and time it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

Run = Callable[[], Awaitable[None]]


async def runs_per_second(run: Run, *, count: int, at_once: int) -> float:
    """Return how many runs ended per second with a fixed number in flight."""
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            await run()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as lanes:
        for _ in range(at_once):
            lanes.create_task(lane())
    return count / (time.perf_counter() - started)


async def latencies_ms(run: Run, *, count: int) -> list[float]:
    """Return how long each of some runs took, one after the other, in milliseconds."""
    samples = []
    for _ in range(count):
        started = time.perf_counter()
        await run()
        samples.append((time.perf_counter() - started) * 1_000)
    return samples
