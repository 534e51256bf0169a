"""Use cases of outside workers: programs that run tasks of flows and report on them over HTTP.

A report tells the read model, never the workflow: what the workflow runs is its own.

Source: docs/outside-workers.md.
"""

from collections.abc import Sequence
from dataclasses import replace

from flows.errors import FlowExecutionNotFoundError, ForbiddenError, InvalidError
from flows.iteration import single_references
from flows.model import Flow, Task
from operations.access import ExecutionAccess
from operations.caller import Caller
from operations.pinned import PinnedDefinitions
from store.executions import ExecutionRepository
from store.models import (
    ExecutionRecord,
    ProcessingStatus,
    TaskExecutionRecord,
    TaskOutputRecord,
)
from store.outside import nearest_status
from store.posted_outputs import PostedOutput, PostedOutputRepository
from store.reported_tasks import TaskStatusRecord, TaskWord
from store.task_outputs import TaskOutputRepository
from store.task_reports import TaskReport, TaskReportRepository
from store.task_statuses import TaskStatusRepository


class OutsideWorkers:
    """What outside workers may report."""

    def __init__(
        self,
        *,
        executions: ExecutionRepository,
        pinned: PinnedDefinitions,
        reports: TaskReportRepository,
        statuses: TaskStatusRepository,
        posted: PostedOutputRepository,
        task_outputs: TaskOutputRepository,
    ) -> None:
        """Borrow everything."""
        self._access = ExecutionAccess(executions)
        self._pinned = pinned
        self._reports = reports
        self._statuses = statuses
        self._posted = posted
        self._task_outputs = task_outputs

    async def report(self, caller: Caller, report: TaskReport) -> TaskExecutionRecord:
        """Write what a worker says about one attempt; the same key is the same row.

        Raises:
            FlowExecutionNotFoundError: No such execution, deleted or foreign.
            InvalidError: The execution has no such task, or the status is none to report.
            ExecutionSupersededError: The report names a generation that is over.
        """
        record = await self._access.get(
            caller, report.flow_execution_id, tells_foreign=False, reports=True
        )
        task = _task(await self._pinned.of(record), record, report.task_name)
        if report.status is ProcessingStatus.DELETED:
            raise InvalidError("a task execution cannot be reported as deleted")
        known = replace(report, may_iterate=_may_iterate(task))
        return await self._reports.write(caller.organization_id, known, caller.modified_by)

    async def add_statuses(
        self, caller: Caller, flow_execution_id: str, words: Sequence[tuple[str, str | None]]
    ) -> list[TaskStatusRecord]:
        """Add words on tasks to their history, in order.

        Args:
            words: Task names, each with a word of any kind.

        Raises:
            ForbiddenError: The credential is no machine's, or the execution is foreign.
            FlowExecutionNotFoundError: No such execution, or deleted.
            InvalidError: The execution has no such task.
        """
        if not caller.is_service_level:
            raise ForbiddenError("only machines report statuses of tasks", role=caller.role.value)
        record = await self._access.get(caller, flow_execution_id, reports=True)
        flow = await self._pinned.of(record)
        told = [
            TaskWord(_task(flow, record, task_name).name, word, nearest_status(word))
            for task_name, word in words
        ]
        return await self._statuses.add(
            caller.organization_id, flow_execution_id, told, caller.modified_by
        )

    async def post_output(
        self, caller: Caller, organization_id: str, posted: PostedOutput
    ) -> TaskOutputRecord:
        """Replace what was posted of a task as a whole.

        Raises:
            FlowExecutionNotFoundError: No such execution, deleted or foreign, or not of the
                organization that the caller names.
            InvalidError: The execution has no such task.
        """
        if organization_id != caller.organization_id:
            raise FlowExecutionNotFoundError(
                "no such flow execution", flow_execution_id=posted.flow_execution_id
            )
        record = await self._access.get(
            caller, posted.flow_execution_id, tells_foreign=False, reports=True
        )
        _task(await self._pinned.of(record), record, posted.task_name)
        output_id = await self._posted.put(caller.organization_id, posted, caller.modified_by)
        return await self._task_outputs.get(caller.organization_id, output_id)


def _task(flow: Flow, record: ExecutionRecord, task_name: str) -> Task:
    """Return a task of the version that an execution is pinned to."""
    for task in flow.tasks:
        if task.name == task_name:
            return task
    raise InvalidError(
        "the execution has no such task", flow_execution_id=record.id, task_name=task_name
    )


def _may_iterate(task: Task) -> bool:
    """Return whether a task may run once per item of a list."""
    found = single_references(task)
    return any(is_single for texts in found.values() for is_single in texts.values())
