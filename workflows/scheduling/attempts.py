"""Runs one task, or one item of an iteration, as the activity that its executor's kind asks for."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, assert_never

from pydantic import BaseModel, JsonValue
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.workflow import ActivityCancellationType

from contracts.messages import RunContext, TaskCall, TaskReply
from contracts.names import activity_id, effect_key
from flows.canonical import canonical_bytes
from flows.errors import TaskFailedError
from flows.executors.catalogue import executor_named
from flows.executors.spec import Kind, TaskExecutor
from flows.model import Task
from workflows.scheduling.depth import check_depth
from workflows.scheduling.remote import run_remote
from workflows.scheduling.resolution import Resolved
from workflows.scheduling.retries import attempt_timeout, attempts_allowed, retry_policy
from workflows.scheduling.settling import insist
from workflows.scheduling.summaries import summary
from workflows.scheduling.waiting import Waits

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
MAX_LOCAL_AT_ONCE = 50
LOCAL_RETRY_THRESHOLD = timedelta(microseconds=1)
"""So short that every wait before a retry becomes a timer of the workflow."""

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Finished:
    """What an activity answered, and how much of the history its answer takes."""

    reply: TaskReply
    size_bytes: int

    @property
    def duration(self) -> timedelta:
        """Return how long the attempt took that answered; nothing where it did not say."""
        started, completed = self.reply.started_at, self.reply.completed_at
        return completed - started if started and completed else timedelta()


def executor_of(task: Task) -> TaskExecutor:
    """Return the executor of a task.

    Raises:
        TaskFailedError: It is not known here.
    """
    executor = executor_named(task.executor)
    if executor is None:
        raise TaskFailedError(
            f"task '{task.name}' names an unknown executor: {task.executor}",
            type="UnknownExecutor",
        )
    return executor


def task_call(
    context: RunContext,
    task: Task,
    executor: TaskExecutor,
    resolved: Resolved,
    *,
    item: int | None = None,
    item_count: int = 1,
    sources: JsonValue = None,
) -> TaskCall:
    """Return the message that a task's activity gets; it is the same for every attempt."""
    return TaskCall(
        context=context,
        task_name=task.name,
        executor=executor.name,
        parameters=resolved.parameters,
        item=item,
        item_count=item_count,
        effect_key=effect_key(context.flow_execution_id, context.generation, task.name, item),
        fingerprint=resolved.fingerprint,
        max_attempts=attempts_allowed(task, executor),
        secrets=list(resolved.secrets),
        sources=sources,
    )


async def run_activity(
    call: TaskCall, task: Task, executor: TaskExecutor, waits: Waits
) -> Finished:
    """Run a task to its end, all attempts included.

    The answer is decoded here and not by the SDK: what cannot be decoded fails the task, where it
    would otherwise fail the workflow task again and again.

    Raises:
        ActivityError: It failed, was cancelled or took too long, and no attempt is left.
        TaskFailedError: It answered what cannot be read, here or by whoever reads it next.
    """
    title = summary(task.title or task.name, "" if call.item is None else f" #{call.item}")
    match executor.kind:
        case Kind.INSTANT | Kind.WAITING:
            if executor.kind is Kind.WAITING:
                call = await waits.over(call, executor, title)
            if executor.awaits is not None:
                return await _fetched(call, executor, title)
            raw = await workflow.execute_local_activity(
                executor.name,
                call,
                result_type=RawValue,
                activity_id=activity_id(task.name, call.item),
                start_to_close_timeout=attempt_timeout(task, executor),
                retry_policy=retry_policy(task, executor),
                local_retry_threshold=LOCAL_RETRY_THRESHOLD,
                cancellation_type=ActivityCancellationType.TRY_CANCEL,
                summary=title,
            )
        case Kind.EFFECT:
            raw = await workflow.execute_activity(
                executor.name,
                call,
                result_type=RawValue,
                activity_id=activity_id(task.name, call.item),
                start_to_close_timeout=attempt_timeout(task, executor),
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retry_policy(task, executor),
                cancellation_type=ActivityCancellationType.TRY_CANCEL,
                summary=title,
            )
        case Kind.REMOTE:
            answer = await run_remote(call, task, executor, title)
            return Finished(answer, len(canonical_bytes(answer.output)))
        case Kind.INPUT:
            raise TaskFailedError(
                f"tasks of kind {executor.kind.value} cannot run here", type="UnsupportedKind"
            )
        case _:
            assert_never(executor.kind)
    reply = decoded(raw, TaskReply)
    check_depth(reply.output, "the task's output nests", raw.payload.data)
    return Finished(reply, len(raw.payload.data))


async def _fetched(call: TaskCall, executor: TaskExecutor, title: str) -> Finished:
    """Return what came for a task that waited; a store that is down is asked until it answers."""
    place = activity_id(call.task_name, call.item)
    reply = await insist(executor.name, call, TaskReply, activity_id=place, title=title)
    encoded = canonical_bytes(reply.output)
    check_depth(reply.output, "the task's output nests", encoded)
    return Finished(reply, len(encoded))


def decoded(raw: RawValue, kind: type[Answer]) -> Answer:
    """Return the message in a payload.

    Raises:
        TaskFailedError: It is none, or JSON that nests too deeply to be read.
    """
    try:
        answer: Answer = workflow.payload_converter().from_payload(raw.payload, kind)
    except Exception as error:
        raise TaskFailedError(
            f"the task's output cannot be read: {error}", type="UnreadableOutput"
        ) from error
    return answer
