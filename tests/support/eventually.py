"""Waiting for something to become true, without bare sleeps in tests."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

_POLL_SECONDS = 0.05
# Ends a test that would wait for ever, on a machine that does much else. It is no claim.
PATIENCE_SECONDS = 60.0


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]], deadline: float = ..., *, saying: str = ...
) -> T: ...


@overload
async def eventually(
    condition: Callable[[], T | None], deadline: float = ..., *, saying: str = ...
) -> T: ...


async def eventually(
    condition: Callable[[], Any], deadline: float = PATIENCE_SECONDS, *, saying: str = ""
) -> Any:
    """Poll until the condition is truthy, and return what it gave.

    Args:
        condition: Plain or async; asked every 50 ms, at least once after the deadline.
        deadline: Seconds to wait.
        saying: What is awaited, for the failure's message.

    Raises:
        AssertionError: It was still falsy at the deadline; names its last value.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while True:
        is_last = loop.time() >= end
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if is_last:
            raise AssertionError(f"not within {deadline:g} s: {saying or condition} ({value!r})")
        await asyncio.sleep(_POLL_SECONDS)
