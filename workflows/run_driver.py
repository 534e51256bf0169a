"""Does for a turn what its interpreter asks for, with the means of a Temporal workflow."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    TimeoutError,
    is_cancelled_exception,
)

from contracts.names import ASK_MODEL, CALL_SERVICE, RUN_CODE
from contracts.runs import (
    InteractiveRunStart,
    RunCodeCall,
    RunHttpCall,
    RunModelCall,
)
from dialogs.effects import (
    Effect,
    HttpCall,
    HttpReply,
    ModelCall,
    ModelReply,
    ToolCall,
    ToolReply,
)
from dialogs.events import Event
from dialogs.failures import EffectExpiredError, RunFailedError
from dialogs.variables import Chance
from workflows.run_events import RunEvents

_HEARTBEAT_TIMEOUT = timedelta(seconds=10)
_GRACE = timedelta(seconds=15)
_ATTEMPTS = 3
_LONGEST_PAUSE = timedelta(seconds=30)

MODELS_AND_TOOLS = "models and tools"
"""Patch: models are asked and code is run, where runs failed before."""


class WorkflowDriver:
    """The driver of every turn of one run.

    Attributes:
        told: What the run has told; shown before each effect, so that nobody who listens waits
            for its end.
    """

    def __init__(self, start: InteractiveRunStart) -> None:
        """Keep whose run it is."""
        self._start = start
        self.told = RunEvents(start)

    def now(self) -> datetime:
        """Return the instant of the workflow task."""
        return workflow.now()

    def chance(self) -> Chance:
        """Return chance that a replay repeats."""
        return workflow.random()

    def emit(self, event: Event) -> None:
        """Keep the event for whoever asks."""
        self.told.add(event.model_dump(mode="json"))

    async def sleep(self, duration: timedelta) -> None:
        """Let a durable timer pass."""
        await self.told.show()
        await workflow.sleep(duration)

    async def request(self, call: HttpCall) -> HttpReply:
        """Send a request from an activity; one that a dead worker left is sent again.

        Raises:
            RunFailedError: The run began with code that knew no tools.
            EffectExpiredError: The node's time was up first.
            CancelledError: The run is stopped.
        """
        if call.is_tool and not workflow.patched(MODELS_AND_TOOLS):
            raise RunFailedError("tools of type 'external_api' cannot be run")
        await self.told.show()
        within = timedelta(seconds=call.timeout_seconds) + _GRACE
        try:
            reply: HttpReply = await workflow.execute_activity(
                CALL_SERVICE,
                RunHttpCall(
                    organization_id=self._start.organization_id,
                    run_id=self._start.run_id,
                    effect_key=f"{self._start.run_id}/{call.key}",
                    call=call,
                ),
                result_type=HttpReply,
                start_to_close_timeout=within,
                schedule_to_close_timeout=call.expires_in,
                heartbeat_timeout=_HEARTBEAT_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=_ATTEMPTS),
                summary=f"{call.method} {call.key}",
            )
        except ActivityError as error:
            return HttpReply(error=_reason(error, call))
        return reply

    async def ask(self, call: ModelCall) -> ModelReply:
        """Ask a model from an activity, as often as its configuration allows.

        Raises:
            RunFailedError: The run began with code that knew no models.
            EffectExpiredError: The node's time was up first.
            CancelledError: The run is stopped.
        """
        if not workflow.patched(MODELS_AND_TOOLS):
            raise RunFailedError(f"models of type '{call.config.type}' cannot be called")
        await self.told.show()
        is_heard = call.is_spoken and call.config.streaming
        try:
            reply: ModelReply = await workflow.execute_activity(
                ASK_MODEL,
                RunModelCall(
                    organization_id=self._start.organization_id,
                    workflow_id=self._start.workflow_id,
                    run_id=self._start.run_id,
                    effect_key=f"{self._start.run_id}/{call.key}",
                    call=call,
                    spoken_at=self.told.place_of(call) if is_heard else None,
                ),
                result_type=ModelReply,
                start_to_close_timeout=timedelta(seconds=call.config.seconds) + _GRACE,
                schedule_to_close_timeout=call.expires_in,
                heartbeat_timeout=_HEARTBEAT_TIMEOUT,
                retry_policy=RetryPolicy(
                    maximum_attempts=1 + call.config.max_retries,
                    maximum_interval=_LONGEST_PAUSE,
                ),
                summary=f"{call.config.model or call.config.type} {call.key}",
            )
        except ActivityError as error:
            return ModelReply(error=_reason(error, call))
        return reply

    async def use(self, call: ToolCall) -> ToolReply:
        """Run a tool's code from an activity; code that a dead worker left is run again.

        Raises:
            RunFailedError: The run began with code that knew no tools.
            EffectExpiredError: The node's time was up first.
            CancelledError: The run is stopped.
        """
        if not workflow.patched(MODELS_AND_TOOLS):
            raise RunFailedError("tools of type 'inline_python' cannot be run")
        await self.told.show()
        try:
            reply: ToolReply = await workflow.execute_activity(
                RUN_CODE,
                RunCodeCall(
                    organization_id=self._start.organization_id,
                    run_id=self._start.run_id,
                    effect_key=f"{self._start.run_id}/{call.key}",
                    call=call,
                ),
                result_type=ToolReply,
                # Its turn in the sandbox may take as long as the code itself.
                start_to_close_timeout=2 * timedelta(seconds=call.timeout_seconds) + _GRACE,
                schedule_to_close_timeout=call.expires_in,
                heartbeat_timeout=_HEARTBEAT_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=_ATTEMPTS),
                summary=f"{call.name} {call.key}",
            )
        except ActivityError as error:
            return ToolReply(success=False, error=_reason(error, call))
        return reply


def _reason(error: ActivityError, call: Effect) -> str:
    """Return why an effect failed, for people.

    Raises:
        EffectExpiredError: The node's time was up first.
        CancelledError: The run is stopped.
    """
    if is_cancelled_exception(error):
        raise asyncio.CancelledError from error
    if call.expires_in is not None and isinstance(error.cause, TimeoutError):
        raise EffectExpiredError from error
    cause = error.cause or error
    return cause.message if isinstance(cause, FailureError) else str(cause)
