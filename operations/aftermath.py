"""Settling a run that ended without a word: its history says what became of each task."""

from collections.abc import Iterable, Iterator
from itertools import islice

from contracts.messages import (
    RunContext,
    SettleExecutionCall,
    SettleTasksCall,
    TaskError,
    TaskSettlement,
    TaskState,
)
from runtime.gateway import Described, RunStatus
from runtime.run_history import RunHistory, TaskHistory
from store.models import ExecutionRecord, ExecutionStatus
from store.projection import Projection
from workflows.failures import task_error

MAX_ROWS_A_CALL = 500

HISTORY_LOST = TaskError(
    message="Temporal no longer knows the workflow that ran this execution", type="HistoryLost"
)
_ENDED_FROM_OUTSIDE = {
    RunStatus.TERMINATED: TaskError(
        message="the workflow was terminated from outside", type="WorkflowTerminated"
    ),
    RunStatus.TIMED_OUT: TaskError(message="the workflow timed out", type="WorkflowTimedOut"),
}


class Aftermath:
    """Writes into the read model what a closed run could not write itself."""

    def __init__(self, projection: Projection) -> None:
        """Borrow the projection."""
        self._projection = projection

    async def settle(
        self, record: ExecutionRecord, described: Described | None, run: RunHistory | None
    ) -> None:
        """Settle the record's current generation.

        Args:
            described: The closed run; None if Temporal knows none.
            run: Its history, where there is one.
        """
        status, error = _verdict(record, described, run)
        context = context_of(record)
        if run is not None:
            context = context.model_copy(update={"edits": run.start.edits})
        words = list(settlements(run)) if run is not None else []
        untouched = _untouched(run)
        for chunk in _chunks(words):
            await self._projection.settle_tasks(SettleTasksCall(context=context, tasks=chunk))
        await self._projection.settle_execution(
            SettleExecutionCall(
                context=context,
                status=status.value,
                error=error,
                failed_task=_failed_task(words),
                skipped=untouched if status is ExecutionStatus.COMPLETED else [],
                unreached=[] if status is ExecutionStatus.COMPLETED else untouched,
            )
        )


def context_of(record: ExecutionRecord) -> RunContext:
    """Return what names the record's current generation."""
    return RunContext(
        organization_id=record.organization_id,
        flow_id=record.flow_id,
        flow_version=record.flow_version,
        flow_execution_id=record.id,
        generation=record.generation,
    )


def _verdict(
    record: ExecutionRecord, described: Described | None, run: RunHistory | None
) -> tuple[ExecutionStatus, TaskError | None]:
    """Return how the execution ended, and why if it failed.

    Whoever asked to cancel gets ``cancelled``, however the run was ended.
    """
    if described is not None and described.status is RunStatus.COMPLETED:
        return ExecutionStatus.COMPLETED, None
    is_cancelled = described is not None and described.status is RunStatus.CANCELLED
    if is_cancelled or record.cancel_requested_at is not None:
        return ExecutionStatus.CANCELLED, None
    if described is None:
        return ExecutionStatus.FAILED, HISTORY_LOST
    if run is not None and run.failure is not None:
        return ExecutionStatus.FAILED, task_error(run.failure)
    return ExecutionStatus.FAILED, _ENDED_FROM_OUTSIDE.get(described.status, HISTORY_LOST)


def settlements(run: RunHistory) -> Iterator[TaskSettlement]:
    """Return the history's word on every task that it knows of, iterations as a whole last.

    What was under way when a run closed counts as cancelled: nobody will hear of its end.
    """
    yield TaskSettlement(
        task_name=run.start.input_task_name,
        state=TaskState.COMPLETED,
        output=dict(run.start.input),
        has_output=True,
    )
    for task in run.tasks.values():
        yield _settlement(task)
    for name, item_count in run.item_counts.items():
        states = [task.state for (owner, _), task in run.tasks.items() if owner == name]
        yield TaskSettlement(
            task_name=name, item_count=item_count, state=_whole(states, item_count)
        )


def _settlement(task: TaskHistory) -> TaskSettlement:
    is_completed = task.state is TaskState.COMPLETED and task.reply is not None
    word = TaskSettlement(
        task_name=task.task_name,
        item=task.item,
        state=TaskState.CANCELLED if task.state is TaskState.RUNNING else task.state,
        attempt=attempt_that_ended(task),
        input=dict(task.call.parameters) if task.call is not None else None,
        fingerprint=task.call.fingerprint if task.call is not None else "",
        has_output=is_completed,
        started_at=task.started_at,
        completed_at=task.completed_at,
    )
    if is_completed and task.reply is not None:
        return word.model_copy(
            update={"output": task.reply.output, "output_digest": task.reply.output_digest}
        )
    if task.failure is not None and word.state is TaskState.FAILED:
        return word.model_copy(update={"error": task_error(task.failure)})
    return word


def attempt_that_ended(task: TaskHistory) -> int | None:
    """Return the attempt that ended the task; None if none is known to have started."""
    if task.reply is not None:
        return task.reply.attempt
    return task.attempt or None


def _whole(states: list[TaskState], item_count: int) -> TaskState:
    """Return the state of an iteration, from those of the items that were begun."""
    if TaskState.FAILED in states:
        return TaskState.FAILED
    if states.count(TaskState.COMPLETED) == item_count:
        return TaskState.COMPLETED
    return TaskState.CANCELLED


def _failed_task(words: Iterable[TaskSettlement]) -> str | None:
    return next((word.task_name for word in words if word.state is TaskState.FAILED), None)


def _untouched(run: RunHistory | None) -> list[str]:
    """Return tasks that did not run in this generation and had nothing to reuse."""
    if run is None:
        return []
    known = {name for name, _ in run.tasks} | {seed.task_name for seed in run.start.seeds}
    known |= {run.start.input_task_name, *run.item_counts}
    return [task.name for task in run.start.definition.tasks if task.name not in known]


def _chunks(words: list[TaskSettlement]) -> Iterator[list[TaskSettlement]]:
    remaining = iter(words)
    while chunk := list(islice(remaining, MAX_ROWS_A_CALL)):
        yield chunk
