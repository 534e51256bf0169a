"""Tags of tasks: added and removed in batches, each of them wholly or not at all.

A tag is the five things that it is about: execution, task, tag, type and metadata. Its id follows
from them, so one that was removed comes back as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import JsonValue
from pymongo import ReplaceOne

from flows.canonical import digest
from flows.errors import FlowExecutionNotFoundError
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.identity import SEPARATOR
from store.models import ExecutionStatus
from store.tag_words import TaggedTask, TagWords
from store.transactions import in_transaction
from store.values import Database, Document, decode, encode

MAX_EXECUTIONS_AT_ONCE = 500

_TASK_TAGS = UUID("0d7b6c0f-52f5-4d0b-8f4b-6a3a7a53a0c4")
_ACTIVE = "active"
_DELETED = "deleted"


class TagOutcome(StrEnum):
    """What became of one change."""

    ADDED = "added"
    REMOVED = "removed"
    ALREADY_EXISTS = "already_exists"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class TagChange:
    """One tag to add, or to remove."""

    operation: Literal["add", "remove"]
    flow_execution_id: str
    task_name: str
    tag: str
    tag_type: str
    tag_metadata: JsonValue = None

    @property
    def id(self) -> str:
        """Return the id of the tag; equal metadata are equal whatever the order of their keys."""
        return str(
            uuid5(
                _TASK_TAGS,
                SEPARATOR.join(
                    (
                        self.flow_execution_id,
                        digest([self.task_name, self.tag_type, self.tag, self.tag_metadata]),
                    )
                ),
            )
        )


@dataclass(frozen=True, slots=True)
class TaskTag:
    """A tag that a task has."""

    id: str
    organization_id: str
    flow_execution_id: str
    task_name: str
    tag: str
    tag_type: str
    tag_metadata: JsonValue
    created_at: datetime
    updated_at: datetime
    modified_by: str
    status: str = _ACTIVE


class TaskTagRepository:
    """Reads and writes the tags of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._tags: Any = database[collections.TASK_TAGS]
        self._executions: Any = database[collections.EXECUTIONS]
        self._words = TagWords(database)

    @guarded
    async def change(
        self, organization_id: str, changes: Sequence[TagChange], modified_by: str
    ) -> list[TagOutcome]:
        """Make changes in order, in one transaction; later ones see what earlier ones did.

        Returns:
            What became of each. None of it is an error.

        Raises:
            FlowExecutionNotFoundError: One of the executions is none of the organization's, or was
                deleted; then nothing is changed.
            StoreUnavailableError: Not known to be written.
        """
        execution_ids = sorted({change.flow_execution_id for change in changes})

        async def transact(session: Any) -> list[TagOutcome]:
            flow_ids = {
                execution_id: await self._hold(organization_id, execution_id, session)
                for execution_id in execution_ids
            }
            wanted = {"_id": {"$in": [change.id for change in changes]}}
            held = {tag["_id"]: tag async for tag in self._tags.find(wanted, session=session)}
            book = _Book(organization_id, modified_by, flow_ids, held)
            outcomes = [book.enter(change) for change in changes]
            if book.touched:
                await self._tags.bulk_write(
                    [ReplaceOne({"_id": key}, held[key], upsert=True) for key in book.touched],
                    session=session,
                )
                await self._renew_words(book.tasks(), session)
            return outcomes

        return await in_transaction(self._client, transact)

    @guarded
    async def list(
        self, organization_id: str, flow_execution_id: str, task_name: str | None = None
    ) -> Sequence[TaskTag]:
        """Return the tags of an execution's tasks, by task and age."""
        wanted, order = tag_criteria(organization_id, [flow_execution_id])
        if task_name is not None:
            wanted["task_name"] = task_name
        cursor = self._tags.find(wanted).sort(order).hint(indexes.TAGS_BY_EXECUTION)
        return [_tag(document) async for document in cursor]

    @guarded
    async def of_executions(
        self, organization_id: str, flow_execution_ids: Iterable[str]
    ) -> Mapping[tuple[str, str], Sequence[TaskTag]]:
        """Return tags by execution and task, of many executions at once."""
        ids = sorted(set(flow_execution_ids))
        found: dict[tuple[str, str], list[TaskTag]] = {}
        for start in range(0, len(ids), MAX_EXECUTIONS_AT_ONCE):
            some = ids[start : start + MAX_EXECUTIONS_AT_ONCE]
            wanted, order = tag_criteria(organization_id, some)
            cursor = self._tags.find(wanted).sort(order).hint(indexes.TAGS_BY_EXECUTION)
            async for document in cursor:
                tag = _tag(document)
                found.setdefault((tag.flow_execution_id, tag.task_name), []).append(tag)
        return found

    async def _hold(self, organization_id: str, execution_id: str, session: Any) -> str:
        """Have batches about one execution follow each other; return the execution's flow."""
        document = await self._executions.find_one_and_update(
            {
                "_id": execution_id,
                "organization_id": organization_id,
                "status": {"$ne": ExecutionStatus.DELETED.value},
            },
            {"$inc": {"tag_batches": 1}},
            projection={"flow_id": 1},
            session=session,
        )
        if document is None:
            raise FlowExecutionNotFoundError(
                "no such flow execution", flow_execution_id=execution_id
            )
        flow_id: str = document["flow_id"]
        return flow_id

    async def _renew_words(self, tasks: Sequence[TaggedTask], session: Any) -> None:
        """Find executions by the tags that their tasks have now."""
        for task in tasks:
            place = {
                "organization_id": task.organization_id,
                "execution_id": task.flow_execution_id,
                "task_name": task.task_name,
                "status": _ACTIVE,
            }
            cursor = self._tags.find(place, {"tag": 1, "tag_type": 1}, session=session)
            words = {f"{tag['tag_type']}:{tag['tag']}" async for tag in cursor}
            await self._words.keep(task, "tagged", words, session)


@dataclass(slots=True)
class _Book:
    """The tags of a batch as they are, change by change.

    Attributes:
        held: Documents by id; replaced, never changed, so that a transaction may begin again.
    """

    organization_id: str
    modified_by: str
    flow_ids: Mapping[str, str]
    held: dict[str, Document]
    touched: dict[str, TagChange] = field(default_factory=dict)

    def enter(self, change: TagChange) -> TagOutcome:
        """Make one change, and say what became of it."""
        tag = self.held.get(change.id)
        is_there = tag is not None and tag["status"] == _ACTIVE
        if change.operation == "add":
            if is_there:
                return TagOutcome.ALREADY_EXISTS
            self._write(change, _ACTIVE)
            return TagOutcome.ADDED
        if not is_there:
            return TagOutcome.NOT_FOUND
        self._write(change, _DELETED)
        return TagOutcome.REMOVED

    def tasks(self) -> list[TaggedTask]:
        """Return each task with a changed tag, once, in an order that all batches share."""
        return sorted(
            {
                TaggedTask(
                    self.organization_id,
                    self.flow_ids[change.flow_execution_id],
                    change.flow_execution_id,
                    change.task_name,
                )
                for change in self.touched.values()
            }
        )

    def _write(self, change: TagChange, status: str) -> None:
        at = now()
        before = self.held.get(change.id, {"created_at": at})
        self.held[change.id] = {
            "_id": change.id,
            "organization_id": self.organization_id,
            "flow_id": self.flow_ids[change.flow_execution_id],
            "execution_id": change.flow_execution_id,
            "task_name": change.task_name,
            "tag": change.tag,
            "tag_type": change.tag_type,
            "metadata": encode(change.tag_metadata),
            "status": status,
            "created_at": before["created_at"],
            "updated_at": at,
            "modified_by": self.modified_by,
        }
        self.touched[change.id] = change


def tag_criteria(
    organization_id: str, flow_execution_ids: Sequence[str]
) -> tuple[Document, list[tuple[str, int]]]:
    """Return the filter of tags and their order, which one index matches."""
    wanted: Document = {
        "organization_id": organization_id,
        "execution_id": {"$in": [*flow_execution_ids]},
        "status": _ACTIVE,
    }
    order = [("execution_id", 1), ("task_name", 1), ("created_at", 1), ("_id", 1)]
    return wanted, order


def _tag(document: Document) -> TaskTag:
    """Return the tag that a document describes."""
    return TaskTag(
        id=document["_id"],
        organization_id=document["organization_id"],
        flow_execution_id=document["execution_id"],
        task_name=document["task_name"],
        tag=document["tag"],
        tag_type=document["tag_type"],
        tag_metadata=decode(document["metadata"]),
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        modified_by=document["modified_by"],
        status=document["status"],
    )
