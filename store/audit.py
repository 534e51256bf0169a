"""The truth check's way in: everything the read model serves, across organizations, read only."""

from collections.abc import Sequence
from typing import Any

from flows.errors import FlowExecutionNotFoundError
from store import collections
from store.documents import EXECUTION_VALUES, execution_record
from store.faults import guarded
from store.models import ExecutionRecord, TaskExecutionRecord, TaskOutputRecord
from store.slots import Slots
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository
from store.values import Database, Document, Values


class Audit:
    """Reads executions of all organizations, and of each what its readers are shown.

    Attributes:
        slots: Of organizations that have a limit.
    """

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._executions: Any = database[collections.EXECUTIONS]
        self._task_executions = TaskExecutionRepository(database)
        self._task_outputs = TaskOutputRepository(database)
        self._values = Values(database)
        self.slots = Slots(database)

    @guarded
    async def executions(self, *, after: str | None, limit: int) -> list[ExecutionRecord]:
        """Return executions by id, deleted ones too; the page that follows an id."""
        wanted: Document = {} if after is None else {"_id": {"$gt": after}}
        cursor = self._executions.find(wanted).sort("_id", 1).limit(limit)
        documents = await cursor.to_list(length=limit)
        await self._values.load(documents, EXECUTION_VALUES)
        return [execution_record(document) for document in documents]

    @guarded
    async def execution(self, flow_execution_id: str) -> ExecutionRecord:
        """Return an execution, deleted or not.

        Raises:
            FlowExecutionNotFoundError: None of this id.
        """
        document = await self._executions.find_one({"_id": flow_execution_id})
        if document is None:
            raise FlowExecutionNotFoundError(
                "no such flow execution", flow_execution_id=flow_execution_id
            )
        await self._values.load([document], EXECUTION_VALUES)
        return execution_record(document)

    @guarded
    async def rows(self, flow_execution_id: str) -> Sequence[TaskExecutionRecord]:
        """Return the visible task executions of an execution."""
        organization_id = await self._organization_of(flow_execution_id)
        return await self._task_executions.list(
            organization_id, flow_execution_id=flow_execution_id
        )

    @guarded
    async def outputs(self, flow_execution_id: str) -> Sequence[TaskOutputRecord]:
        """Return the visible task outputs of an execution."""
        organization_id = await self._organization_of(flow_execution_id)
        return await self._task_outputs.of_execution(organization_id, flow_execution_id)

    async def _organization_of(self, flow_execution_id: str) -> str:
        """Return whose execution it is."""
        return (await self.execution(flow_execution_id)).organization_id
