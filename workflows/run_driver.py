"""Does for a turn what its interpreter asks for, with the means of a Temporal workflow."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutError, is_cancelled_exception

from contracts.names import CALL_SERVICE
from contracts.runs import InteractiveRunStart, RunHttpCall
from dialogs.effects import HttpCall, HttpReply, ModelCall, ModelReply, ToolCall, ToolReply
from dialogs.events import Event
from dialogs.failures import EffectExpiredError, RunFailedError
from dialogs.variables import Chance
from workflows.run_events import RunEvents

_HEARTBEAT_TIMEOUT = timedelta(seconds=10)
_GRACE = timedelta(seconds=15)
_ATTEMPTS = 3


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
            EffectExpiredError: The node's time was up first.
            CancelledError: The run is stopped.
        """
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
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            if call.expires_in is not None and isinstance(error.cause, TimeoutError):
                raise EffectExpiredError from error
            return HttpReply(error=str(error.cause or error))
        return reply

    async def ask(self, call: ModelCall) -> ModelReply:
        """Refuse: no model is reached from here.

        Raises:
            RunFailedError: Always.
        """
        kind = call.config.get("type")
        raise RunFailedError(f"models of type '{kind}' cannot be called")

    async def use(self, call: ToolCall) -> ToolReply:
        """Refuse: no tool is run from here.

        Raises:
            RunFailedError: Always.
        """
        kind = call.tool.get("type")
        raise RunFailedError(f"tools of type '{kind}' cannot be run")
