"""Use cases of the tags of tasks."""

from collections.abc import Iterable, Mapping, Sequence

from flows.errors import InvalidError
from operations.access import ExecutionAccess
from operations.caller import Caller
from operations.pinned import PinnedDefinitions
from store.executions import ExecutionRepository
from store.task_tags import TagChange, TagOutcome, TaskTag, TaskTagRepository


class TaskTags:
    """What callers may do with tags; a foreign execution looks absent."""

    def __init__(
        self, executions: ExecutionRepository, tags: TaskTagRepository, pinned: PinnedDefinitions
    ) -> None:
        """Borrow everything."""
        self._access = ExecutionAccess(executions)
        self._tags = tags
        self._pinned = pinned

    async def change(self, caller: Caller, changes: Sequence[TagChange]) -> list[TagOutcome]:
        """Make changes in order; all of them or, on any error, none.

        Raises:
            FlowExecutionNotFoundError: One of the executions does not exist, or was deleted.
            InvalidError: One of the tasks is none of its execution's.
        """
        names = {
            execution_id: await self._pinned.task_names(
                await self._access.get(caller, execution_id, tells_foreign=False)
            )
            for execution_id in dict.fromkeys(change.flow_execution_id for change in changes)
        }
        for change in changes:
            if change.task_name not in names[change.flow_execution_id]:
                raise InvalidError(
                    "the execution has no such task",
                    flow_execution_id=change.flow_execution_id,
                    task_name=change.task_name,
                )
        return await self._tags.change(caller.organization_id, changes, caller.modified_by)

    async def list(
        self, caller: Caller, flow_execution_id: str, task_name: str | None = None
    ) -> Sequence[TaskTag]:
        """Return the tags of an execution's tasks; of an unknown task none.

        Raises:
            FlowExecutionNotFoundError: No such execution, or deleted.
        """
        record = await self._access.get(caller, flow_execution_id, tells_foreign=False)
        return await self._tags.list(caller.organization_id, record.id, task_name)

    async def of_executions(
        self, caller: Caller, flow_execution_ids: Iterable[str]
    ) -> Mapping[tuple[str, str], Sequence[TaskTag]]:
        """Return tags by execution and task, of many executions at once."""
        return await self._tags.of_executions(caller.organization_id, flow_execution_ids)
