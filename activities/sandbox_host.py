"""Runs authors' code, one piece at a time; a script, in a process of its own.

Between the worker and the interpreter stands this process: whatever the code makes the interpreter
answer, however large, is taken in here, cut to size and passed on in frames that the worker can
trust. It dies with the worker, and takes the interpreter along: both are one process group, which
is killed when standard input ends. Imports nothing of ours, because it has to start fast.

A frame is a length in four bytes, then JSON: ``code``, ``input_data``, ``seconds`` and the limits
in bytes; the answer's is one line of JSON, empty or a ``fault``, and behind it the result's own
JSON text.
"""

import ctypes
import json
import math
import os
import re
import resource
import select
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

from pydantic_monty import (
    Monty,
    MontyConversionError,
    MontyCrashedError,
    MontyRuntimeError,
    MontySession,
    MontySyntaxError,
    ResourceLimits,
)

MAX_RECURSION = 1_000
MAX_SUSPENSIONS = 1_000_000

_NICENESS = 10
_HOST_MEMORY_BYTES = 3 * 1024 * 1024 * 1024
_INTERPRETER_ITSELF_BYTES = 512 * 1024 * 1024
_SHOWN_MESSAGE_CHARS = 4_000
_SHOWN_TRACEBACK_CHARS = 8_000
_KIND = re.compile(r"(?:\w{1,60}\.){0,5}([A-Z]\w{0,60})(?::|$)")
_PR_SET_NO_NEW_PRIVS = 38

# Encoded inside: values of other types would cross the border as text that describes them. No
# builtin is called, because the code may use their names for something else.
_ENCODE_RESULT = (
    "import json as _json\n_text = _json.dumps(result)\nNone if _text[{0}:] else _text\n"
)


class Fault(Exception):
    """Why there is no result."""

    def __init__(
        self, kind: str, message: str, *, retryable: bool = True, traceback: str | None = None
    ) -> None:
        """Name the kind, as ``error.type`` will show it."""
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.traceback = traceback


def run(pool: Monty, request: dict[str, Any]) -> str:
    """Return the JSON text of the result that the code assigned."""
    begun = time.monotonic()
    printed = Printed(request["max_printed"])
    limits = ResourceLimits(
        max_feed_duration_secs=request["seconds"],
        max_total_sleep_secs=request["seconds"],
        max_memory=request["max_memory"],
        max_recursion_depth=MAX_RECURSION,
        max_suspensions=MAX_SUSPENSIONS,
    )
    try:
        with pool.checkout(limits=limits) as session:
            confine(session.worker_pid, request)
            printed.interpreter = session.worker_pid
            return _result(session, request, printed)
    except MontyCrashedError as error:
        if printed.is_too_much:
            raise Fault(
                "PrintedTooMuch",
                f"the code printed more than the {printed.most} characters allowed",
                retryable=False,
            ) from None
        is_late = error.timed_out or time.monotonic() - begun >= request["seconds"]
        if is_late:
            raise Fault("TimeoutError", "the code did not stop at its time limit") from None
        raise Fault("SandboxCrashed", f"the sandbox died: {error}"[:500]) from None


class Printed:
    """What code prints, which nobody reads; code that goes on and on is stopped."""

    def __init__(self, most: int) -> None:
        """Allow this many characters."""
        self.most = most
        self.interpreter: int | None = None
        self._printed = 0

    @property
    def is_too_much(self) -> bool:
        """Whether the code was stopped for it."""
        return self._printed > self.most

    def __call__(self, stream: str, text: str) -> None:
        """Count a piece of output."""
        self._printed += len(text)
        # An exception from here would be raised only once the code has ended.
        if self.is_too_much and self.interpreter is not None:
            os.kill(self.interpreter, signal.SIGKILL)


def _result(session: MontySession, request: dict[str, Any], printed: Printed) -> str:
    """Run the code, then encode what it left behind."""
    try:
        # The value of a last expression would be sent here: nothing asks for it.
        session.feed_run(
            request["code"] + "\n\nNone",
            inputs={"input_data": request["input_data"]},
            print_callback=printed,
        )
    except (MontyRuntimeError, MontySyntaxError) as error:
        raise _raised(error) from None
    except MontyConversionError as error:
        raise Fault(
            "InvalidParameters", f"input_data cannot enter the sandbox: {error}", retryable=False
        ) from None
    most = request["max_output"]
    try:
        text = session.feed_run(_ENCODE_RESULT.format(most), print_callback=printed)
    except MontyRuntimeError as error:
        raise _unreadable(error) from None
    if not isinstance(text, str) or len(text) > most:
        raise Fault(
            "ResultTooLarge", f"result has more than the {most} bytes allowed", retryable=False
        )
    return text


def _unreadable(error: MontyRuntimeError) -> Fault:
    """Return why there is no result, or none that JSON can hold."""
    match error.exception():
        case NameError():
            return Fault("NoResult", "the code assigned no `result`")
        case TypeError() | ValueError() | RecursionError():
            message = _cut(error.display("msg"), _SHOWN_MESSAGE_CHARS)
            return Fault("InvalidResult", f"result is not JSON: {message}")
        case _:
            return _raised(error)


def _raised(error: MontyRuntimeError | MontySyntaxError) -> Fault:
    """Return what the code raised, as its author would see it on a console."""
    message = _cut(error.display("type-msg"), _SHOWN_MESSAGE_CHARS)
    # ``re.PatternError: ...`` and the like are shown without their module.
    kind = _KIND.match(message)
    text = error.display().replace("<python-input-0>", "<code>")
    return Fault(
        kind[1] if kind else "Exception",
        message,
        retryable=isinstance(error, MontyRuntimeError),
        traceback=_cut(text, _SHOWN_TRACEBACK_CHARS),
    )


def _cut(text: str, most: int) -> str:
    """Return the beginning and the end of a text that is too long."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}\n  …\n{text[-half:]}"


def confine(pid: int | None, request: dict[str, Any]) -> None:
    """Take from an interpreter that waits for its code what code could misuse."""
    if pid is None or sys.platform != "linux":
        return
    memory = request["max_memory"] + _INTERPRETER_ITSELF_BYTES
    # The interpreter keeps to its own limits; these hold where it fails to. Pipes stay open, but
    # nothing can be opened any more: no file, no socket, no process.
    seconds = math.ceil(request["seconds"]) + 1
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.prlimit(pid, what, (most, most))


def confine_self() -> None:
    """Step behind everything else on this machine, and give up what is not needed."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_HOST_MEMORY_BYTES, _HOST_MEMORY_BYTES))
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Kill this process group once nobody writes to standard input any more."""
    waiting = select.poll()
    waiting.register(sys.stdin.fileno(), 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in waiting.poll()):
        pass
    os.killpg(0, signal.SIGKILL)


def answer(pool: Monty, request: dict[str, Any]) -> bytes:
    """Return the answer's frame, without its length."""
    try:
        return b"{}\n" + run(pool, request).encode()
    except Fault as fault:
        shown = {
            "type": fault.kind,
            "message": str(fault),
            "retryable": fault.retryable,
            "traceback": fault.traceback,
        }
    except MemoryError:
        shown = {"type": "MemoryError", "message": "what the code left behind is too large"}
    return json.dumps({"fault": shown}).encode() + b"\n"


def main() -> None:
    """Answer one frame after the other."""
    confine_self()
    threading.Thread(target=die_with_parent, daemon=True).start()
    requests: BinaryIO = sys.stdin.buffer
    answers: BinaryIO = sys.stdout.buffer
    # An interpreter serves one request: nothing that code did can be seen by other code.
    with Monty(min_processes=0, max_processes=1, max_checkouts_per_worker=1) as pool:
        while head := requests.read(4):
            request = json.loads(requests.read(int.from_bytes(head)))
            body = answer(pool, request)
            answers.write(len(body).to_bytes(4) + body)
            answers.flush()


if __name__ == "__main__":
    main()
