"""What the workflow's word on a task means for the rows that are there, or wait to be written."""

from pymongo import UpdateOne

from contracts.messages import RunContext, SettleExecutionCall, TaskSettlement, TaskState
from flows.errors import RunNotKnownError
from store.fence import Fence, refused
from store.identity import task_execution_id
from store.models import ExecutionStatus, ProcessingStatus
from store.row_look import Known
from store.rows import NOT_EDITED, SETTLED, RowWrite
from store.values import Document

STATUS = {
    TaskState.COMPLETED: ProcessingStatus.COMPLETED,
    TaskState.REUSED: ProcessingStatus.COMPLETED,
    TaskState.FAILED: ProcessingStatus.FAILED,
    TaskState.CANCELLED: ProcessingStatus.CANCELLED,
}
ENDED = tuple(STATUS)
WITH_OUTPUT = (TaskState.COMPLETED, TaskState.REUSED)

_ENDINGS = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)


def attempt_of(task: TaskSettlement) -> int:
    """Return the attempt whose row a settlement is about; where nothing ran, the first."""
    return 1 if task.state is TaskState.REUSED else task.attempt or 1


def row_id(context: RunContext, task: TaskSettlement) -> str:
    """Return the id of the row that a settlement is about."""
    return task_execution_id(
        context.flow_execution_id, context.generation, task.task_name, task.item, attempt_of(task)
    )


def is_said(task: TaskSettlement, held: Document | None, known: Known) -> bool:
    """Return whether the store says the same already, or says what a person wrote."""
    if task.state is TaskState.REUSED:
        is_kept = (task.task_name, task.item, task.output_digest) in known.reusable
        if is_kept or (task.task_name, task.item) in known.edited:
            return True
    if held is None or not held["live"] or held.get("outside"):
        return False
    if held["edited_status"] != NOT_EDITED:
        engine = held.get("engine") or {}
        return task.state not in WITH_OUTPUT or engine.get("digest") == task.output_digest
    if held["status"] != STATUS[task.state].value:
        return False
    if task.state in WITH_OUTPUT:
        return bool(held["digest"] == task.output_digest)
    return bool(held["rank"] == SETTLED)


def may_be_input(task: TaskSettlement) -> bool:
    """Return whether the word may be on the input task that fired: completed from no parameters."""
    is_whole = task.item is None and task.item_count is None
    return task.state is TaskState.COMPLETED and is_whole and not task.fingerprint


def is_input_kept(task: TaskSettlement, fence: Fence, known: Known) -> bool:
    """Return whether the input task's earlier row stays: what it says holds, or a person said it.

    Only where results are reused; the input task itself fires in every run.
    """
    if fence.is_full or task.task_name != fence.input_task_name:
        return False
    place = task.task_name, task.item
    return place in known.edited or (*place, task.output_digest) in known.reusable


def says(row: RowWrite, task: TaskSettlement) -> bool:
    """Return whether a row that is not written yet says what the workflow says."""
    if row.status is not STATUS[task.state] or task.state is TaskState.REUSED:
        return False
    return task.state not in WITH_OUTPUT or row.fields["digest"] == task.output_digest


def kept_beside(held: Document, task: TaskSettlement, output: bytes | Document | None) -> UpdateOne:
    """Return what keeps the engine's output of a row that a person edited."""
    said = {"output": output, "digest": task.output_digest, "error": None}
    engine = {**said, "status": STATUS[task.state].value}
    return UpdateOne({"_id": held["_id"]}, {"$set": {"engine": engine}})


def is_revised(fence: Fence, call: SettleExecutionCall) -> bool:
    """Return whether a run that settled ended otherwise after all.

    Temporal throws a run's last workflow task away if a cancellation came while it was under way:
    the outcome that it had settled never was. What a person did to the execution since stands. Of
    one that was deleted since, nobody knows how it had ended: its rows are settled once more.
    """
    was_ours = fence.started_generation == call.context.generation
    is_hidden = fence.status is ExecutionStatus.DELETED
    is_other = fence.status in _ENDINGS and fence.status.value != call.status
    return was_ours and (is_hidden or is_other)


def ensure_known(fence: Fence, context: RunContext, run_id: str | None) -> None:
    """Refuse a run that is not the one that the execution knows as its own."""
    refusal = refused(fence, context, run_id)
    if isinstance(refusal, RunNotKnownError):
        raise refusal
