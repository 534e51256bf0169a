"""What is served of an execution, and whether its status is what Temporal says about its run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from operations.promotion import waits_in_line
from runtime.gateway import Described, RunStatus
from store.models import (
    ExecutionRecord,
    ExecutionStatus,
    ProcessingStatus,
    TaskExecutionRecord,
    TaskOutputRecord,
)

_ENDS = {
    RunStatus.COMPLETED: {
        ExecutionStatus.COMPLETED,
        ExecutionStatus.EDITED,
        ExecutionStatus.STALE,
    },
    RunStatus.FAILED: {ExecutionStatus.FAILED, ExecutionStatus.STALE},
    RunStatus.CANCELLED: {ExecutionStatus.CANCELLED},
    RunStatus.TERMINATED: {
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELLED,
        ExecutionStatus.STALE,
    },
    RunStatus.TIMED_OUT: {
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELLED,
        ExecutionStatus.STALE,
    },
}
_WITHOUT_STALE = {ExecutionStatus.COMPLETED, ExecutionStatus.EDITED}
_OPEN = {
    ProcessingStatus.QUEUED,
    ProcessingStatus.RUNNING,
    ProcessingStatus.AWAITING_INPUT,
    ProcessingStatus.CANCEL_REQUESTED,
}


@dataclass(frozen=True, slots=True)
class Served:
    """What the read model holds of one execution.

    Attributes:
        rows: Its visible task executions.
        outputs: Its visible task outputs.
    """

    record: ExecutionRecord
    rows: Sequence[TaskExecutionRecord]
    outputs: Sequence[TaskOutputRecord]


def differences_of_status(served: Served, described: Described | None) -> Iterator[str]:
    """Yield where the execution's status is not what Temporal says about its current run."""
    record = served.record
    if record.is_open:
        if described is None and not waits_in_line(record):
            yield "open, but Temporal knows no workflow"
        elif described is not None and not described.is_running:
            yield f"open, but its workflow is {described.status.value}"
        return
    if described is not None and described.is_running:
        yield f"closed as {record.status.value}, but its workflow runs"
    elif described is not None and not _agree(record, described.status):
        yield f"status {record.status.value}, but its workflow is {described.status.value}"
    for row in served.rows:
        if row.processing_status in _OPEN:
            yield f"{shown_name(row.task_name, row.item)}: left {row.processing_status.value}"
    for output in served.outputs:
        if output.processing_status in _OPEN:
            yield f"{output.task_name}: output left {output.processing_status.value}"
        if output.stale_status == "stale" and record.status in _WITHOUT_STALE:
            yield f"{output.task_name}: stale, but the execution is {record.status.value}"


def shown_name(task_name: str, item: int | None) -> str:
    """Return what a task, or one item of it, is called in messages."""
    return task_name if item is None else f"{task_name}#{item}"


def _agree(record: ExecutionRecord, status: RunStatus) -> bool:
    """Return whether a closed execution's status can come from a run that ended so.

    Whatever became of a workflow that started although nobody wanted it any more is no matter.
    """
    if record.status is ExecutionStatus.DELETED:
        return True
    was_unwanted = record.started_generation < record.generation
    if was_unwanted and record.status is ExecutionStatus.CANCELLED:
        return True
    return record.status in _ENDS.get(status, set())
