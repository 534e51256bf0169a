"""Keeping several child processes alive until they are told to end."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from flows.errors import StartUpError
from runtime.process import ManagedProcess
from runtime.readiness import describe_exit

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=10)
LONG_ENOUGH = timedelta(seconds=30)


class Part(Protocol):
    """Something that is started, answers, and may die."""

    @property
    def process(self) -> ManagedProcess:
        """Return the process behind it."""

    async def start(self) -> None:
        """Start the process and wait until it answers; StartUpError if it does not."""


class Supervisor:
    """Starts parts stage by stage, starts again what dies, and stops all in reverse order."""

    def __init__(self, stages: Sequence[Sequence[Part]], say: Callable[[str], None]) -> None:
        """Take the parts in starting order, and how to tell people what happens.

        Args:
            stages: Parts of one stage start together, once all of the stage before answer.
            say: Called with one line at a time.
        """
        self._stages = [list(stage) for stage in stages]
        self._parts = [part for stage in stages for part in stage]
        self._say = say
        self._keepers: list[asyncio.Task[None]] = []
        self.on_restart: Callable[[], None] | None = None

    @property
    def process_ids(self) -> dict[str, int]:
        """Return the newest process id of each started part, by its name."""
        return {
            part.process.name: part.process.pid
            for part in self._parts
            if part.process.pid is not None
        }

    async def start(self) -> None:
        """Start every part, and keep them alive from then on.

        Raises:
            StartUpError: A part did not start; the caller then stops the rest.
        """
        for stage in self._stages:
            outcomes = await asyncio.gather(
                *(part.start() for part in stage), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            self._keepers += [asyncio.create_task(self._keep(part)) for part in stage]

    async def stop(self) -> None:
        """Stop every part, the last stage first."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for stage in reversed(self._stages):
            await asyncio.gather(*(part.process.stop() for part in stage))

    async def kill(self) -> None:
        """End every part on the spot; what they acknowledged stays."""
        await asyncio.gather(*(part.process.stop(grace=timedelta(0)) for part in self._parts))

    async def _keep(self, part: Part) -> None:
        """Start a part again whenever it ends, more and more slowly while it keeps ending."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            since = loop.time()
            status = await part.process.wait()
            if loop.time() - since > LONG_ENOUGH.total_seconds():
                pause = FIRST_PAUSE
            self._say(f"{part.process.name} ended {describe_exit(status)}, starting it again")
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._start_again(part)

    async def _start_again(self, part: Part) -> None:
        """Start a part once; a failure is said, and its end makes the keeper try again."""
        try:
            await part.start()
        except StartUpError as error:
            self._say(error.message)
            await part.process.stop()
            return
        self._say(f"{part.process.name} is back, process {part.process.pid}")
        with suppress(OSError):
            if self.on_restart:
                self.on_restart()
