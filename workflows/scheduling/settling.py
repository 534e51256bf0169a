"""Tells the read model what the workflow knows, until it has been heard.

Source: docs/decisions/0006-settling.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from contracts.messages import (
    RunContext,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
    TaskSettlement,
    TaskState,
)
from contracts.names import SETTLE_EXECUTION, SETTLE_TASKS, SUPERSEDED
from workflows.failures import is_final, is_superseded
from workflows.scheduling.outcome import Outcome

MAX_ROWS_A_CALL = 500
MAX_BYTES_A_CALL = 1_000_000
MAX_ROUNDS = 3

FINAL_REFUSALS_COUNT = "final-refusals-count"

_LOCAL_TIMEOUT = timedelta(seconds=10)
_TIMEOUT = timedelta(seconds=60)
_FIRST_DELAY = timedelta(milliseconds=100)
_LONGEST_DELAY = timedelta(seconds=5)

Reply = TypeVar("Reply", bound=BaseModel)


def settlement(outcome: Outcome, task_name: str, *, item: int | None = None) -> TaskSettlement:
    """Return the workflow's word on a task or an item, values included.

    It is built unchecked: it only holds what was checked before, and that may be large.
    """
    return TaskSettlement.model_construct(
        task_name=task_name,
        item=item,
        state=outcome.state,
        attempt=outcome.attempt,
        input=outcome.input,
        output=outcome.output,
        output_digest=outcome.output_digest,
        fingerprint=outcome.fingerprint,
        error=outcome.error,
        started_at=outcome.started_at,
        completed_at=outcome.completed_at,
    )


async def settle_tasks(context: RunContext, words: Sequence[TaskSettlement]) -> None:
    """Settle tasks or items, with their values only where the store lacks them."""
    for chunk in _chunks(words, with_values=False):
        call = SettleTasksCall(context=context, tasks=[_slim(word) for word in chunk])
        reply = await insist(SETTLE_TASKS, call, SettleTasksReply)
        await _send_missing(context, chunk, reply.missing)


async def settle_execution(
    close: SettleExecutionCall, words: Sequence[TaskSettlement]
) -> SettleExecutionReply:
    """Settle all tasks of an execution, and the execution itself with the last of them."""
    chunks = list(_chunks(words, with_values=False))
    last = chunks.pop() if chunks else []
    for chunk in chunks:
        await settle_tasks(close.context, chunk)
    call = close.model_copy(update={"tasks": [_slim(word) for word in last]})
    for _ in range(MAX_ROUNDS):
        reply = await insist(SETTLE_EXECUTION, call, SettleExecutionReply)
        if not reply.missing:
            break
        await _send_missing(close.context, last, reply.missing)
    return reply


async def _send_missing(
    context: RunContext, words: Sequence[TaskSettlement], missing: Iterable[int]
) -> None:
    """Send what the store asked for, this time with inputs and outputs."""
    asked = [words[position] for position in missing if position < len(words)]
    for chunk in _chunks(asked, with_values=True):
        call = SettleTasksCall(context=context, tasks=[_with_output(word) for word in chunk])
        await insist(SETTLE_TASKS, call, SettleTasksReply)


async def insist(
    activity: str,
    call: BaseModel,
    reply: type[Reply],
    *,
    activity_id: str | None = None,
    title: str = "record the outcome",
) -> Reply:
    """Call the store until it answers.

    A local activity first: nearly always it answers at once, and the run ends within the workflow
    task that it is in. If it does not, an ordinary one, which the server repeats for as long as it
    takes without adding to the history. The local one is not repeated: the SDK forgets to stop the
    clock of an attempt that a further one follows. What was refused for good is not asked again.

    Raises:
        FailureError: A newer generation owns the execution, the store refuses for good, or whoever
            asked was cancelled.
    """
    try:
        answer: Reply = await workflow.execute_local_activity(
            activity,
            call,
            result_type=reply,
            activity_id=activity_id,
            start_to_close_timeout=_LOCAL_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=ActivityCancellationType.ABANDON,
            summary=title,
        )
    except FailureError as error:
        if is_superseded(error) or is_cancelled_exception(error):
            raise
        if is_final(error) and workflow.patched(FINAL_REFUSALS_COUNT):
            raise
        workflow.logger.warning("store did not take the outcome", extra={"error": str(error)})
    else:
        return answer
    answer = await workflow.execute_activity(
        activity,
        call,
        result_type=reply,
        activity_id=activity_id,
        start_to_close_timeout=_TIMEOUT,
        retry_policy=RetryPolicy(
            initial_interval=_FIRST_DELAY,
            maximum_interval=_LONGEST_DELAY,
            non_retryable_error_types=[SUPERSEDED],
        ),
        cancellation_type=ActivityCancellationType.ABANDON,
        summary=title,
    )
    return answer


def _chunks(
    words: Sequence[TaskSettlement], *, with_values: bool
) -> Iterator[list[TaskSettlement]]:
    """Cut settlements into what one call carries; a single one may be larger than that."""
    chunk: list[TaskSettlement] = []
    size_bytes = 0
    for word in words:
        shown = _with_output(word) if with_values else _slim(word)
        word_bytes = len(shown.model_dump_json())
        if chunk and (len(chunk) >= MAX_ROWS_A_CALL or size_bytes + word_bytes > MAX_BYTES_A_CALL):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(word)
        size_bytes += word_bytes
    if chunk:
        yield chunk


def _slim(word: TaskSettlement) -> TaskSettlement:
    """Return a settlement without what the store should hold already.

    A failed one keeps its input: instant work writes its row only at its end, and that may be what
    failed.
    """
    kept = word.input if word.state is TaskState.FAILED else None
    return word.model_copy(update={"input": kept, "output": None, "has_output": False})


def _with_output(word: TaskSettlement) -> TaskSettlement:
    """Return a settlement with all its values."""
    return word.model_copy(update={"has_output": True})
