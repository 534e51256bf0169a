"""Data that outside systems submitted for tasks: one a task, kept for good.

Source: docs/decisions/0034-webhook-data.md.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import JsonValue
from pymongo.errors import DuplicateKeyError

from flows.canonical import digest
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.values import Database, Document, Values, encode


@dataclass(frozen=True, slots=True)
class WebhookData:
    """What was submitted for one task.

    Attributes:
        digest: ``flows.canonical.digest`` of the data, by which two submissions are compared.
    """

    id: str
    organization_id: str
    flow_execution_id: str
    task_name: str
    data: dict[str, JsonValue]
    digest: str


class WebhookDataRepository:
    """Stores submissions; of several for one task the first stands."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._data: Any = database[collections.WEBHOOK_DATA]
        self._values = Values(database)

    @guarded
    async def find(
        self, organization_id: str, flow_execution_id: str, task_name: str
    ) -> WebhookData | None:
        """Return what was submitted for a task; None if nothing was."""
        document = await self._data.find_one(
            {**_place(organization_id, flow_execution_id), "task_name": task_name},
            hint=indexes.WEBHOOK_DATA_BY_TASK,
        )
        return None if document is None else await self._read(document)

    @guarded
    async def add(
        self,
        organization_id: str,
        flow_execution_id: str,
        task_name: str,
        data: dict[str, JsonValue],
        modified_by: str,
    ) -> tuple[WebhookData, bool]:
        """Store a submission and return it, or the one that was there before, and which it is.

        Whatever comes at the same moment, exactly one is stored: the unique index decides.

        Returns:
            What is stored, and whether it is this very submission.

        Raises:
            StoreUnavailableError: Not known to be stored.
        """
        at = now()
        document: Document = {
            **_place(organization_id, flow_execution_id),
            "_id": str(uuid4()),
            "task_name": task_name,
            "data": await self._values.put(flow_execution_id, encode(data)),
            "digest": digest(data),
            "created_at": at,
            "updated_at": at,
            "modified_by": modified_by,
        }
        while True:
            try:
                await self._data.insert_one(document)
            except DuplicateKeyError:
                earlier = await self.find(organization_id, flow_execution_id, task_name)
                if earlier is None:
                    continue  # it was set aside this very moment
                return earlier, False
            return _data(document, data), True

    @guarded
    async def set_aside(self, found: WebhookData) -> None:
        """Let other data take the place of a submission; it is kept, and found no more."""
        place = _place(found.organization_id, found.flow_execution_id)
        aside = {"live": False, "updated_at": now()}
        await self._data.update_one({**place, "_id": found.id}, {"$set": aside})

    @guarded
    async def tasks_with_data(
        self, flow_execution_ids: Collection[str]
    ) -> Collection[tuple[str, str]]:
        """Return execution and task of each submission to these executions.

        Whoever asks has found the executions, each within its tenant.
        """
        wanted = {"execution_id": {"$in": sorted(flow_execution_ids)}, "live": True}
        cursor = self._data.find(wanted, {"execution_id": 1, "task_name": 1})
        cursor = cursor.hint(indexes.WEBHOOK_DATA_BY_TASK)
        return {(found["execution_id"], found["task_name"]) async for found in cursor}

    async def _read(self, document: Document) -> WebhookData:
        data = await self._values.get(document["data"])
        return _data(document, data if isinstance(data, dict) else {})


def _place(organization_id: str, flow_execution_id: str) -> Document:
    return {"execution_id": flow_execution_id, "organization_id": organization_id, "live": True}


def _data(document: Document, data: dict[str, JsonValue]) -> WebhookData:
    return WebhookData(
        id=document["_id"],
        organization_id=document["organization_id"],
        flow_execution_id=document["execution_id"],
        task_name=document["task_name"],
        data=data,
        digest=document["digest"],
    )
