"""Use case: a person puts another output in the place of what a task yielded.

Source: docs/corrections.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from flows.canonical import digest
from flows.errors import (
    ConflictError,
    InvalidError,
    InvalidOutputError,
    TaskExecutionNotFoundError,
    UnavailableError,
)
from flows.fitting import output_faults
from flows.inputs import completed_input
from flows.model import Flow
from operations.caller import Caller, Role
from operations.definitions import Definitions
from operations.readings import Readings
from operations.reexecution import ReExecution
from store.edits import Edit, EditOvertakenError, EditRepository
from store.executions import ExecutionRepository
from store.models import ExecutionRecord, FlowRecord, ProcessingStatus, TaskExecutionRecord
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository

MAX_TRIES = 10

_MENDED = (ProcessingStatus.FAILED, ProcessingStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A task execution as somebody sends it back.

    Attributes:
        organization_id: None where it was left out.
        status: The word of ``processing_status``, or else of ``status``.
        output: Counts only with ``has_output``: left out, it stays as it is.
    """

    id: str
    flow_execution_id: str
    task_name: str
    task_execution_idx: int
    organization_id: str | None
    status: str
    output: JsonValue = None
    has_output: bool = False


class Corrections:
    """Changes results for callers, and has what follows from it run again if asked."""

    def __init__(
        self,
        *,
        executions: ExecutionRepository,
        task_executions: TaskExecutionRepository,
        task_outputs: TaskOutputRepository,
        edits: EditRepository,
        again: ReExecution,
        definitions: Definitions,
    ) -> None:
        """Borrow everything."""
        self._executions = executions
        self._task_executions = task_executions
        self._task_outputs = task_outputs
        self._edits = edits
        self._again = again
        self._definitions = definitions

    async def correct(
        self, caller: Caller, correction: Correction, *, execute_flow: bool = False
    ) -> TaskExecutionRecord:
        """Take another output for a task execution; one that equals the old changes nothing.

        Args:
            execute_flow: Whether to run again what is stale afterwards, on the same version.

        Raises:
            TaskExecutionNotFoundError: No such row, foreign or hidden; or too low a role.
            FlowExecutionNotFoundError: Its execution was deleted.
            InvalidOutputError: The output does not fit the task's output.
            InvalidError: Something else differs that cannot be changed, or now is not the time.
        """
        row = await self._task_executions.get(caller.organization_id, correction.id)
        if not caller.role.at_least(Role.INTEGRATION):
            raise TaskExecutionNotFoundError("no such task execution", task_execution_id=row.id)
        _ensure_same_place(row, correction)
        record = await self._executions.get(caller.organization_id, row.flow_execution_id)
        version = await self._again.pinned(record)
        if execute_flow:
            await self._again.ensure_runnable(version, record)
        if _is_change(row, correction):
            row = await self._changed(caller, row, record, version, correction.output)
        if execute_flow:
            await self._run_stale(caller, record, version)
        return row

    async def _changed(
        self,
        caller: Caller,
        row: TaskExecutionRecord,
        record: ExecutionRecord,
        version: FlowRecord,
        output: JsonValue,
    ) -> TaskExecutionRecord:
        """Write the edit; what it is computed from is read again should it change meanwhile."""
        flow = self._definitions.of(version).flow
        _ensure_fits(flow, row.task_name, output)
        readings = Readings(flow)
        dependants = readings.graph.dependants(row.task_name)
        for _ in range(MAX_TRIES):
            edit = Edit(
                organization_id=caller.organization_id,
                flow_execution_id=row.flow_execution_id,
                task_execution_id=row.id,
                output=output,
                fingerprint=await self._fingerprint(row, record, flow, readings),
                dependants=sorted(dependants),
                modified_by=caller.modified_by,
                edits_before=record.edit_count,
                flow_version=record.flow_version,
            )
            try:
                return await self._edits.apply(edit)
            except EditOvertakenError:
                record = await self._executions.get(caller.organization_id, record.id)
                if record.flow_version != version.version:
                    raise InvalidError(
                        "the execution has moved on to another version of its flow",
                        flow_version=record.flow_version,
                    ) from None
        raise UnavailableError("too many change results of this execution at once")

    async def _fingerprint(
        self, row: TaskExecutionRecord, record: ExecutionRecord, flow: Flow, readings: Readings
    ) -> str | None:
        """Return what the result depends on as things stand; None if that cannot be told."""
        needed = readings.needed_by(row.task_name)
        if not needed:
            return None
        found = await self._task_outputs.of_execution(
            record.organization_id, record.id, task_names=needed
        )
        outputs: dict[str, JsonValue] = {}
        for each in found:
            if each.processing_status is not ProcessingStatus.COMPLETED:
                return None
            outputs[each.task_name] = each.output
        if record.input_task_name in needed:
            outputs[record.input_task_name] = await self._input(record, flow)
        return readings.fingerprint(row.task_name, row.item, outputs)

    async def _input(self, record: ExecutionRecord, flow: Flow) -> JsonValue:
        """Return the output of the input task that fired."""
        edited = await self._task_executions.edited_output(
            record.organization_id, record.id, record.input_task_name
        )
        if edited is not None:
            return edited[0]
        return completed_input(flow, record.input_task_name, record.input)

    async def _run_stale(
        self, caller: Caller, record: ExecutionRecord, version: FlowRecord
    ) -> None:
        """Run what is stale on the version that is pinned, whoever else begins a run meanwhile."""
        for _ in range(MAX_TRIES):
            record = await self._executions.get(record.organization_id, record.id)
            if record.flow_version != version.version:
                version = await self._again.pinned(record)
            try:
                await self._again.begin(
                    record, version, "stale", caller.modified_by, is_limited=caller.is_limited
                )
            except ConflictError:
                continue
            return
        raise UnavailableError("others keep running this execution again")


def _ensure_same_place(row: TaskExecutionRecord, sent: Correction) -> None:
    """Refuse to move a row.

    Raises:
        InvalidError: It names another execution, task, position or organization.
    """
    wanted: Mapping[str, tuple[JsonValue, JsonValue]] = {
        "flow_execution_id": (row.flow_execution_id, sent.flow_execution_id),
        "task_name": (row.task_name, sent.task_name),
        "task_execution_idx": (row.task_execution_idx, sent.task_execution_idx),
        "organization_id": (row.organization_id, sent.organization_id or row.organization_id),
    }
    other = [name for name, (held, given) in wanted.items() if held != given]
    if other:
        raise InvalidError(f"cannot be changed: {', '.join(other)}", fields=list(other))


def _is_change(row: TaskExecutionRecord, sent: Correction) -> bool:
    """Return whether another output is to be written.

    Raises:
        InvalidError: A status that a person cannot set, or an output for what has not completed.
    """
    is_same = sent.has_output is False or digest(sent.output) == digest(row.output)
    # A client of the one-word status sends back ``stale`` for a row that is.
    if sent.status in (row.processing_status.value, "stale"):
        if row.processing_status is ProcessingStatus.COMPLETED:
            return not is_same
        if is_same:
            return False
        raise InvalidError("only a completed task execution has an output", status=sent.status)
    if sent.status != ProcessingStatus.COMPLETED.value or row.processing_status not in _MENDED:
        raise InvalidError(
            f"cannot go from {row.processing_status.value} to {sent.status}", status=sent.status
        )
    if not sent.has_output:
        raise InvalidError("a completed task execution needs an output", status=sent.status)
    return True


def _ensure_fits(flow: Flow, task_name: str, output: JsonValue) -> None:
    """Refuse an output that the task could not have yielded.

    Raises:
        InvalidOutputError: It could not.
        InvalidError: The execution's version of the flow has no such task.
    """
    task = next((task for task in flow.tasks if task.name == task_name), None)
    if task is None:
        raise InvalidError("the flow has no such task any more", task_name=task_name)
    faults = output_faults(task, output)
    if faults:
        raise InvalidOutputError(f"the output does not fit task '{task_name}'", faults)
