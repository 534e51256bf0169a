"""Use case: what running an execution again would do.

Source: docs/corrections.md, "The plan".
"""

from dataclasses import dataclass, replace
from typing import Literal

from flows.changes import changes
from operations.access import ExecutionAccess
from operations.caller import Caller
from operations.definitions import Definitions
from operations.plans import PlannedTask, Planner
from operations.reexecution import ReExecution
from operations.starting import Starter
from store.executions import ExecutionRepository
from store.task_executions import TaskExecutionRepository


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """What would run, be reused or be skipped.

    Attributes:
        flow_version: The version that would run.
    """

    flow_execution_id: str
    flow_version: int
    only_stale: bool
    tasks: list[PlannedTask]


class Planning:
    """Plans runs for callers; changes nothing."""

    def __init__(
        self,
        *,
        executions: ExecutionRepository,
        task_executions: TaskExecutionRepository,
        again: ReExecution,
        starter: Starter,
        definitions: Definitions,
    ) -> None:
        """Borrow everything."""
        self._access = ExecutionAccess(executions)
        self._task_executions = task_executions
        self._again = again
        self._starter = starter
        self._definitions = definitions

    async def plan(
        self, caller: Caller, flow_execution_id: str, *, only_stale: bool
    ) -> ExecutionPlan:
        """Return what ``execute`` would do now; an execution that runs may have moved on by then.

        Raises:
            FlowExecutionNotFoundError: No such execution, or deleted.
            ForbiddenError: It belongs to another organization.
            ConflictError: The flow's latest version cannot run on the execution's input.
        """
        record = await self._access.get(caller, flow_execution_id)
        latest = await self._again.latest(record)
        mode: Literal["full", "stale"] = "stale" if only_stale else "full"
        again = replace(record, mode=mode, flow_version=latest.version)
        start = await self._starter.message(again, latest)
        before = self._definitions.of(await self._again.pinned(record)).flow
        edited = await self._task_executions.edited(caller.organization_id, record.id)
        found = changes(before, start.definition)
        planner = Planner(start, edited, found, is_full=not only_stale)
        return ExecutionPlan(record.id, latest.version, only_stale, planner.tasks())
