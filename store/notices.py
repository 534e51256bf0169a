"""What committed changes mean to whoever follows a flow.

A collection is told of by one entry in ``WATCHED``: which of its changes matter, what has to be
known of the changed document, and which notices that makes. Documents name their
``organization_id`` and ``flow_id``: a reader who catches up is served by the store's own filter on
them.

Source: docs/api.md, "Events"; docs/decisions/0043-events-from-change-streams.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from contracts.messages import TaskState
from store import collections
from store.identity import task_output_id
from store.models import ProcessingStatus
from store.rows import NOT_EDITED, SETTLED
from store.status import status_word
from store.values import Document
from store.words import STATUS

_SHOWN_OF_ROWS = frozenset(
    {"status", "digest", "edited_status", "stale_status", "live", "updated_at"}
)
_CORRECTED = frozenset({"digest", "edited_status", "stale_status"})
_DECIDED = (ProcessingStatus.COMPLETED, ProcessingStatus.CANCELLED)


class NoticeKind(StrEnum):
    """What happened."""

    EXECUTION_CREATED = "flow_execution.created"
    EXECUTION_STATUS = "flow_execution.status"
    TASK_STATUS = "task_status.updated"
    TASK_EXECUTION = "task_execution.updated"
    TASK_OUTPUT = "task_output.created"
    TASK_OUTPUT_SUMMARY = "task_output.summary"
    TASK_TAGS = "task_tags.updated"


class FlowKey(NamedTuple):
    """The flow that a notice is about, and whose it is."""

    organization_id: str
    flow_id: str


class Moment(NamedTuple):
    """A point in the order in which MongoDB commits; several changes may share one."""

    seconds: int
    increment: int


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of one document.

    Whether something is told, and in how many notices, follows from ``fields`` and from what never
    changes of a document, so that it is the same whenever the change is read.

    Attributes:
        fields: What was written, of what matters; all of that where the document is new.
        document: The document, at least as new as the change.
    """

    collection: str
    is_new: bool
    at: Moment
    told_at: datetime
    fields: Document
    document: Document

    @property
    def flow(self) -> FlowKey:
        """Return the flow that the document belongs to."""
        return FlowKey(self.document["organization_id"], self.document["flow_id"])

    def now(self, name: str) -> object:
        """Return a field as the change left it, where it says so, else as it is today."""
        return self.fields[name] if name in self.fields else self.document.get(name)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of a change.

    Attributes:
        subject_id: Of the document that it is about.
    """

    kind: NoticeKind
    flow: FlowKey
    flow_execution_id: str
    task_name: str | None
    status: str | None
    at: datetime
    subject_id: str
    data: Mapping[str, JsonValue]


class Watched(NamedTuple):
    """How one collection is told of.

    Attributes:
        changed: An update of one of these fields matters.
        known: What else has to be known of the document.
    """

    changed: tuple[str, ...]
    known: tuple[str, ...]
    notices: Callable[[Change], Iterable[Notice]]


def notices_of(change: Change) -> list[Notice]:
    """Return what a change means, in a fixed order; often nothing."""
    watched = WATCHED.get(change.collection)
    return [] if watched is None else list(watched.notices(change))


def _of_execution(change: Change) -> Iterable[Notice]:
    if not change.is_new and "status" not in change.fields:
        return
    kind = NoticeKind.EXECUTION_CREATED if change.is_new else NoticeKind.EXECUTION_STATUS
    document = change.document
    data: dict[str, JsonValue] = {
        "flow_version": document["flow_version"],
        "modified_by": _text(change.now("modified_by")),
    }
    if change.is_new:
        data |= {
            "run_number": document["run_number"],
            "triggered_task_executor_name": document.get("triggered_task_executor_name"),
        }
    yield _notice(change, kind, document["_id"], None, str(change.now("status")), data)


def _of_row(change: Change) -> Iterable[Notice]:
    row, fields = change.document, change.fields
    status = ProcessingStatus(str(change.now("status")))
    is_hidden = fields.get("live") is False
    edited, stale = str(change.now("edited_status")), str(change.now("stale_status"))
    if not _SHOWN_OF_ROWS.isdisjoint(fields):
        shown = ProcessingStatus.DELETED if is_hidden else status
        data: dict[str, JsonValue] = {
            "id": row["_id"],
            "task_execution_idx": row["idx"],
            "processing_status": shown.value,
            "edited_status": edited,
            "stale_status": stale,
            "modified_by": _text(change.now("modified_by")),
        }
        kind = NoticeKind.TASK_EXECUTION
        word = status_word(shown, stale)
        yield _notice(change, kind, row["execution_id"], row["task_name"], word, data)
    if not is_hidden and _decides_output(change):
        output_id = task_output_id(row["execution_id"], row["task_name"])
        yield from _of_output(change, output_id, status, stale, edited != NOT_EDITED)


def _decides_output(change: Change) -> bool:
    """Return whether a row's change makes, or changes, what its task shows as its output.

    An attempt that failed decides nothing before the workflow has given the task up. Of an
    iteration, the items together decide, so only what is corrected afterwards counts.
    """
    fields = change.fields
    is_corrected = not change.is_new and not _CORRECTED.isdisjoint(fields)
    if change.document["item"] is not None:
        return is_corrected and "status" not in fields
    is_settled = fields.get("rank") == SETTLED
    if "status" not in fields:
        return is_corrected or is_settled
    status = fields["status"]
    return status in _DECIDED or (status == ProcessingStatus.FAILED and is_settled)


def _of_index(change: Change) -> Iterable[Notice]:
    """Tell of an iteration that the workflow has closed, or of what somebody outside posted.

    All else about outputs is in rows.
    """
    posted = change.fields.get("posted")
    if posted is not None:
        yield from _of_output(
            change,
            change.document["_id"],
            ProcessingStatus(posted["status"]),
            posted["stale_status"],
            posted["edited_status"] != NOT_EDITED,
        )
        return
    state = change.fields.get("state")
    status = None if state is None else STATUS.get(TaskState(state))
    if status is not None:
        yield from _of_output(change, change.document["_id"], status, "consistent", False)


def _of_output(
    change: Change, output_id: str, status: ProcessingStatus, stale: str, is_edited: bool
) -> Iterable[Notice]:
    data: dict[str, JsonValue] = {
        "id": output_id,
        "processing_status": status.value,
        "edited_status": "edited" if is_edited else NOT_EDITED,
        "stale_status": stale,
    }
    place = change.document["execution_id"], change.document["task_name"]
    for kind in (NoticeKind.TASK_OUTPUT, NoticeKind.TASK_OUTPUT_SUMMARY):
        yield _notice(change, kind, *place, status_word(status, stale), data, output_id)


def _notice(
    change: Change,
    kind: NoticeKind,
    flow_execution_id: str,
    task_name: str | None,
    status: str | None,
    data: Mapping[str, JsonValue],
    subject_id: str | None = None,
) -> Notice:
    return Notice(
        kind=kind,
        flow=change.flow,
        flow_execution_id=flow_execution_id,
        task_name=task_name,
        status=status,
        at=change.told_at,
        subject_id=subject_id or change.document["_id"],
        data=data,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _of_tag(change: Change) -> Iterable[Notice]:
    """Tell of a tag; how it became active or deleted is in its status."""
    tag, status = change.document, str(change.now("status"))
    data: dict[str, JsonValue] = {
        "id": tag["_id"],
        "tag": tag["tag"],
        "tag_type": tag["tag_type"],
        "modified_by": _text(change.now("modified_by")),
    }
    place = tag["execution_id"], tag["task_name"]
    yield _notice(change, NoticeKind.TASK_TAGS, *place, status, data)


def _of_report(change: Change) -> Iterable[Notice]:
    """Tell of what somebody outside reported on a task; reports are only ever added."""
    if change.is_new:
        report = change.document
        place = report["execution_id"], report["task_name"]
        yield _notice(
            change, NoticeKind.TASK_STATUS, *place, report["status"], {"id": report["_id"]}
        )


WATCHED: Mapping[str, Watched] = {
    collections.EXECUTIONS: Watched(
        changed=("status",),
        known=("flow_version", "run_number", "triggered_task_executor_name", "modified_by"),
        notices=_of_execution,
    ),
    collections.TASK_EXECUTIONS: Watched(
        changed=(*sorted(_SHOWN_OF_ROWS), "rank"),
        known=("execution_id", "task_name", "idx", "item", "modified_by"),
        notices=_of_row,
    ),
    collections.TASK_OUTPUTS: Watched(
        changed=("state", "posted.status"),
        known=("execution_id", "task_name", "posted.edited_status", "posted.stale_status"),
        notices=_of_index,
    ),
    collections.TASK_STATUSES: Watched(
        changed=("status",), known=("execution_id", "task_name"), notices=_of_report
    ),
    collections.TASK_TAGS: Watched(
        changed=("status",),
        known=("execution_id", "task_name", "tag", "tag_type", "modified_by"),
        notices=_of_tag,
    ),
}
"""How each collection is told of, by its name."""
