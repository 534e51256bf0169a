"""What became of a task as a whole, computed from its rows.

A task that runs once shows its last attempt; an iteration the list over its items, each item's last
attempt. Computed when read, so the end of a task and its output are one write.

Source: docs/decisions/0008-group-commit-and-fencing.md, "Task outputs are computed when read".
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from contracts.messages import TaskState
from store.models import ProcessingStatus, TaskOutputRecord
from store.reported_outcomes import posted_of, reported_outcome
from store.rows import SETTLED, SYSTEM
from store.values import Document

_OPEN = (
    ProcessingStatus.QUEUED,
    ProcessingStatus.RUNNING,
    ProcessingStatus.AWAITING_INPUT,
    ProcessingStatus.CANCEL_REQUESTED,
)
_OF_STATE = {
    TaskState.COMPLETED: ProcessingStatus.COMPLETED,
    TaskState.REUSED: ProcessingStatus.COMPLETED,
    TaskState.FAILED: ProcessingStatus.FAILED,
    TaskState.CANCELLED: ProcessingStatus.CANCELLED,
}


def aggregate(index: Document, rows: Sequence[Document]) -> TaskOutputRecord:
    """Return a task's output from its index document and its live rows, values loaded.

    What outside workers say counts only where the workflow has not run the task; the summary and
    the tags that they posted are always shown.
    """
    own = [row for row in rows if not row.get("outside")]
    is_outside = bool(index.get("outside")) and not own and index.get("state") is None
    rows = rows if is_outside else own
    last = _last_attempts(rows)
    posted = posted_of(index, max((row["generation"] for row in last), default=0))
    if is_outside:
        status, output, error = reported_outcome(index, last)
    elif index.get("is_iteration"):
        status, output, error = _of_iteration(index, last)
    else:
        status, output, error = _of_single(last)
    edited = any(row["edited_status"] != "not_edited" for row in last)
    stale = any(row["stale_status"] == "stale" for row in last) or (
        not last and index.get("stale_status") == "stale"
    )
    if posted is not None and is_outside:
        edited = edited or posted["edited_status"] == "edited"
        stale = stale or posted["stale_status"] == "stale"
    updated: Iterable[datetime] = [index["updated_at"], *(row["updated_at"] for row in rows)]
    return TaskOutputRecord(
        id=index["_id"],
        organization_id=index["organization_id"],
        flow_id=index["flow_id"],
        flow_version=index["flow_version"],
        flow_execution_id=index["execution_id"],
        task_name=index["task_name"],
        processing_status=status,
        created_at=index["created_at"],
        updated_at=max(updated),
        modified_by=_last_editor(rows) if rows or posted is None else posted["modified_by"],
        edited_status="edited" if edited else "not_edited",
        stale_status="stale" if stale else "consistent",
        output=output,
        summary=output if posted is None else posted["summary"],
        error=error,
        tags=None if posted is None else posted["tags"],
        item_count=index.get("item_count"),
        is_outside=is_outside,
    )


def _last_editor(rows: Sequence[Document]) -> str:
    """Return who changed a task's rows last."""
    if not rows:
        return SYSTEM
    editor: str = max(rows, key=lambda row: cast("datetime", row["updated_at"]))["modified_by"]
    return editor


def _last_attempts(rows: Sequence[Document]) -> list[Document]:
    """Return each item's last attempt of its newest generation, in item order."""
    last: dict[int | None, Document] = {}
    for row in rows:
        held = last.get(row["item"])
        if held is None or _age(held) <= _age(row):
            last[row["item"]] = row
    return [last[item] for item in sorted(last, key=lambda item: -1 if item is None else item)]


def _age(row: Document) -> tuple[int, int]:
    """Return what orders the attempts of one item."""
    return row["generation"], row["attempt"]


def _status(row: Document) -> ProcessingStatus:
    """Return where an attempt leaves its task: one that failed may be followed by another."""
    status = ProcessingStatus(row["status"])
    if status is ProcessingStatus.FAILED and row["rank"] < SETTLED:
        return ProcessingStatus.RUNNING
    return status


def _of_single(
    last: Sequence[Document],
) -> tuple[ProcessingStatus, JsonValue, dict[str, JsonValue] | None]:
    """Return status, output and error of a task that runs once."""
    if not last:
        return ProcessingStatus.QUEUED, None, None
    row = last[-1]
    status = _status(row)
    output = row.get("output") if status is ProcessingStatus.COMPLETED else None
    error = row.get("error") if status is ProcessingStatus.FAILED else None
    return status, output, error


def _of_iteration(
    index: Document, last: Sequence[Document]
) -> tuple[ProcessingStatus, JsonValue, dict[str, JsonValue] | None]:
    """Return status, outputs in item order and the first error of an iteration."""
    statuses = [_status(row) for row in last]
    failed = [
        row for row, status in zip(last, statuses, strict=True) if status is ProcessingStatus.FAILED
    ]
    if failed:
        return ProcessingStatus.FAILED, None, failed[0].get("error")
    count = index.get("item_count")
    settled = _OF_STATE.get(TaskState(index["state"])) if index.get("state") else None
    edited = any(row["edited_status"] != "not_edited" for row in last)
    given_up = None if settled is ProcessingStatus.COMPLETED else settled
    if given_up is not None and not edited:
        return given_up, None, None
    is_whole = count is not None and len(last) >= count
    if is_whole and all(status is ProcessingStatus.COMPLETED for status in statuses):
        return ProcessingStatus.COMPLETED, cast("JsonValue", [row["output"] for row in last]), None
    if given_up is not None:
        return given_up, None, None
    if settled is None and any(status is ProcessingStatus.AWAITING_INPUT for status in statuses):
        return ProcessingStatus.AWAITING_INPUT, None, None
    return ProcessingStatus.RUNNING, None, None
