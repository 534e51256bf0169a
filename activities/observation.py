"""What can be seen of each activity from outside: a line and a count.

Source: docs/operations.md, "Logs", "Metrics".
"""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.messages import (
    ReconcileReply,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    TaskCall,
)
from flows.executors.catalogue import executor_named
from runtime.logs import logging_facts
from runtime.metrics import Metrics
from runtime.tracing import current_trace_id

logger = logging.getLogger(__name__)


class ObservationInterceptor(Interceptor):
    """Wraps every activity of a worker, outside of what projects it."""

    def __init__(self, metrics: Metrics) -> None:
        """Borrow the process's counters."""
        self._metrics = metrics

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put ourselves in front of the next interceptor."""
        return _Inbound(next, self._metrics)


class _Inbound(ActivityInboundInterceptor):
    """Handles one activity at a time, as the SDK calls it."""

    def __init__(self, next: ActivityInboundInterceptor, metrics: Metrics) -> None:
        super().__init__(next)
        self._metrics = metrics

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run it; lines that are said meanwhile name the execution and the task."""
        call = input.args[0] if input.args else None
        with logging_facts(**_facts(call)):
            if isinstance(call, TaskCall):
                return await self._attempt(call, input)
            reply = await super().execute_activity(input)
            self._count(call, reply)
            return reply

    async def _attempt(self, call: TaskCall, input: ExecuteActivityInput) -> Any:
        began = time.perf_counter()
        outcome = "failed"
        try:
            reply = await super().execute_activity(input)
            outcome = "completed"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        else:
            return reply
        finally:
            took = timedelta(seconds=time.perf_counter() - began)
            executor = call.executor if executor_named(call.executor) else "other"
            self._metrics.attempt_ended(executor, outcome, took)
            facts = {"outcome": outcome, "duration_ms": round(took.total_seconds() * 1000, 1)}
            # Instant work is done by the thousand, and its execution's end is said anyway.
            level = logging.DEBUG if activity.info().is_local else logging.INFO
            logger.log(level, "attempt ended", extra=facts)

    def _count(self, call: object, reply: object) -> None:
        """Count what an activity of our own did."""
        if isinstance(call, SettleExecutionCall) and isinstance(reply, SettleExecutionReply):
            if not reply.missing and not reply.superseded:
                self._metrics.executions_settled.labels(call.status).inc()
                logger.info("execution ended", extra={"status": call.status})
        elif isinstance(reply, ReconcileReply):
            for finding, count in reply.model_dump().items():
                self._metrics.reconciler_findings.labels(finding).inc(count)


def _facts(call: object) -> dict[str, object]:
    """Return whom an activity works for."""
    facts: dict[str, object] = {"activity": activity.info().activity_type}
    if trace_id := current_trace_id():
        facts["trace_id"] = trace_id
    if isinstance(call, TaskCall | SettleTasksCall | SettleExecutionCall):
        facts["organization_id"] = call.context.organization_id
        facts["flow_execution_id"] = call.context.flow_execution_id
        facts["generation"] = call.context.generation
    if isinstance(call, TaskCall):
        facts |= {"task_name": call.task_name, "executor": call.executor}
        facts["attempt"] = activity.info().attempt
        if call.item is not None:
            facts["item"] = call.item
    return facts
