"""A ``perdure`` command on a terminal of its own."""

import asyncio
import os
import pty
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.command import COMMAND, REPOSITORY
from tests.support.eventually import eventually

_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
DEADLINE_SECONDS = 30.0


@dataclass(slots=True)
class Terminal:
    """What a command shows and what is typed."""

    process: asyncio.subprocess.Process
    _master: int
    _written: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """Everything shown so far, without colours and cursor movements."""
        return _ESCAPE.sub(b"", bytes(self._written)).decode(errors="replace")

    async def shows(self, part: str) -> None:
        """Wait until it shows something."""
        await eventually(lambda: part in self.text, DEADLINE_SECONDS, saying=f"it shows {part!r}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def types(self, line: str) -> None:
        """Answer a question."""
        os.write(self._master, f"{line}\n".encode())

    async def ends(self) -> int:
        """Wait for its exit status."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def on_a_terminal(*arguments: str, variables: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """Run ``perdure`` with these arguments, its three streams on one terminal."""
    master, slave = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=REPOSITORY,
        env={**clean, "TERM": "xterm", "COLUMNS": "120", **variables},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    terminal = Terminal(process, master)
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            terminal._written += os.read(master, 65_536)
        except OSError:  # the last process on the terminal is gone
            loop.remove_reader(master)

    loop.add_reader(master, read)
    try:
        yield terminal
    finally:
        loop.remove_reader(master)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(master)
