"""The history of the statuses of tasks, as outside workers report them in batches."""

from collections.abc import Sequence
from typing import Any

from store.faults import guarded
from store.reported_tasks import ReportedTasks, TaskStatusRecord, TaskWord
from store.transactions import in_transaction
from store.values import Database


class TaskStatusRepository:
    """Writes words on tasks of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._client = database.client
        self._tasks = ReportedTasks(database)

    @guarded
    async def add(
        self,
        organization_id: str,
        flow_execution_id: str,
        words: Sequence[TaskWord],
        modified_by: str,
    ) -> list[TaskStatusRecord]:
        """Apply words in order, in one transaction, and return a row of the history for each.

        Raises:
            FlowExecutionNotFoundError: None of this id in the organization, or deleted.
        """

        async def transact(session: Any) -> list[TaskStatusRecord]:
            execution = await self._tasks.current(organization_id, flow_execution_id, None, session)
            records = await self._tasks.note(execution, words, modified_by, session)
            await self._tasks.tell_suspension(execution, modified_by, session)
            return records

        return await in_transaction(self._client, transact)
