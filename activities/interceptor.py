"""Around every activity: shows its attempts in the read model, and says its failures our way.

Source: docs/ARCHITECTURE.md, "The life of a flow execution"; decision 0008.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar, cast

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.failures import WORKER_LOST, activity_failure, is_foreseen, task_error
from activities.heartbeats import heartbeats
from activities.secrets import OpenSecrets
from contracts.messages import TaskCall, TaskError, TaskReply
from flows.canonical import canonical_bytes
from flows.errors import ExecutionSupersededError, StoreUnavailableError
from flows.executors.catalogue import executor_named
from flows.executors.spec import Kind
from flows.values import ensure_carriable
from runtime.logs import lines_pass
from store.attempts import AttemptEnd
from store.models import ProcessingStatus
from store.projection import Projection

STORE_RETRY_EVERY = timedelta(milliseconds=500)
SHARE_OF_TIMEOUT_FOR_STORE = 0.5
TRAVELS_THROUGH_STORE_BYTES = 12 * 1024
"""Results near this size and above leave the history through the store: without it they are lost,
and the effect with them."""

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


class ProjectionInterceptor(Interceptor):
    """Wraps every activity of a worker."""

    def __init__(self, projection: Projection, open_secrets: OpenSecrets) -> None:
        """Borrow the process's projection, and what opens secrets."""
        self._projection = projection
        self._open_secrets = open_secrets

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put ourselves in front of the next interceptor."""
        return _Inbound(next, self._projection, self._open_secrets)


class _Inbound(ActivityInboundInterceptor):
    """Handles one activity at a time, as the SDK calls it."""

    def __init__(
        self, next: ActivityInboundInterceptor, projection: Projection, open_secrets: OpenSecrets
    ) -> None:
        super().__init__(next)
        self._projection = projection
        self._open_secrets = open_secrets

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run an attempt; a task's reply is wrapped, every failure becomes an ApplicationError."""
        call = input.args[0] if input.args and isinstance(input.args[0], TaskCall) else None
        attempt = activity.info().attempt
        if call is not None and call.began_at is not None:
            # Its attempt began with the wait: a store that did not answer at the end costs none.
            attempt = 1
        try:
            if call is None:
                return await super().execute_activity(input)
            async with heartbeats():
                return await self._attempt(call, attempt, input)
        except ApplicationError as error:
            raise activity_failure(error, call, attempt) from error.__cause__
        except Exception as error:
            if not is_foreseen(error):
                logger.warning("activity failed", exc_info=True)
            raise activity_failure(error, call, attempt) from None

    async def _attempt(
        self, call: TaskCall, attempt: int, input: ExecuteActivityInput
    ) -> TaskReply:
        """Run one attempt of a task between its two writes."""
        report = _Report(
            self._projection,
            call,
            attempt,
            started_at=call.began_at or datetime.now(UTC),
            is_instant=_is_instant(call),
            is_open=call.began_at is not None,
        )
        await report.open()
        try:
            if call.secrets:
                output = await self._with_secrets(call, report, input)
            else:
                output = cast("JsonValue", await super().execute_activity(input))
            # A workflow that cannot decode a reply would try for ever.
            ensure_carriable(output, "output")
        except asyncio.CancelledError:
            await self._cancelled(report)
            raise
        except Exception as error:
            await report.close(ProcessingStatus.FAILED, error=task_error(error))
            raise
        encoded = canonical_bytes(output)
        digest = sha256(encoded).hexdigest()
        completed_at = await report.close(
            ProcessingStatus.COMPLETED,
            output=output,
            digest=digest,
            must_wait=len(encoded) >= TRAVELS_THROUGH_STORE_BYTES,
        )
        return TaskReply(
            output=output,
            output_digest=digest,
            attempt=attempt,
            started_at=report.started_at,
            completed_at=completed_at,
        )

    async def _with_secrets(
        self, call: TaskCall, report: "_Report", input: ExecuteActivityInput
    ) -> JsonValue:
        """Run one attempt of a task that has secrets: they are opened here, and end here."""
        ready = await _patiently(lambda: self._open_secrets(call), report.patience())
        try:
            with lines_pass(ready.redactor.text):
                output = await super().execute_activity(replace(input, args=[ready.call]))
        except Exception as error:
            raise ready.redactor.error(error) from None
        # A large output takes a while to search: not on the loop, which other tasks share.
        return await asyncio.to_thread(ready.redactor.value, cast("JsonValue", output))

    async def _cancelled(self, report: "_Report") -> None:
        """Show why an attempt was cancelled; a worker that goes away is not the task's end."""
        details = activity.cancellation_details()
        if details is not None and details.worker_shutdown:
            lost = TaskError(message="the worker shut down", type=WORKER_LOST)
            await report.close(ProcessingStatus.FAILED, error=lost)
            raise ApplicationError(lost.message, lost.model_dump(), type=lost.type)
        if details is None or details.cancel_requested:
            await report.close(ProcessingStatus.CANCELLED)


@dataclass(slots=True)
class _Report:
    """What one attempt says about itself.

    Attributes:
        is_instant: Written once, at its end: it has no effect that a refused opening could stop.
        is_open: Shown as running since the workflow itself began with the task.
    """

    projection: Projection
    call: TaskCall
    attempt: int
    started_at: datetime
    is_instant: bool
    is_open: bool = False

    async def open(self) -> None:
        """Show the attempt as running, or stop it before it does anything.

        While the store is down the attempt waits for it, so that an outage costs no attempt unless
        it lasts half of the attempt's timeout.

        Raises:
            ExecutionSupersededError: A newer generation owns the execution.
            StoreUnavailableError: Still down; Temporal tries again.
        """
        if self.is_instant or self.is_open:
            return
        await _patiently(
            lambda: self.projection.open_attempt(
                self.call, self.attempt, self.call.context.run_id or None, self.started_at
            ),
            self.patience(),
        )

    async def close(
        self,
        status: ProcessingStatus,
        *,
        output: JsonValue = None,
        digest: str = "",
        error: TaskError | None = None,
        must_wait: bool = False,
    ) -> datetime:
        """Show how the attempt ended, and return when.

        An attempt does not fail for want of a row: that would repeat its effect. A write that fails
        is logged, the result travels on with its attempt number, and settling repairs the row.

        Args:
            must_wait: Whether the result cannot travel on without the store, so that waiting for it
                is better than losing the work.

        Raises:
            ExecutionSupersededError: Instant work, which has no opening that could be refused, was
                done for a generation that no longer counts.
        """
        completed_at = datetime.now(UTC)
        end = AttemptEnd(status, output, digest, error, self.started_at, completed_at)
        run = self.call.context.run_id or None

        async def write() -> None:
            if not self.is_instant:
                await self.projection.close_attempt(self.call, self.attempt, end, run)
            elif must_wait:
                await self.projection.record_attempt(self.call, self.attempt, end, run)
            else:
                await self.projection.note_attempt(self.call, self.attempt, end, run)

        try:
            await _patiently(write, self.patience() if must_wait else timedelta(0))
        except Exception as fault:
            if self.is_instant and isinstance(fault, ExecutionSupersededError):
                raise
            _log_unreported(self.call, self.attempt, fault)
        return completed_at

    def patience(self) -> timedelta:
        """Return how long this attempt may still wait for the store."""
        timeout = activity.info().start_to_close_timeout or timedelta(seconds=10)
        return timeout * SHARE_OF_TIMEOUT_FOR_STORE - (datetime.now(UTC) - self.started_at)


async def _patiently(ask: Callable[[], Awaitable[Answer]], patience: timedelta) -> Answer:
    """Ask the store, again and again while it does not answer, for as long as patience lasts."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    while True:
        try:
            return await ask()
        except StoreUnavailableError:
            if loop.time() + STORE_RETRY_EVERY.total_seconds() >= deadline:
                raise
            await asyncio.sleep(STORE_RETRY_EVERY.total_seconds())


def _is_instant(call: TaskCall) -> bool:
    """Return whether the call's executor is instant work."""
    executor = executor_named(call.executor)
    return executor is not None and executor.kind is Kind.INSTANT


def _log_unreported(call: TaskCall, attempt: int, fault: Exception) -> None:
    """Note that an end is not shown yet."""
    expected = isinstance(fault, StoreUnavailableError | ExecutionSupersededError)
    logger.warning(
        "end of an attempt not recorded; settling will",
        exc_info=not expected,
        extra={
            "flow_execution_id": call.context.flow_execution_id,
            "task_name": call.task_name,
            "attempt": attempt,
            "reason": type(fault).__name__,
        },
    )
