"""The worker's side of the sandbox: processes that run authors' code, and die with their task.

Source: docs/security.md, "The sandbox"; decision 0017.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, JsonValue, ValidationError

from activities import sandbox_host
from activities.turns import Turns

_SCRIPT = Path(sandbox_host.__file__)
_RUNS_PER_HOST = 200
_FAULT_BYTES = 256 * 1024
# Nothing of the worker's environment; the two bound what the host's libraries take for themselves.
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "TOKIO_WORKER_THREADS": "2"}


class SandboxFault(BaseModel):
    """Why code has no result; ``type`` is what ``error.type`` will show."""

    type: str
    message: str
    retryable: bool = True
    traceback: str | None = None


class SandboxFailedError(Exception):
    """The code ended without a result."""

    def __init__(self, fault: SandboxFault) -> None:
        """Keep the fault."""
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRun:
    """One piece of code to run, and what it may use.

    Attributes:
        max_printed: Bytes; nobody reads them.
    """

    code: str
    input_data: JsonValue
    seconds: float
    max_memory: int
    max_output: int
    max_printed: int


class _Head(BaseModel):
    """The first line of an answer."""

    fault: SandboxFault | None = None


class Sandbox:
    """Processes in which code runs, a bounded number at once; close it with ``async with``."""

    def __init__(self, max_processes: int, *, script: Path = _SCRIPT) -> None:
        """Start nothing yet.

        Args:
            max_processes: How many pieces of code run at once, of one organization half as many;
                others wait for their turn.
            script: What runs in those processes, and answers as ``sandbox_host`` does.
        """
        self.turns = Turns(max_processes)
        self._script = script
        self._idle: list[_Host] = []

    async def __aenter__(self) -> Self:
        """Do nothing: processes start when there is work."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes that wait for work."""
        while self._idle:
            await self._idle.pop().kill()

    async def run(self, code: CodeRun) -> str:
        """Return the JSON text of the result; the caller holds a turn.

        Raises:
            SandboxFailedError: There is none.
            TimeoutError: It did not end; nothing of it is left.
        """
        host = self._waiting_host() or await _Host.started(self._script)
        try:
            # The interpreter's own limits come first; this one is for when they do not hold.
            async with asyncio.timeout(code.seconds + min(code.seconds / 20, 1.0)):
                return await host.run(code)
        finally:
            if host.is_spent:
                await asyncio.shield(host.kill())
            else:
                self._idle.append(host)

    def _waiting_host(self) -> "_Host | None":
        """Return a process that waits for work and is alive, if there is one."""
        while self._idle:
            host = self._idle.pop()
            if not host.is_spent:
                return host
        return None


class _Host:
    """One process that runs one piece of code after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._runs = 0
        self._is_running = False

    @classmethod
    async def started(cls, script: Path) -> Self:
        """Start a process that shares nothing with this one but two pipes."""
        # By path and with -P, as the interpreter's own folder alone holds what it imports. A
        # session, and so a group, of its own: killed as one.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-B", "-X", "utf8", str(script)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        return cls(process)

    @property
    def is_spent(self) -> bool:
        """Whether it has died, fallen silent, or done enough."""
        has_ended = self._process.returncode is not None
        return has_ended or self._is_running or self._runs >= _RUNS_PER_HOST

    async def run(self, code: CodeRun) -> str:
        """Return the JSON text of the result."""
        self._runs += 1
        self._is_running = True
        request, answers = self._process.stdin, self._process.stdout
        assert request is not None  # noqa: S101 - both are pipes
        assert answers is not None  # noqa: S101
        # A large input takes a while to write: not on the loop, which other tasks share.
        body = await asyncio.to_thread(lambda: json.dumps(asdict(code)).encode())
        try:
            request.write(len(body).to_bytes(4) + body)
            await request.drain()
            size = int.from_bytes(await answers.readexactly(4))
            if size > code.max_output + _FAULT_BYTES:
                raise _died(f"it announced an answer of {size} bytes")
            head, _, text = (await answers.readexactly(size)).partition(b"\n")
            fault = _Head.model_validate_json(head).fault
        except (asyncio.IncompleteReadError, ConnectionError, ValidationError):
            raise _died("its process ended") from None
        self._is_running = False
        if fault is not None:
            raise SandboxFailedError(fault)
        return text.decode()

    async def kill(self) -> None:
        """End the process and the interpreter that it started."""
        # An interpreter may outlive the leader of its group, which keeps the group's id in use.
        if self._is_running or self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _died(why: str) -> SandboxFailedError:
    """Return the failure of code whose process is gone."""
    return SandboxFailedError(
        SandboxFault(type="SandboxCrashed", message=f"the sandbox died: {why}")
    )
