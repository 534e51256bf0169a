"""Task executions as readers see them: live rows, newest first."""

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import JsonValue

from contracts.messages import Seed
from flows.errors import TaskExecutionNotFoundError
from store import collections, indexes
from store.clock import now
from store.documents import load_row_values, row_record
from store.faults import guarded
from store.invitations import of_flows
from store.models import ProcessingStatus, TaskExecutionRecord
from store.rows import NOT_EDITED, REPORTED, SETTLED
from store.values import Database, Document, Values


class TaskExecutionRepository:
    """Reads attempts of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._values = Values(database)

    @guarded
    async def list(
        self,
        organization_id: str,
        *,
        flow_execution_id: str | None = None,
        task_name: str | None = None,
        idx: int | None = None,
        limit: int | None = None,
        after: str | None = None,
        only: Collection[str] | None = None,
    ) -> Sequence[TaskExecutionRecord]:
        """Return attempts by creation, newest first; ties are broken by id.

        Args:
            limit: None for everything that matches.
            after: Id of the task execution that the list continues behind.
            only: Flows whose executions may be shown at all; None for every flow.

        Raises:
            TaskExecutionNotFoundError: ``after`` is none of the organization's.
        """
        anchor = None if after is None else await self._document(organization_id, after, only)
        wanted, hint = row_criteria(
            organization_id, flow_execution_id, task_name, idx, anchor=anchor, only=only
        )
        cursor = self._rows.find(wanted).sort([("created_at", -1), ("_id", -1)]).hint(hint)
        if limit is not None:
            cursor = cursor.limit(limit)
        rows = await cursor.to_list(length=limit)
        await load_row_values(self._values, rows)
        return [row_record(row) for row in rows]

    @guarded
    async def get(
        self,
        organization_id: str,
        task_execution_id: str,
        *,
        only: Collection[str] | None = None,
    ) -> TaskExecutionRecord:
        """Return one attempt.

        Args:
            only: As for ``list``.

        Raises:
            TaskExecutionNotFoundError: None of this id in the organization, or deleted.
        """
        row = await self._document(organization_id, task_execution_id, only)
        await load_row_values(self._values, [row])
        return row_record(row)

    @guarded
    async def interrupt(
        self, organization_id: str, flow_execution_id: str, generation: int
    ) -> None:
        """Show as cancelled what earlier generations had under way; no end of it counts any more.

        Repeatable, also once this generation runs.
        """
        at = now()
        open_rows = {
            "execution_id": flow_execution_id,
            "organization_id": organization_id,
            "generation": {"$lt": generation},
            "rank": {"$lt": REPORTED},
            "live": True,
        }
        undone = {
            "status": ProcessingStatus.CANCELLED.value,
            "rank": SETTLED,
            "completed_at": at,
            "updated_at": at,
        }
        await self._rows.update_many(open_rows, {"$set": undone}, hint=indexes.ROWS_OPEN)

    @guarded
    async def seeds(self, organization_id: str, flow_execution_id: str) -> Sequence[Seed]:
        """Return every completed result of an execution, the last attempt of each task and item.

        In order of task and item. Results without a fingerprint, as of input tasks, are no seeds.
        """
        cursor = (
            self._rows.find(
                {
                    "execution_id": flow_execution_id,
                    "live": True,
                    "organization_id": organization_id,
                },
                {"task_name": 1, "item": 1, "attempt": 1, "generation": 1}
                | {"status": 1, "output": 1, "fingerprint": 1},
            )
            .sort([("task_name", 1), ("item", 1), ("attempt", 1)])
            .hint(indexes.ROWS_BY_ITEM)
        )
        last: dict[tuple[str, int | None], Document] = {}
        async for row in cursor:
            held = last.get((row["task_name"], row["item"]))
            if held is None or held["generation"] <= row["generation"]:
                last[row["task_name"], row["item"]] = row
        kept = [
            row
            for row in last.values()
            if row["status"] == ProcessingStatus.COMPLETED.value and row.get("fingerprint")
        ]
        await self._values.load(kept, ("output",))
        return [
            Seed(
                task_name=row["task_name"],
                item=row["item"],
                output=row["output"],
                fingerprint=row["fingerprint"],
                attempt=row["attempt"],
            )
            for row in kept
        ]

    @guarded
    async def edited(
        self, organization_id: str, flow_execution_id: str
    ) -> set[tuple[str, int | None]]:
        """Return the tasks and items of an execution whose results a person changed."""
        wanted = {
            "execution_id": flow_execution_id,
            "organization_id": organization_id,
            "live": True,
            "edited_status": {"$ne": NOT_EDITED},
        }
        cursor = self._rows.find(wanted, {"task_name": 1, "item": 1}).hint(indexes.ROWS_BY_ITEM)
        return {(row["task_name"], row["item"]) async for row in cursor}

    @guarded
    async def edited_output(
        self, organization_id: str, flow_execution_id: str, task_name: str
    ) -> tuple[JsonValue] | None:
        """Return what a person put in place of a task's output; None if nobody did."""
        row = await self._rows.find_one(
            {
                "execution_id": flow_execution_id,
                "organization_id": organization_id,
                "task_name": task_name,
                "item": None,
                "live": True,
                "edited_status": {"$ne": NOT_EDITED},
            },
            {"output": 1},
        )
        return None if row is None else (await self._values.get(row["output"]),)

    async def _document(
        self, organization_id: str, task_execution_id: str, only: Collection[str] | None
    ) -> Document:
        """Return a live row's document."""
        wanted = {"_id": task_execution_id, "organization_id": organization_id, "live": True}
        row: Document | None = await self._rows.find_one(wanted | of_flows(only))
        if row is None:
            raise TaskExecutionNotFoundError(
                "no such task execution", task_execution_id=task_execution_id
            )
        return row


def row_criteria(
    organization_id: str,
    flow_execution_id: str | None,
    task_name: str | None,
    idx: int | None,
    *,
    anchor: Document | None = None,
    only: Collection[str] | None = None,
) -> tuple[Document, str]:
    """Return the filter of a list, and the index that matches it and its sort."""
    wanted: Document = {"organization_id": organization_id, "live": True, **of_flows(only)}
    if flow_execution_id is not None:
        wanted["execution_id"] = flow_execution_id
    if task_name is not None:
        wanted["task_name"] = task_name
    if idx is not None:
        wanted["idx"] = idx
    if anchor is not None:
        at, after = anchor["created_at"], anchor["_id"]
        wanted["$and"] = [
            {"created_at": {"$lte": at}},
            {"$or": [{"created_at": {"$lt": at}}, {"_id": {"$lt": after}}]},
        ]
    return wanted, _hint(flow_execution_id is not None, task_name is not None, idx is not None)


def _hint(has_execution: bool, has_task: bool, has_idx: bool) -> str:
    """Return the index for a combination of filters."""
    if has_execution and has_task:
        return indexes.ROWS_BY_IDX if has_idx else indexes.ROWS_BY_TASK_IN_EXECUTION
    if has_execution:
        return indexes.ROWS_BY_EXECUTION
    if has_task:
        return indexes.ROWS_BY_TASK
    return indexes.ROWS_BY_IDX_IN_ORGANIZATION if has_idx else indexes.ROWS_BY_ORGANIZATION
