"""The definition that an execution is pinned to."""

from flows.model import Flow
from operations.definitions import Definitions
from store.flows import FlowRepository
from store.models import ExecutionRecord


class PinnedDefinitions:
    """Reads the version that an execution runs, whatever became of its flow."""

    def __init__(self, flows: FlowRepository, definitions: Definitions) -> None:
        """Borrow everything."""
        self._flows = flows
        self._definitions = definitions

    async def of(self, execution: ExecutionRecord) -> Flow:
        """Return the flow as that version says."""
        record = await self._flows.version(
            execution.organization_id, execution.flow_id, execution.flow_version
        )
        return self._definitions.of(record).flow

    async def task_names(self, execution: ExecutionRecord) -> frozenset[str]:
        """Return the names of its tasks."""
        return frozenset(task.name for task in (await self.of(execution)).tasks)
