"""Task outputs as readers see them: one for each task of an execution that ever ran."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from flows.errors import TaskOutputNotFoundError
from store import collections, indexes
from store.aggregates import aggregate
from store.documents import ROW_VALUES
from store.faults import guarded
from store.invitations import of_flows
from store.models import TaskOutputRecord
from store.values import Database, Document, Values

BATCH = 200

POSTED_VALUES = ("summary", "output", "error", "tags")

_WITHOUT_VALUES = {"input": 0, "source_task_executions": 0}


class TaskOutputRepository:
    """Reads the aggregates of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._outputs: Any = database[collections.TASK_OUTPUTS]
        self._rows: Any = database[collections.TASK_EXECUTIONS]
        self._values = Values(database)

    @guarded
    async def list(
        self,
        organization_id: str,
        *,
        limit: int | None = None,
        after: str | None = None,
        only: Collection[str] | None = None,
    ) -> Sequence[TaskOutputRecord]:
        """Return task outputs by creation, newest first; ties are broken by id.

        Args:
            limit: None for the whole organization.
            after: Id of the task output that the list continues behind.
            only: Flows whose task outputs may be shown at all; None for every flow.

        Raises:
            TaskOutputNotFoundError: ``after`` is none of the organization's.
        """
        wanted: Document = {"organization_id": organization_id, "live": True, **of_flows(only)}
        if after is not None:
            anchor = await self._document(organization_id, after, only)
            wanted["$and"] = [
                {"created_at": {"$lte": anchor["created_at"]}},
                {
                    "$or": [
                        {"created_at": {"$lt": anchor["created_at"]}},
                        {"_id": {"$lt": anchor["_id"]}},
                    ]
                },
            ]
        return await self._read(wanted, indexes.OUTPUTS_BY_CREATED, limit)

    @guarded
    async def get(
        self, organization_id: str, task_output_id: str, *, only: Collection[str] | None = None
    ) -> TaskOutputRecord:
        """Return one task output.

        Args:
            only: As for ``list``.

        Raises:
            TaskOutputNotFoundError: None of this id in the organization, or hidden.
        """
        index = await self._document(organization_id, task_output_id, only)
        return (await self._aggregates([index]))[0]

    @guarded
    async def by_version(
        self, organization_id: str, flow_id: str, version: int
    ) -> Sequence[TaskOutputRecord]:
        """Return the task outputs of executions that ran one version of a flow, newest first."""
        wanted = {
            "organization_id": organization_id,
            "flow_id": flow_id,
            "flow_version": version,
            "live": True,
        }
        return await self._read(wanted, indexes.OUTPUTS_BY_VERSION, None)

    @guarded
    async def of_execution(
        self,
        organization_id: str,
        flow_execution_id: str,
        *,
        task_names: Collection[str] | None = None,
    ) -> Sequence[TaskOutputRecord]:
        """Return the task outputs of one execution, or those of some tasks, by task name."""
        wanted: Document = {
            "execution_id": flow_execution_id,
            "organization_id": organization_id,
            "live": True,
        }
        if task_names is not None:
            wanted["task_name"] = {"$in": sorted(task_names)}
        cursor = self._outputs.find(wanted).hint(indexes.OUTPUTS_BY_EXECUTION)
        records = await self._aggregates(await cursor.to_list(length=None))
        return sorted(records, key=lambda record: record.task_name)

    async def _read(
        self, wanted: Document, hint: str, limit: int | None
    ) -> Sequence[TaskOutputRecord]:
        """Return aggregates in the order of an index, joined with their rows in batches."""
        cursor = self._outputs.find(wanted).sort([("created_at", -1), ("_id", -1)]).hint(hint)
        if limit is not None:
            cursor = cursor.limit(limit)
        records: Sequence[TaskOutputRecord] = ()
        while found := await cursor.to_list(length=BATCH):
            records = [*records, *await self._aggregates(found)]
        return records

    async def _aggregates(self, found: Sequence[Document]) -> Sequence[TaskOutputRecord]:
        """Return what each index document stands for, reading all their rows in one query."""
        names: dict[str, set[str]] = defaultdict(set)
        for index in found:
            names[index["execution_id"]].add(index["task_name"])
        if not names:
            return []
        places = [
            {"execution_id": execution_id, "task_name": {"$in": sorted(tasks)}, "live": True}
            for execution_id, tasks in names.items()
        ]
        rows: dict[tuple[str, str], list[Document]] = defaultdict(list)
        wanted = places[0] if len(places) == 1 else {"$or": places}
        async for row in self._rows.find(wanted, _WITHOUT_VALUES):
            rows[row["execution_id"], row["task_name"]].append(row)
        for found_rows in rows.values():
            await self._values.load(found_rows, ROW_VALUES)
        posted = [index["posted"] for index in found if index.get("posted") is not None]
        await self._values.load(posted, POSTED_VALUES)
        return [
            aggregate(index, rows[index["execution_id"], index["task_name"]]) for index in found
        ]

    async def _document(
        self, organization_id: str, task_output_id: str, only: Collection[str] | None
    ) -> Document:
        """Return a live index document."""
        wanted = {"_id": task_output_id, "organization_id": organization_id, "live": True}
        index: Document | None = await self._outputs.find_one(wanted | of_flows(only))
        if index is None:
            raise TaskOutputNotFoundError("no such task output", task_output_id=task_output_id)
        return index
