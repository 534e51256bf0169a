"""What people change of results, in one transaction with everything that follows from it.

Source: docs/corrections.md.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from pymongo import ReturnDocument

from flows.canonical import digest
from flows.errors import (
    FlowExecutionNotFoundError,
    InvalidError,
    TaskExecutionNotFoundError,
)
from store import collections
from store.clock import now
from store.documents import load_row_values, row_record
from store.faults import guarded
from store.models import ExecutionStatus, ProcessingStatus, TaskExecutionRecord
from store.rows import NOT_EDITED, SETTLED
from store.staleness import CONSISTENT, EDITED, STALE, Staleness
from store.transactions import in_transaction
from store.values import Database, Document, Values, encode

_EXECUTION_FIELDS = {
    "flow_version": 1,
    "generation": 1,
    "mode": 1,
    "is_open": 1,
    "status": 1,
    "error": 1,
    "outdated": 1,
    "edit_count": 1,
}


_SAID = ("output", "digest", "status", "error")


@dataclass(frozen=True, slots=True)
class Edit:
    """Another output for one task execution.

    Attributes:
        fingerprint: Of what the result depends on, as it is now; None where nobody can tell, then
            the old one stays.
        dependants: Every task that depends on the edited one, directly or not.
        edits_before: How often results of the execution had been edited when ``fingerprint`` was
            computed.
        flow_version: Of the definition that ``dependants`` come from.
    """

    organization_id: str
    flow_execution_id: str
    task_execution_id: str
    output: JsonValue
    fingerprint: str | None
    dependants: Collection[str]
    modified_by: str
    edits_before: int
    flow_version: int


class EditOvertakenError(Exception):
    """Something that the edit was computed from has changed; never reaches a caller."""


class EditRepository:
    """Writes edits of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._executions: Any = database[collections.EXECUTIONS]
        self._staleness = Staleness(database)
        self._values = Values(database)

    @guarded
    async def apply(self, edit: Edit) -> TaskExecutionRecord:
        """Replace an output, mark what depends on it, and show both in the execution's status.

        The last one to write wins. What the engine said is kept beside the first edit.

        Raises:
            FlowExecutionNotFoundError: The execution was deleted meanwhile.
            TaskExecutionNotFoundError: The row is not shown any more.
            InvalidError: It is not the last attempt; or the execution runs, and it has no result
                yet, or the run is about to replace it.
            EditOvertakenError: Another edit, or another version, came first; nothing is written.
        """
        held = await self._values.put(edit.flow_execution_id, encode(edit.output))

        async def transact(session: Any) -> Document:
            execution = await self._locked_execution(edit, session)
            row = await self._row(edit, session)
            ensure_editable(row, execution)
            written = await self._write(edit, row, held, execution["edit_count"], session)
            await self._staleness.mark(edit.flow_execution_id, edit.dependants, session)
            await self._show(edit, execution, row, session)
            return written

        document = await in_transaction(self._client, transact)
        await load_row_values(self._values, [document])
        return row_record(document)

    async def _locked_execution(self, edit: Edit, session: Any) -> Document:
        """Return the execution, written to, so that its close comes before or after all of this.

        Raises:
            FlowExecutionNotFoundError: It is gone.
            EditOvertakenError: It is not what the edit was computed from.
        """
        found: Document | None = await self._executions.find_one_and_update(
            {
                "_id": edit.flow_execution_id,
                "organization_id": edit.organization_id,
                "status": {"$ne": ExecutionStatus.DELETED.value},
            },
            {
                "$set": {"updated_at": now(), "modified_by": edit.modified_by},
                "$inc": {"edit_count": 1},
            },
            projection=_EXECUTION_FIELDS,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if found is None:
            raise FlowExecutionNotFoundError(
                "no such flow execution", flow_execution_id=edit.flow_execution_id
            )
        before = found["edit_count"] - 1
        if (before, found["flow_version"]) != (edit.edits_before, edit.flow_version):
            raise EditOvertakenError("another edit came first")
        return found

    async def _row(self, edit: Edit, session: Any) -> Document:
        """Return the row as it is now.

        Raises:
            TaskExecutionNotFoundError: It is gone.
            InvalidError: It is not the last attempt.
        """
        row: Document | None = await self._rows.find_one(
            {"_id": edit.task_execution_id, "organization_id": edit.organization_id, "live": True},
            session=session,
        )
        if row is None:
            raise TaskExecutionNotFoundError(
                "no such task execution", task_execution_id=edit.task_execution_id
            )
        later = [
            {"generation": {"$gt": row["generation"]}},
            {"generation": row["generation"], "attempt": {"$gt": row["attempt"]}},
        ]
        place = {name: row[name] for name in ("execution_id", "task_name", "item")}
        if await self._rows.find_one({**place, "live": True, "$or": later}, session=session):
            raise InvalidError(
                "another attempt came after it, and counts", task_execution_id=row["_id"]
            )
        return row

    async def _write(
        self, edit: Edit, row: Document, held: object, number: int, session: Any
    ) -> Document:
        """Write the row, and return it as it is then."""
        at = now()
        fields: Document = {
            "output": held,
            "digest": digest(edit.output),
            "status": ProcessingStatus.COMPLETED.value,
            "error": None,
            "rank": SETTLED,
            "edited_status": EDITED,
            "edit": number,
            "stale_status": CONSISTENT,
            "completed_at": row.get("completed_at") or at,
            "updated_at": at,
            "modified_by": edit.modified_by,
        }
        if edit.fingerprint is not None:
            fields["fingerprint"] = edit.fingerprint
        if row["edited_status"] == NOT_EDITED:
            fields["engine"] = {name: row.get(name) for name in _SAID}
        await self._rows.update_one({"_id": row["_id"]}, {"$set": fields}, session=session)
        return {**row, **fields}

    async def _show(self, edit: Edit, execution: Document, row: Document, session: Any) -> None:
        """Show the edit in the execution: at once if it has ended, else when it closes."""
        if execution["is_open"]:
            number = execution["edit_count"]
            outdated = {each["task"]: each["edit"] for each in execution.get("outdated") or ()}
            if row["item"] is None:
                outdated.pop(row["task_name"], None)
            outdated |= dict.fromkeys(edit.dependants, number)
            listed = [{"task": name, "edit": at} for name, at in sorted(outdated.items())]
            fields: Document = {"outdated": listed}
        else:
            has_stale = await self._staleness.has_any(edit.flow_execution_id, session)
            fields = {"status": status_after_edit(execution, has_stale=has_stale)}
        await self._executions.update_one(
            {"_id": edit.flow_execution_id}, {"$set": fields}, session=session
        )


def ensure_editable(row: Document, execution: Document) -> None:
    """Refuse an edit that the run going on would swallow.

    Raises:
        InvalidError: It would.
    """
    if not execution["is_open"]:
        return
    if row["status"] != ProcessingStatus.COMPLETED.value:
        raise InvalidError(
            "the execution is running: until it has ended, only completed results can be changed",
            task_execution_id=row["_id"],
        )
    is_older = row["generation"] < execution["generation"]
    if is_older and (execution["mode"] == "full" or row["stale_status"] == STALE):
        raise InvalidError(
            "the execution is running again and is about to replace this result",
            task_execution_id=row["_id"],
        )


def status_after_edit(execution: Document, *, has_stale: bool) -> str:
    """Return the status of an execution that has ended, after an edit.

    One that failed goes on to say so unless something is outdated, and one that was cancelled in
    any case: an edit does not finish what they left undone.
    """
    shown = ExecutionStatus(execution["status"])
    if shown is ExecutionStatus.CANCELLED:
        return shown.value
    if has_stale:
        return ExecutionStatus.STALE.value
    has_failed = shown is ExecutionStatus.FAILED or execution.get("error") is not None
    return ExecutionStatus.FAILED.value if has_failed else ExecutionStatus.EDITED.value
