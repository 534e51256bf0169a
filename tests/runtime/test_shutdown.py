import asyncio
import os
import signal

import pytest

from flows.errors import StoreUnavailableError
from runtime.shutdown import run_until_signalled, unless_stopped
from runtime.waiting import once_available


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_an_event_and_the_result_is_kept(number: int) -> None:
    async def main(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await stop.wait()
        return "clean"

    assert run_until_signalled(main) == "clean"


async def test_work_is_given_up_once_told_to_stop() -> None:
    stop = asyncio.Event()
    cancelled = asyncio.Event()

    async def endless() -> bool:
        try:
            stop.set()
            return await asyncio.Event().wait()
        finally:
            cancelled.set()

    assert await unless_stopped(stop, endless()) is None
    assert cancelled.is_set()


async def test_work_that_ends_first_gives_its_result_or_its_error() -> None:
    async def one() -> int:
        return 1

    async def broken() -> None:
        raise ValueError("broken")

    assert await unless_stopped(asyncio.Event(), one()) == 1
    with pytest.raises(ValueError, match="broken"):
        await unless_stopped(asyncio.Event(), broken())


async def test_what_is_down_at_first_is_awaited_and_said(caplog: pytest.LogCaptureFixture) -> None:
    is_up = iter([False, True])

    async def attempt() -> str:
        if not next(is_up):
            raise StoreUnavailableError("no answer")
        return "there"

    caplog.set_level("INFO")
    assert await once_available("MongoDB", attempt) == "there"

    said = [(record.levelname, vars(record)["service"]) for record in caplog.records]
    assert said == [("WARNING", "MongoDB"), ("INFO", "MongoDB")]
