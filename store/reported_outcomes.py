"""What became of a task that the workflow has not run, by what outside workers said of it.

Three things are known: rows, the last word on the task as a whole, and a task output that was
posted. A task is only shown as completed together with its data, unless it was skipped.

Source: docs/outside-workers.md, "What counts".
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from pydantic import JsonValue

from store.models import ProcessingStatus
from store.outside import SKIPPED, has_ended, is_earlier
from store.values import Document

_WAITING = ProcessingStatus.AWAITING_INPUT


class Outcome(NamedTuple):
    """Status of a task, its output and its error."""

    status: ProcessingStatus
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None


def reported_outcome(index: Document, rows: Sequence[Document]) -> Outcome:
    """Return what is known of a task.

    Args:
        index: The task's document, its posted values loaded.
        rows: Its live rows, the last one of each place, values loaded.
    """
    newest = max((row["generation"] for row in rows), default=0)
    outcome = _of_rows([row for row in rows if row["generation"] == newest])
    reported = index.get("reported")
    if reported is not None and reported["generation"] >= newest:
        outcome = _with_word(outcome, reported, has_rows=bool(rows))
    posted = posted_of(index, newest)
    return outcome if posted is None else _with_post(outcome, posted)


def posted_of(index: Document, newest: int) -> Document | None:
    """Return what was posted of a task, unless rows of a later generation are shown."""
    posted: Document | None = index.get("posted")
    return posted if posted is not None and posted["generation"] >= newest else None


def _of_rows(rows: Sequence[Document]) -> Outcome:
    """Return what rows say: the last attempt of a single task, all items of an iteration."""
    if not rows:
        return Outcome(ProcessingStatus.QUEUED)
    ordered = sorted(rows, key=lambda row: cast("int", row["idx"]))
    items = [row for row in ordered if row["item"] is not None]
    counted = items if len(items) > 1 else ordered[-1:]
    statuses = [ProcessingStatus(row["status"]) for row in counted]
    if ProcessingStatus.FAILED in statuses:
        failed = counted[statuses.index(ProcessingStatus.FAILED)]
        return Outcome(ProcessingStatus.FAILED, error=_error(failed.get("error")))
    under_way = [status for status in statuses if not has_ended(status)]
    if under_way:
        return Outcome(_WAITING if _WAITING in under_way else under_way[-1])
    if ProcessingStatus.CANCELLED in statuses:
        return Outcome(ProcessingStatus.CANCELLED)
    outputs: list[JsonValue] = [row.get("output") for row in counted]
    return Outcome(ProcessingStatus.COMPLETED, outputs if len(items) > 1 else outputs[0])


def _with_word(outcome: Outcome, reported: Document, *, has_rows: bool) -> Outcome:
    """Return what is known of a task after the last word on it as a whole."""
    status = ProcessingStatus(reported["status"])
    if status is ProcessingStatus.COMPLETED:
        if outcome.status is ProcessingStatus.COMPLETED or reported["word"] == SKIPPED:
            return outcome._replace(status=ProcessingStatus.COMPLETED)
        return Outcome(ProcessingStatus.RUNNING)
    if has_ended(status):
        return Outcome(status, error=outcome.error)
    is_behind = has_rows and (has_ended(outcome.status) or is_earlier(status, outcome.status))
    if is_behind or outcome.status is _WAITING:
        return outcome
    return outcome._replace(status=status)


def _with_post(outcome: Outcome, posted: Document) -> Outcome:
    """Return what is known of a task of which an output was posted."""
    status = ProcessingStatus(posted["status"])
    if is_earlier(status, outcome.status):
        output = outcome.output if posted["output"] is None else posted["output"]
        return outcome._replace(output=output)
    output = posted["output"]
    if output is None and outcome.status is status:
        output = outcome.output
    return Outcome(status, output, _error(posted["error"]))


def _error(error: JsonValue) -> dict[str, JsonValue] | None:
    """Return an error as task outputs show it: with a message, at least."""
    if error is None:
        return None
    return {"message": "", **error} if isinstance(error, dict) else {"message": str(error)}
