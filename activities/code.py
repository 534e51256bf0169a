"""``python_code``: an author's Python, each run in a process of its own that dies with it."""

import asyncio

from pydantic import JsonValue
from temporalio import activity

from activities.json_values import NotJsonError, parse_json
from activities.parameters import parameters_of
from activities.sandbox import CodeRun, Sandbox, SandboxFailedError
from activities.time_limits import allowed_seconds
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.python_code import PYTHON_CODE, PythonCodeParameters

MAX_MEMORY_BYTES = 256 * 1024 * 1024
MAX_OUTPUT_BYTES = 8 * 1024 * 1024
MAX_PRINTED_BYTES = 1024 * 1024
SHARE_OF_TIME_FOR_WAITING = 0.5


class CodeActivities:
    """Runs authors' code in a sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        """Borrow an open sandbox; whoever opened it closes it."""
        self._sandbox = sandbox
        self._max_memory_bytes = max_memory_bytes
        self._max_output_bytes = max_output_bytes

    @activity.defn(name=PYTHON_CODE.name)
    async def python_code(self, call: TaskCall) -> JsonValue:
        """Run the code with ``input_data`` and return what it assigned to ``result``.

        Cancelling kills the sandbox's process.

        Raises:
            TaskFailedError: What the code raised, under that exception's name and with the
                author's traceback; ``NoResult``, ``InvalidResult``, ``ResultTooLarge``,
                ``PrintedTooMuch``; ``SandboxCrashed`` when its process died, and ``SandboxBusy``
                when its turn did not come.
        """
        parameters = parameters_of(call, PythonCodeParameters)
        seconds = allowed_seconds(PYTHON_CODE.default_timeout)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        patience = seconds * SHARE_OF_TIME_FOR_WAITING
        turns = self._sandbox.turns
        is_running = False
        try:
            async with turns.turn(call.context.organization_id, patience=patience):
                is_running = True
                text = await self._sandbox.run(
                    CodeRun(
                        code=parameters.code,
                        input_data=parameters.input_data,
                        seconds=seconds - (loop.time() - begun),
                        max_memory=self._max_memory_bytes,
                        max_output=self._max_output_bytes,
                        max_printed=MAX_PRINTED_BYTES,
                    )
                )
        except SandboxFailedError as error:
            fault = error.fault
            raise TaskFailedError(
                fault.message,
                type=fault.type,
                retryable=fault.retryable,
                traceback=fault.traceback,
            ) from None
        except TimeoutError:
            raise _late(seconds) if is_running else _busy(patience) from None
        # A large text takes a while to read: not on the loop, which other tasks share.
        return await asyncio.to_thread(_value, text)


def _value(text: str) -> JsonValue:
    """Return the value that a result's JSON text holds."""
    try:
        return parse_json(text)
    except NotJsonError as error:
        raise TaskFailedError(
            f"result is not JSON: {error}", type="InvalidResult", retryable=True
        ) from None


def _late(seconds: float) -> TaskFailedError:
    """Return the failure of code that was killed because it did not stop."""
    return TaskFailedError(
        f"the code did not stop within {seconds:g} s", type="TimeoutError", retryable=True
    )


def _busy(patience: float) -> TaskFailedError:
    """Return the failure of code that never ran."""
    return TaskFailedError(
        f"the code's turn did not come within {patience:g} s", type="SandboxBusy", retryable=True
    )
