"""Runs a task as an activity of somebody else's worker.

No interceptor of ours stands around that, so the workflow itself shows each attempt, before and
after; and it repeats attempts itself, since only so each of them can be shown as it was.

Source: docs/decisions/0021-tasks-that-the-workflow-itself-runs.md.
"""

import json
from datetime import timedelta
from typing import Never

from pydantic import JsonValue, ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from contracts.messages import OpenTaskCall, OpenTaskReply, TaskCall, TaskError, TaskReply
from contracts.names import INLINE, INTERNAL_ACTIVITIES, OPEN_TASK, activity_id
from flows.canonical import canonical_bytes, digest
from flows.errors import TaskFailedError
from flows.executors.activity import (
    MAX_INLINE_BYTES,
    ActivityParameters,
    activity_output,
)
from flows.executors.spec import TaskExecutor
from flows.model import RetryPolicy as AuthoredPolicy
from flows.model import Task
from flows.values import ensure_carriable
from workflows.failures import remote_error
from workflows.scheduling.closing import show_end
from workflows.scheduling.depth import check_depth
from workflows.scheduling.retries import attempt_timeout
from workflows.scheduling.settling import insist

NO_WORKER = "NoWorker"

_LONGEST_FACTOR = 100


async def run_remote(call: TaskCall, task: Task, executor: TaskExecutor, title: str) -> TaskReply:
    """Run a task to its end, all attempts included.

    Raises:
        TaskFailedError: No attempt is left; or it cannot be asked for at all.
        FailureError: A newer generation owns the execution.
        CancelledError: The flow stops.
    """
    asked = _checked(call)
    arguments = _payloads(asked)
    attempt = 0
    while True:
        attempt += 1
        began_at = workflow.now()
        await insist(
            OPEN_TASK,
            OpenTaskCall(call=call, attempt=attempt, began_at=began_at),
            OpenTaskReply,
            activity_id=activity_id(call.task_name, call.item),
            title=title,
        )
        try:
            raw = await workflow.execute_activity(
                asked.activity_type,
                args=arguments,
                result_type=RawValue,
                task_queue=asked.task_queue,
                activity_id=call.effect_key,
                start_to_close_timeout=attempt_timeout(task, executor),
                schedule_to_start_timeout=timedelta(seconds=asked.schedule_to_start_seconds),
                heartbeat_timeout=_seconds(asked.heartbeat_seconds),
                retry_policy=RetryPolicy(maximum_attempts=1),
                cancellation_type=ActivityCancellationType.TRY_CANCEL,
                summary=title,
            )
            output = _output(raw.payload)
        except (ActivityError, TaskFailedError) as error:
            if is_cancelled_exception(error):
                raise
            shown = remote_error(error)
            delay = _delay(error, shown, task, call, attempt)
            if delay is None:
                raise TaskFailedError(
                    shown.message, type=shown.type, traceback=shown.traceback, attempt=attempt
                ) from error
            await show_end(call, attempt, began_at, error=shown)
            await workflow.sleep(delay, summary=title)
            continue
        reply = TaskReply(
            output=output,
            output_digest=digest(output),
            attempt=attempt,
            started_at=began_at,
            completed_at=workflow.now(),
        )
        await show_end(call, attempt, began_at, output=output, digest=reply.output_digest)
        return reply


def _checked(call: TaskCall) -> ActivityParameters:
    """Return what is asked for, if it may be."""
    try:
        asked = ActivityParameters.model_validate(call.parameters)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        reasons = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise TaskFailedError(
            f"parameters do not fit activity: {'; '.join(reasons)}", type="InvalidParameters"
        ) from None
    if asked.task_queue == workflow.info().task_queue:
        raise TaskFailedError(
            f"'{asked.task_queue}' is the platform's own task queue", type="TaskQueueRefused"
        )
    if asked.activity_type in INTERNAL_ACTIVITIES:
        raise TaskFailedError(
            f"'{asked.activity_type}' is an activity of the platform itself",
            type="ActivityRefused",
        )
    if call.secrets:
        raise TaskFailedError(
            "arguments of an activity are kept in its history, so they cannot hold secrets",
            type="SecretsRefused",
        )
    return asked


def _payloads(asked: ActivityParameters) -> list[RawValue]:
    """Return the arguments as plain JSON that any SDK reads."""
    arguments = asked.arguments if isinstance(asked.arguments, list) else [asked.arguments]
    encoded = [canonical_bytes(argument) for argument in arguments]
    if sum(map(len, encoded)) > MAX_INLINE_BYTES:
        raise TaskFailedError(
            f"the arguments exceed {MAX_INLINE_BYTES} bytes", type="ArgumentsTooLarge"
        )
    metadata = {"encoding": b"json/plain", INLINE: b"1"}
    return [RawValue(Payload(metadata=metadata, data=data)) for data in encoded]


def _output(payload: Payload) -> JsonValue:
    """Return what an activity returned as a task's output.

    Raises:
        TaskFailedError: It is no plain JSON, or nothing that could be passed on.
    """
    encoding = payload.metadata.get("encoding", b"").decode("utf-8", "replace")
    answer: JsonValue = None
    if encoding in ("json/plain", "json/protobuf"):
        try:
            answer = json.loads(payload.data, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise TaskFailedError(
                f"the activity's result cannot be read: {error}", type="UnreadableOutput"
            ) from None
    elif encoding != "binary/null":
        raise TaskFailedError(
            f"the activity's result is no plain JSON but {encoding or 'of no known encoding'}",
            type="UnreadableOutput",
        )
    output = activity_output(answer)
    check_depth(output, "the activity's result nests", payload.data)
    ensure_carriable(output, "output")
    return output


def _delay(
    error: ActivityError | TaskFailedError,
    shown: TaskError,
    task: Task,
    call: TaskCall,
    attempt: int,
) -> timedelta | None:
    """Return how long to wait before the next attempt; None if there is none."""
    policy = task.retry_policy or AuthoredPolicy()
    is_final = isinstance(error, TaskFailedError) or shown.type == NO_WORKER
    cause = error.__cause__
    if isinstance(cause, ApplicationError):
        is_final |= cause.non_retryable
    if is_final or shown.type in policy.non_retryable_error_types or attempt >= call.max_attempts:
        return None
    if isinstance(cause, ApplicationError) and cause.next_retry_delay is not None:
        return cause.next_retry_delay
    first = policy.initial_interval_seconds
    longest = policy.max_interval_seconds or first * _LONGEST_FACTOR
    exponent = min(attempt - 1, 64)
    return timedelta(seconds=min(first * policy.backoff_coefficient**exponent, max(first, longest)))


def _seconds(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON number")
