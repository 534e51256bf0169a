"""One operating-system process that we start, watch and stop."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

_LEASH = Path(__file__).with_name("leash.py")
_KEPT_LOG_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 8 * 1024

STOP_GRACE = timedelta(seconds=20)


class ManagedProcess:
    """A child process with its output in a log file, in a session of its own.

    Its own session keeps the terminal's Ctrl-C away from it: whoever started it decides the order
    in which things stop. If that one dies, the kernel ends the child (on Linux).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
    ) -> None:
        """Remember how to start it; ``command[0]`` is an absolute path."""
        self.name = name
        self.log_path = log_path
        self._command = list(command)
        self._environment = environment
        self._working_directory = working_directory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Return the id of the newest process, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def exit_status(self) -> int | None:
        """Return how the newest process ended (negative: by which signal), None while it runs."""
        return self._process.returncode if self._process else None

    @property
    def is_running(self) -> bool:
        """Return whether a process was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it; its output is appended to the log file, which is rotated above 8 MiB."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate()
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(_LEASH),
                str(os.getpid()),
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=None if self._environment is None else dict(self._environment),
                cwd=self._working_directory,
                start_new_session=True,
            )

    async def wait(self) -> int:
        """Wait until it ends and return its exit status."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def stop(self, grace: timedelta = STOP_GRACE) -> None:
        """Ask it to end, and end it by force after the grace period. Stopping twice is fine."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def log_tail(self) -> str:
        """Return the last few KiB that it wrote."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _rotate(self) -> None:
        """Keep one older log beside the current one."""
        with suppress(FileNotFoundError):
            if self.log_path.stat().st_size > _KEPT_LOG_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".1.log"))
