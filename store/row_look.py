"""What settling needs to know of rows; executions that settle together share the queries."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from store import collections, indexes
from store.group_commit import GroupCommit
from store.models import ProcessingStatus
from store.rows import NOT_EDITED, REPORTED
from store.values import Database, Document

MAX_BATCH = 50

_FIELDS = {
    "execution_id": 1,
    "task_name": 1,
    "item": 1,
    "rank": 1,
    "status": 1,
    "digest": 1,
    "edited_status": 1,
    "engine.digest": 1,
    "live": 1,
    "outside": 1,
}


@dataclass(slots=True)
class Known:
    """What the store holds of the rows in question.

    Attributes:
        by_id: Rows asked for by id, without their values.
        reusable: Task, item and output digest of visible completed rows of the tasks asked for.
        edited: Task and item of those among them that a person edited.
    """

    by_id: dict[str, Document] = field(default_factory=dict)
    reusable: set[tuple[str, int | None, str]] = field(default_factory=set)
    edited: set[tuple[str, int | None]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Question:
    execution_id: str
    ids: Sequence[str]
    reused: Collection[str]


class RowLook:
    """Reads rows of executions that are about to settle."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._group: GroupCommit[_Question, Known] = GroupCommit(self._read, max_batch=MAX_BATCH)

    async def at(self, execution_id: str, ids: Sequence[str], reused: Collection[str]) -> Known:
        """Return what is held of some rows, and of results that may be reused.

        Args:
            ids: Rows that the workflow has a word on.
            reused: Tasks of which it says that an earlier result was taken.
        """
        return await self._group.submit(_Question(execution_id, ids, reused))

    async def _read(self, questions: Sequence[_Question]) -> list[Known]:
        """Answer several questions with at most two queries."""
        queries = []
        ids = [each for asked in questions for each in asked.ids]
        if ids:
            queries.append(self._find({"_id": {"$in": ids}}))
        reusing = [asked for asked in questions if asked.reused]
        if reusing:
            queries.append(self._find(_completed(reusing), indexes.ROWS_BY_ITEM))
        rows: dict[str, list[Document]] = defaultdict(list)
        for found in await asyncio.gather(*queries):
            for row in found:
                rows[row["execution_id"]].append(row)
        return [_sorted(rows[asked.execution_id]) for asked in questions]

    async def _find(self, wanted: Document, hint: str | None = None) -> list[Document]:
        """Return rows without their values."""
        cursor = self._rows.find(wanted, _FIELDS)
        if hint is not None:
            cursor = cursor.hint(hint)
        found: list[Document] = await cursor.to_list(length=None)
        return found


def _completed(questions: Iterable[_Question]) -> Document:
    """Return the filter of results that may be reused."""
    return {
        "execution_id": {"$in": [asked.execution_id for asked in questions]},
        "task_name": {"$in": sorted({name for asked in questions for name in asked.reused})},
        "live": True,
        "status": ProcessingStatus.COMPLETED.value,
    }


def _sorted(rows: Iterable[Document]) -> Known:
    """Sort rows by what they are needed for."""
    known = Known()
    for row in rows:
        known.by_id[row["_id"]] = row
        is_reported = row["live"] and row["rank"] >= REPORTED and not row.get("outside")
        if is_reported and row["status"] == ProcessingStatus.COMPLETED.value:
            known.reusable.add((row["task_name"], row["item"], row["digest"]))
            if row["edited_status"] != NOT_EDITED:
                known.edited.add((row["task_name"], row["item"]))
    return known
