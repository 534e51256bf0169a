"""Reads a workflow's history into what became of each task: the last word when all else is gone."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.messages import (
    FlowExecutionResult,
    FlowExecutionStart,
    IterationStart,
    OpenTaskCall,
    TaskCall,
    TaskReply,
    TaskState,
)
from contracts.names import (
    BEGIN_WAIT,
    INTERNAL_ACTIVITIES,
    ITERATION,
    OPEN_TASK,
    task_of_effect,
)
from flows.canonical import digest
from flows.executors.activity import activity_output
from runtime.run_history import RunHistory, TaskHistory

RPC_TIMEOUT = timedelta(seconds=5)
LOCAL_ACTIVITY_MARKER = "core_local_activity"

_OPENINGS = frozenset({OPEN_TASK, BEGIN_WAIT})
_OURS = INTERNAL_ACTIVITIES - _OPENINGS
_STOPPING = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
    }
)

T = TypeVar("T")


class HistoryReader:
    """Reads histories through the client whose converter also wrote them."""

    def __init__(self, client: Client) -> None:
        """Borrow a client."""
        self._client = client
        self._converter = client.data_converter

    async def read(self, workflow_id: str, run_id: str | None = None) -> RunHistory | None:
        """Return what the run did; None if it is no flow execution's.

        Args:
            run_id: The current run unless given.

        Raises:
            RPCError: No such workflow, or the server does not answer.
        """
        events = self._events(workflow_id, run_id)
        first = await anext(events)
        started = first.workflow_execution_started_event_attributes
        start = await self._value(started.input, FlowExecutionStart)
        if start is None:
            return None
        run = RunHistory(start)
        await self._walk(events, _Scope(run))
        return run

    async def _events(self, workflow_id: str, run_id: str | None) -> AsyncIterator[HistoryEvent]:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
            yield event

    async def _walk(self, events: AsyncIterator[HistoryEvent], scope: "_Scope") -> None:
        children: list[tuple[str, str]] = []
        async for event in events:
            if event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
                child = event.child_workflow_execution_started_event_attributes
                if child.workflow_type.name == ITERATION:
                    execution = child.workflow_execution
                    children.append((execution.workflow_id, execution.run_id))
            elif not await self._read_activity(event, scope):
                scope.is_stopping |= event.event_type in _STOPPING
                if scope.is_parent:
                    await self._read_end(event, scope.run)
        for workflow_id, run_id in children:
            await self._read_child(workflow_id, run_id, scope.run)

    async def _read_child(self, workflow_id: str, run_id: str, run: RunHistory) -> None:
        """Take in a child workflow; one that Temporal has already forgotten says nothing."""
        events = self._events(workflow_id, run_id)
        try:
            first = await anext(events)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return
            raise
        start = await self._value(
            first.workflow_execution_started_event_attributes.input, IterationStart
        )
        if start is None:
            return
        run.item_counts[start.task.name] = start.item_count
        await self._walk(events, _Scope(run, iterated=start.task.name))

    async def _read_activity(self, event: HistoryEvent, scope: "_Scope") -> bool:
        """Take in an event about an activity; False if it is about something else.

        Our workflows do not wait for a cancelled activity: whatever it still does is ignored, by
        them and so here.
        """
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                await self._scheduled(event, scope)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                _started(event, scope)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                task = scope.by_event.get(completed.scheduled_event_id)
                await self._succeeded(task, completed.result.payloads, event, scope)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                task = scope.by_event.get(failed.scheduled_event_id)
                await self._failed(task, failed.failure, event, scope)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                timed_out = event.activity_task_timed_out_event_attributes
                task = scope.by_event.get(timed_out.scheduled_event_id)
                await self._failed(task, timed_out.failure, event, scope)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED:
                given_up = event.activity_task_cancel_requested_event_attributes
                task = scope.by_event.pop(given_up.scheduled_event_id, None)
                scope.close(task, event, TaskState.CANCELLED)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
                cancelled = event.activity_task_canceled_event_attributes
                task = scope.by_event.get(cancelled.scheduled_event_id)
                scope.close(task, event, TaskState.CANCELLED)
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                await self._marker(event, scope)
            case _:
                return False
        return True

    async def _scheduled(self, event: HistoryEvent, scope: "_Scope") -> None:
        scheduled = event.activity_task_scheduled_event_attributes
        is_remote = scope.remote_task(scheduled.activity_id) is not None
        if scheduled.activity_type.name in _OURS and not is_remote:
            return
        if scheduled.activity_type.name in _OPENINGS:
            await self._opened(scheduled.activity_id, scheduled.input, scope)
            return
        remote = scope.remote_task(scheduled.activity_id)
        if remote is not None:
            remote.executor = scheduled.activity_type.name
            scope.by_event[event.event_id] = remote
            return
        task = scope.task(scheduled.activity_id, scheduled.activity_type.name)
        task.call = await self._value(scheduled.input, TaskCall)
        task.state, task.failure = TaskState.RUNNING, None
        scope.by_event[event.event_id] = task

    async def _opened(self, activity_id: str, asked: Payloads, scope: "_Scope") -> None:
        """Take in that the workflow itself began with a task, which has not ended by that."""
        task = scope.task(activity_id, OPEN_TASK)
        task.attempt += 1
        task.is_opened = True
        task.state, task.failure = TaskState.RUNNING, None
        opening = await self._value(asked, OpenTaskCall)
        if opening is not None:
            task.call, task.started_at = opening.call, opening.began_at

    async def _marker(self, event: HistoryEvent, scope: "_Scope") -> None:
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != LOCAL_ACTIVITY_MARKER:
            return
        facts = json.loads(marker.details["data"].payloads[0].data)
        if facts["activity_type"] in _OURS:
            return
        if facts["activity_type"] in _OPENINGS:
            if not marker.HasField("failure"):
                await self._opened(facts["activity_id"], Payloads(), scope)
            return
        task = scope.task(facts["activity_id"], facts["activity_type"])
        task.attempt = facts["attempt"]
        if not marker.HasField("failure"):
            await self._succeeded(task, marker.details["result"].payloads, event, scope)
        elif facts["backoff"] is None:
            await self._local_failed(task, marker.failure, event, scope)

    async def _local_failed(
        self, task: TaskHistory, failure: Failure, event: HistoryEvent, scope: "_Scope"
    ) -> None:
        if failure.HasField("canceled_failure_info"):
            scope.close(task, event, TaskState.CANCELLED)
        else:
            await self._failed(task, failure, event, scope)

    async def _succeeded(
        self,
        task: TaskHistory | None,
        payloads: Sequence[Payload],
        event: HistoryEvent,
        scope: "_Scope",
    ) -> None:
        if task is not None:
            task.reply = await self._reply(task, Payloads(payloads=payloads))
            scope.close(task, event, TaskState.COMPLETED)

    async def _reply(self, task: TaskHistory, payloads: Payloads) -> TaskReply | None:
        """Return the answer of one of our activities, or that of somebody else's as one of ours."""
        if not task.is_remote:
            return await self._value(payloads, TaskReply)
        values = await self._converter.decode_wrapper(payloads)
        output = activity_output(values[0] if values else None)
        return TaskReply(output=output, output_digest=digest(output), attempt=task.attempt)

    async def _failed(
        self, task: TaskHistory | None, failure: Failure, event: HistoryEvent, scope: "_Scope"
    ) -> None:
        if task is not None:
            task.failure = await self._converter.decode_failure(failure)
            if task.is_remote and isinstance(task.failure, ApplicationError):
                task.failure = ApplicationError(task.failure.message, type=task.failure.type)
            scope.close(task, event, TaskState.FAILED)

    async def _read_end(self, event: HistoryEvent, run: RunHistory) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                completed = event.workflow_execution_completed_event_attributes
                run.result = await self._value(completed.result, FlowExecutionResult)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                failed = event.workflow_execution_failed_event_attributes
                run.failure = await self._converter.decode_failure(failed.failure)
            case (
                EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
                | EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
                | EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT
            ):
                pass
            case _:
                return
        run.is_closed = True
        run.closed_at = _at(event)

    async def _value(self, payloads: Payloads, model: type[T]) -> T | None:
        """Decode the first payload; None if there is none."""
        values: list[T] = await self._converter.decode_wrapper(payloads, [model])
        return values[0] if values else None


@dataclass(slots=True)
class _Scope:
    """The tasks of one history: of the parent, or of one child workflow of an iteration."""

    run: RunHistory
    iterated: str | None = None
    by_event: dict[int, TaskHistory] = field(default_factory=dict)
    is_stopping: bool = False

    def close(self, task: TaskHistory | None, event: HistoryEvent, state: TaskState) -> None:
        """Note how a task ended; a failure makes the workflow give up the others."""
        if task is None:
            return
        task.state = state
        task.completed_at = _at(event)
        task.is_late = self.is_stopping
        self.is_stopping |= state is TaskState.FAILED

    @property
    def is_parent(self) -> bool:
        return self.iterated is None

    def remote_task(self, activity_id: str) -> TaskHistory | None:
        """Return the entry of an activity that its workflow opened and somebody else runs."""
        place = task_of_effect(activity_id, self.run.start.flow_execution_id)
        if place is None:
            return None
        name, item = place
        found = self.run.tasks.get((name, None if self.iterated is None else item))
        if found is None or not found.is_opened:
            return None
        found.is_remote = True
        return found

    def task(self, activity_id: str, executor: str) -> TaskHistory:
        """Return the entry of an activity, a new one if there is none yet."""
        key: tuple[str, int | None] = (activity_id, None)
        if self.iterated is not None:
            key = (self.iterated, int(activity_id.rpartition("#")[2]))
        found = self.run.tasks.setdefault(key, TaskHistory(*key, executor=executor))
        found.executor = executor
        return found


def _started(event: HistoryEvent, scope: _Scope) -> None:
    started = event.activity_task_started_event_attributes
    task = scope.by_event.get(started.scheduled_event_id)
    if task is not None:
        task.attempt = task.attempt if task.is_remote else started.attempt
        task.started_at = _at(event)


def _at(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)
