"""Tasks as a whole, as outside workers report them: history, the last word, suspension.

Everything here is part of somebody's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from flows.errors import ExecutionSupersededError, FlowExecutionNotFoundError, InvalidError
from store import collections
from store.clock import now
from store.identity import task_output_id
from store.models import ExecutionStatus, ProcessingStatus
from store.outside import later_of
from store.rows import REPORTED
from store.values import Database, Document

_FIELDS = {
    "organization_id": 1,
    "flow_id": 1,
    "flow_version": 1,
    "generation": 1,
    "mode": 1,
    "is_open": 1,
}
_UNDER_WAY = [ExecutionStatus.RUNNING.value, ExecutionStatus.IN_PROGRESS.value]
_AWAITING = ProcessingStatus.AWAITING_INPUT.value


@dataclass(frozen=True, slots=True)
class TaskWord:
    """A word on a task.

    Attributes:
        word: As it was sent.
        status: What it comes closest to.
    """

    task_name: str
    word: str | None
    status: ProcessingStatus


@dataclass(frozen=True, slots=True)
class TaskStatusRecord:
    """One row of the history of a task's status."""

    id: str
    organization_id: str
    flow_execution_id: str
    task_name: str
    word: str | None
    status: ProcessingStatus
    created_at: datetime


class ReportedTasks:
    """Writes what is known of tasks as a whole."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._statuses: Any = database[collections.TASK_STATUSES]

    async def current(
        self,
        organization_id: str,
        flow_execution_id: str,
        generation: int | None,
        session: Any,
    ) -> Document:
        """Return what an execution says about its current generation.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
            ExecutionSupersededError: ``generation`` is an older one.
            InvalidError: ``generation`` has not begun.
        """
        execution: Document | None = await self._executions.find_one(
            {
                "_id": flow_execution_id,
                "organization_id": organization_id,
                "status": {"$ne": ExecutionStatus.DELETED.value},
            },
            _FIELDS,
            session=session,
        )
        if execution is None:
            raise FlowExecutionNotFoundError(
                "no such flow execution", flow_execution_id=flow_execution_id
            )
        facts = {"flow_execution_id": flow_execution_id, "generation": execution["generation"]}
        if generation is not None and generation > execution["generation"]:
            raise InvalidError("the execution has no such generation yet", **facts)
        if generation is not None and generation < execution["generation"]:
            raise ExecutionSupersededError("the execution was run again since", **facts)
        return execution

    async def ensure(self, execution: Document, task_name: str, session: Any) -> Document:
        """Have a task's output be there, and return its document as it was."""
        at = now()
        place = {"_id": task_output_id(execution["_id"], task_name)}
        before: Document | None = await self._outputs.find_one_and_update(
            place,
            {
                "$set": {
                    "flow_version": execution["flow_version"],
                    "outside": True,
                    "live": True,
                    "updated_at": at,
                },
                "$max": {"generation": execution["generation"]},
                "$setOnInsert": {
                    "organization_id": execution["organization_id"],
                    "flow_id": execution["flow_id"],
                    "execution_id": execution["_id"],
                    "task_name": task_name,
                    "is_iteration": False,
                    "item_count": None,
                    "state": None,
                    "created_at": at,
                },
            },
            upsert=True,
            session=session,
        )
        return before or {}

    async def note(
        self, execution: Document, words: Sequence[TaskWord], modified_by: str, session: Any
    ) -> list[TaskStatusRecord]:
        """Add words to the history, and keep the latest state of each task."""
        at = now()
        notes = [
            {
                "_id": str(uuid4()),
                "organization_id": execution["organization_id"],
                "flow_id": execution["flow_id"],
                "execution_id": execution["_id"],
                "generation": execution["generation"],
                "task_name": word.task_name,
                "word": word.word,
                "status": word.status.value,
                "position": position,
                "created_at": at,
                "modified_by": modified_by,
            }
            for position, word in enumerate(words)
        ]
        await self._statuses.insert_many(notes, session=session)
        for task_name in dict.fromkeys(word.task_name for word in words):
            before = await self.ensure(execution, task_name, session)
            told = [word for word in words if word.task_name == task_name]
            await self._outputs.update_one(
                {"_id": task_output_id(execution["_id"], task_name)},
                {"$set": {"reported": _reported(before, told, execution["generation"])}},
                session=session,
            )
        return [_record(note) for note in notes]

    async def tell_suspension(self, execution: Document, modified_by: str, session: Any) -> None:
        """Show on an open execution whether a task waits for a person."""
        place = {"_id": execution["_id"], "generation": execution["generation"]}
        if await self._is_suspended(execution, session):
            wanted = {"status": {"$in": _UNDER_WAY}, "is_open": True}
            status, mark = ExecutionStatus.AWAITING_INPUT, True
        else:
            wanted = {"status": ExecutionStatus.AWAITING_INPUT.value, "awaits_report": True}
            status, mark = ExecutionStatus.IN_PROGRESS, False
        fields = {
            "status": status.value,
            "awaits_report": mark,
            "updated_at": now(),
            "modified_by": modified_by,
        }
        await self._executions.update_one({**place, **wanted}, {"$set": fields}, session=session)

    async def _is_suspended(self, execution: Document, session: Any) -> bool:
        """Return whether anybody says of a task of this generation that it waits."""
        place = {"execution_id": execution["_id"], "live": True}
        current = execution["generation"]
        row = await self._rows.find_one(
            {**place, "status": _AWAITING, "generation": current, "rank": {"$lt": REPORTED}},
            {"_id": 1},
            session=session,
        )
        if row is not None:
            return True
        reported = {"reported.status": _AWAITING, "reported.generation": current}
        found = await self._outputs.find_one({**place, **reported}, {"_id": 1}, session=session)
        return found is not None


def _reported(before: Document, words: Sequence[TaskWord], generation: int) -> Document:
    """Return the latest state that words lead to, from what was known of the same generation."""
    held = before.get("reported")
    shown: ProcessingStatus | None = None
    word: str | None = None
    if held is not None and held["generation"] == generation:
        shown, word = ProcessingStatus(held["status"]), held["word"]
    for told in words:
        if told.status is not ProcessingStatus.DELETED:
            latest = later_of(told.status, shown)
            word = word if latest is shown else told.word
            shown = latest
    status = (shown or ProcessingStatus.QUEUED).value
    return {"status": status, "word": word, "generation": generation}


def _record(note: Document) -> TaskStatusRecord:
    """Return the record of a row of the history."""
    return TaskStatusRecord(
        id=note["_id"],
        organization_id=note["organization_id"],
        flow_execution_id=note["execution_id"],
        task_name=note["task_name"],
        word=note["word"],
        status=ProcessingStatus(note["status"]),
        created_at=note["created_at"],
    )
