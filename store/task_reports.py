"""Rows of task executions as outside workers report them.

A row belongs to whoever ran the attempt. What the workflow ran is its own: a report about it
changes nothing. Other rows are marked as outside, only move forward, and make way as soon as the
workflow writes at their place.

Source: docs/decisions/0039-reports-of-outside-workers.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from flows.canonical import digest
from store import collections
from store.clock import now, stored
from store.documents import ROW_VALUES, row_record
from store.faults import guarded
from store.identity import task_execution_id
from store.models import ProcessingStatus, TaskExecutionRecord
from store.outside import is_earlier, may_follow, rank_of
from store.reported_tasks import ReportedTasks, TaskWord
from store.rows import NOT_EDITED, SETTLED
from store.transactions import in_transaction
from store.values import Database, Document, Values, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """What a worker says about one attempt, or one item.

    Attributes:
        told: Names of the fields that were sent; others keep what they have.
        may_iterate: Whether the task may run once per item.
        ends_task: The status of the task as a whole, if this is its last report.
        generation: The run it is about; None for the current one.
    """

    flow_execution_id: str
    task_name: str
    task_execution_idx: int
    status: ProcessingStatus
    told: frozenset[str]
    may_iterate: bool
    input: JsonValue = None
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None
    source_task_executions: JsonValue = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    ends_task: ProcessingStatus | None = None
    generation: int | None = None


class TaskReportRepository:
    """Writes reports of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._tasks = ReportedTasks(database)
        self._values = Values(database)

    @guarded
    async def write(
        self, organization_id: str, report: TaskReport, modified_by: str
    ) -> TaskExecutionRecord:
        """Write a report, and the word on its task if it is the last, in one transaction.

        Returns:
            The row as it is now; unchanged where the report came too late, or where the workflow
            or a person has had its say.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
            ExecutionSupersededError: The report is about an older generation.
            InvalidError: It is about one that has not begun.
        """
        said = await self._said(report)

        async def transact(session: Any) -> Document:
            execution = await self._tasks.current(
                organization_id, report.flow_execution_id, report.generation, session
            )
            row = await self._written(execution, report, said, modified_by, session)
            if row.get("outside"):
                await self._tasks.ensure(execution, report.task_name, session)
            if report.ends_task is not None:
                word = TaskWord(report.task_name, report.ends_task.value, report.ends_task)
                await self._tasks.note(execution, [word], modified_by, session)
            await self._tasks.tell_suspension(execution, modified_by, session)
            return row

        row = await in_transaction(self._client, transact)
        await self._values.load([row], ROW_VALUES)
        return row_record(row)

    async def _said(self, report: TaskReport) -> Document:
        """Return the values that a report brings, as documents hold them."""
        sent: Mapping[str, JsonValue] = {
            "input": report.input,
            "output": report.output,
            "error": report.error,
            "source_task_executions": report.source_task_executions,
        }
        said: Document = {}
        for name, value in sent.items():
            if name in report.told:
                said[name] = await self._values.put(report.flow_execution_id, encode(value))
        for name, at in (("started_at", report.started_at), ("completed_at", report.completed_at)):
            if at is not None:
                said[name] = stored(at)
        if report.status is not ProcessingStatus.COMPLETED:
            said["output"] = None
        if report.status is not ProcessingStatus.FAILED:
            said["error"] = None
        said["digest"] = digest(report.output) if said.get("output") is not None else ""
        return said

    async def _written(
        self,
        execution: Document,
        report: TaskReport,
        said: Document,
        modified_by: str,
        session: Any,
    ) -> Document:
        """Return the row after the report, written if it changed."""
        place = {
            "execution_id": report.flow_execution_id,
            "task_name": report.task_name,
            "idx": report.task_execution_idx,
            "live": True,
        }
        held: Document | None = await self._rows.find_one(place, session=session)
        if held is not None and not _makes_way(held, execution):
            if not _is_open_to(held):
                return held
            row = {**held, **_changes(held, report, said)}
        else:
            row = await self._begun(execution, report, said, session)
            ours = {"_id": row["_id"], "live": True, "outside": {"$ne": True}}
            numbered_otherwise: Document | None = await self._rows.find_one(ours, session=session)
            if numbered_otherwise is not None:
                return numbered_otherwise
        if row != held:
            row |= {"updated_at": now(), "modified_by": modified_by}
            await self._rows.replace_one({"_id": row["_id"]}, row, upsert=True, session=session)
        return row

    async def _begun(
        self, execution: Document, report: TaskReport, said: Document, session: Any
    ) -> Document:
        """Return a new row, after hiding what earlier generations show of the task."""
        older: Document = {
            "execution_id": execution["_id"],
            "task_name": report.task_name,
            "live": True,
            "generation": {"$lt": execution["generation"]},
        }
        if execution["mode"] != "full":
            older["outside"] = True
        await self._rows.update_many(older, {"$set": {"live": False}}, session=session)
        idx = report.task_execution_idx
        item, attempt = (idx, 1) if report.may_iterate else (None, idx + 1)
        at = now()
        return {
            "_id": task_execution_id(
                execution["_id"], execution["generation"], report.task_name, item, attempt
            ),
            "organization_id": execution["organization_id"],
            "flow_id": execution["flow_id"],
            "flow_version": execution["flow_version"],
            "execution_id": execution["_id"],
            "task_name": report.task_name,
            "item": item,
            "attempt": attempt,
            "generation": execution["generation"],
            "idx": idx,
            "created_at": at,
            "live": True,
            "outside": True,
            "run_id": None,
            "fingerprint": "",
            "edited_status": NOT_EDITED,
            "stale_status": "consistent",
            "status": report.status.value,
            "rank": rank_of(report.status),
            **said,
        }


def _makes_way(held: Document, execution: Document) -> bool:
    """Return whether a row belongs to an earlier run, whose results count no longer.

    What the workflow may still reuse stays.
    """
    if held["generation"] >= execution["generation"]:
        return False
    is_discarded: bool = execution["mode"] == "full" and execution["is_open"]
    return is_discarded or bool(held.get("outside"))


def _is_open_to(held: Document) -> bool:
    """Return whether a row takes reports: nobody but outside workers has had a say in it."""
    is_ours = bool(held.get("outside")) and held["rank"] < SETTLED
    return is_ours and held["edited_status"] == NOT_EDITED


def _changes(held: Document, report: TaskReport, said: Document) -> Document:
    """Return what a report changes; one that comes too late only adds what was missing."""
    before = ProcessingStatus(held["status"])
    if is_earlier(report.status, before):
        names = ("input", "started_at", "source_task_executions")
        return {name: said[name] for name in names if name in said and held.get(name) is None}
    if not may_follow(report.status, before):
        return {}
    return {**said, "status": report.status.value, "rank": rank_of(report.status)}
