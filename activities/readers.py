"""Reading what comes from outside, in processes that can be killed."""

import asyncio
import json
import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from activities.turns import Turns
from flows.errors import TaskFailedError

MAX_ANSWER_BYTES = 64 * 1024 * 1024

_ROOT = Path(__file__).parents[1]
# Behind everything else: in front, our modules would hide those of the standard library.
_START = (
    "import sys; sys.path.append(sys.argv[1]); from activities.reading.process import main; main()"
)
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}

Model = TypeVar("Model", bound=BaseModel)


class _Fault(BaseModel):
    type: str
    message: str


class _Head(BaseModel):
    """What every answer may be instead."""

    fault: _Fault | None = None


class Readers:
    """A bounded number of processes that read one document each; organizations take turns."""

    def __init__(self, max_processes: int) -> None:
        """Start nothing yet."""
        self._turns = Turns(max_processes)

    async def read(
        self,
        request: dict[str, JsonValue],
        content: bytes,
        answer: type[Model],
        *,
        owner: str,
        seconds: float,
    ) -> Model:
        """Read a document, in its turn and in time.

        Raises:
            TaskFailedError: As the reading process says, ``BrokenDocument`` if it does not survive
                the document, and ``Timeout``, which is worth a retry.
        """
        try:
            async with asyncio.timeout(seconds), self._turns.turn(owner, patience=seconds):
                text = await _answer(request, content, seconds)
        except TimeoutError:
            raise TaskFailedError(
                f"the document was not read within {seconds:g} s", type="Timeout", retryable=True
            ) from None
        # A large answer takes a while to read: not on the loop, which other tasks share.
        return await asyncio.to_thread(_understood, text, answer)


async def _answer(request: dict[str, JsonValue], content: bytes, seconds: float) -> bytes:
    """Return what a process that never outlives the task says about a document."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-s", "-X", "utf8", "-c", _START),
        *(str(_ROOT), str(math.ceil(seconds) + 1)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    head = json.dumps(request).encode()
    received = bytearray()
    try:
        with suppress(ConnectionError):
            process.stdin.write(len(head).to_bytes(4) + len(content).to_bytes(4) + head + content)
            await process.stdin.drain()
        while part := await process.stdout.read(256 * 1024):
            received += part
            if len(received) > MAX_ANSWER_BYTES:
                raise TaskFailedError("the document holds too much", type="DocumentTooLarge")
        status = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
    if status == -signal.SIGABRT:  # how a library without exceptions says that memory is short
        raise TaskFailedError("reading needs too much memory", type="DocumentTooLarge")
    if status != 0:
        raise TaskFailedError(
            f"the document ended its reader, with exit status {status}", type="BrokenDocument"
        )
    return bytes(received)


def _understood(text: bytes, answer: type[Model]) -> Model:
    """Return an answer as a model."""
    try:
        fault = _Head.model_validate_json(text).fault
        if fault is None:
            return answer.model_validate_json(text)
    except ValidationError:
        raise TaskFailedError("the reader gave no answer", type="BrokenDocument") from None
    raise TaskFailedError(fault.message, type=fault.type)
