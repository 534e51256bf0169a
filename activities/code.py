"""``python_code``: an author's Python, each run in a process of its own that dies with it."""

import asyncio

from pydantic import JsonValue
from pydantic_monty import (
    AsyncMonty,
    AsyncMontySession,
    CollectString,
    MontyConversionError,
    MontyCrashedError,
    MontyRuntimeError,
    MontySyntaxError,
    ResourceLimits,
)
from temporalio import activity

from activities.json_values import NotJsonError, parse_json
from activities.parameters import parameters_of
from activities.time_limits import allowed_seconds
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.python_code import PYTHON_CODE, PythonCodeParameters

MAX_MEMORY_BYTES = 256 * 1024 * 1024
MAX_OUTPUT_BYTES = 8 * 1024 * 1024
MAX_PRINTED_BYTES = 1024 * 1024

_ENCODE_RESULT = "import json as _json\n_json.dumps(result)"
_SHOWN_TRACEBACK_CHARS = 8_000


def sandbox(max_processes: int) -> AsyncMonty:
    """Return a pool of sandboxes, to be opened with ``async with`` by the worker.

    Args:
        max_processes: How many run at once; further tasks wait for their turn.
    """
    # A process serves one task: nothing that code did can be seen by another task's code.
    return AsyncMonty(min_processes=0, max_processes=max_processes, max_checkouts_per_worker=1)


class CodeActivities:
    """Runs authors' code in sandboxes."""

    def __init__(
        self,
        sandboxes: AsyncMonty,
        *,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        """Borrow an open pool; whoever opened it closes it."""
        self._sandboxes = sandboxes
        self._max_memory_bytes = max_memory_bytes
        self._max_output_bytes = max_output_bytes

    @activity.defn(name=PYTHON_CODE.name)
    async def python_code(self, call: TaskCall) -> JsonValue:
        """Run the code with ``input_data`` and return what it assigned to ``result``.

        Cancelling kills the sandbox's process.

        Raises:
            TaskFailedError: What the code raised, under that exception's name and with the
                author's traceback; ``NoResult``, ``InvalidResult``, ``ResultTooLarge``; and
                ``SandboxCrashed`` when its process died.
        """
        parameters = parameters_of(call, PythonCodeParameters)
        try:
            async with self._sandboxes.checkout(limits=self._limits()) as session:
                result = await _run(session, parameters)
        except MontyCrashedError as error:
            raise _crash(error) from None
        # A large text takes a while to read: not on the loop, which other tasks share.
        return await asyncio.to_thread(self._output, result)

    def _limits(self) -> ResourceLimits:
        """Return what one run may use."""
        seconds = allowed_seconds(PYTHON_CODE.default_timeout)
        return ResourceLimits(
            max_feed_duration_secs=seconds,
            max_total_sleep_secs=seconds,
            max_memory=self._max_memory_bytes,
        )

    def _output(self, text: str) -> JsonValue:
        """Return the value that a JSON text holds, unless it is too large."""
        size = len(text.encode())
        if size > self._max_output_bytes:
            raise TaskFailedError(
                f"result has {size} bytes, more than the {self._max_output_bytes} allowed",
                type="ResultTooLarge",
            )
        try:
            return parse_json(text)
        except NotJsonError as error:
            raise _not_json(str(error)) from None


async def _run(session: AsyncMontySession, parameters: PythonCodeParameters) -> str:
    """Run the code in a fresh session and return its ``result`` as JSON."""
    printed = CollectString(MAX_PRINTED_BYTES)
    try:
        await session.feed_run(
            parameters.code, inputs={"input_data": parameters.input_data}, print_callback=printed
        )
    except (MontyRuntimeError, MontySyntaxError) as error:
        raise _authors_failure(error) from None
    except MontyConversionError as error:
        raise TaskFailedError(
            f"input_data cannot enter the sandbox: {error}", type="InvalidParameters"
        ) from None
    try:
        # Encoded inside: values of other types would cross the border as text that describes them.
        text: str = await session.feed_run(_ENCODE_RESULT, print_callback=printed)
    except MontyRuntimeError as error:
        raise _unreadable(error) from None
    return text


def _unreadable(error: MontyRuntimeError) -> TaskFailedError:
    """Return why there is no result, or none that JSON can hold."""
    match error.exception():
        case NameError():
            return TaskFailedError("the code assigned no `result`", type="NoResult", retryable=True)
        case TypeError() | ValueError() | RecursionError():
            return _not_json(error.display("msg"))
        case _:
            return _authors_failure(error)


def _not_json(why: str) -> TaskFailedError:
    """Return the failure of a result that is not JSON."""
    return TaskFailedError(f"result is not JSON: {why}", type="InvalidResult", retryable=True)


def _authors_failure(error: MontyRuntimeError | MontySyntaxError) -> TaskFailedError:
    """Return what the code raised, as its author would see it on a console."""
    kind = type(error.exception()).__name__
    text = error.display().replace("<python-input-0>", "<code>")
    if len(text) > _SHOWN_TRACEBACK_CHARS:
        half = _SHOWN_TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n  …\n{text[-half:]}"
    return TaskFailedError(
        error.display("type-msg"),
        type=kind,
        retryable=isinstance(error, MontyRuntimeError),
        traceback=text,
    )


def _crash(error: MontyCrashedError) -> TaskFailedError:
    """Return the failure of a sandbox whose process died: killed, out of time or out of memory."""
    if error.timed_out:
        return TaskFailedError("the code did not stop at its time limit", type="TimeoutError")
    return TaskFailedError(f"the sandbox died: {error}", type="SandboxCrashed", retryable=True)
