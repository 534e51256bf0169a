"""A worker whose activities do what a test says and remember what they were asked.

It stands where the engine meets its activities: the workflows, the Temporal server and the
converter are the real ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.data import DataActivities
from activities.failures import activity_failure
from activities.waiting import WaitActivities
from contracts.messages import (
    AllWaitCall,
    AllWaitReply,
    CloseTaskCall,
    CloseTaskReply,
    FireCall,
    FireReply,
    OpenTaskCall,
    OpenTaskReply,
    SettleExecutionCall,
    SettleExecutionReply,
    SettleTasksCall,
    SettleTasksReply,
    TaskCall,
    TaskReply,
    TaskSettlement,
    WaitCall,
    WaitReply,
    WokenCall,
    WokenReply,
)
from contracts.names import (
    BEGIN_WAIT,
    CLOSE_TASK,
    FIRE_TRIGGER,
    LOOK_FOR_DELIVERY,
    NOTE_ALL_WAIT,
    NOTE_WOKEN,
    OPEN_TASK,
    SETTLE_EXECUTION,
    SETTLE_TASKS,
    SUPERSEDED,
    activity_id,
)
from flows.canonical import digest
from flows.errors import TaskFailedError
from flows.executors.catalogue import EXECUTORS, executor_named
from flows.executors.spec import Kind
from flows.executors.wait import WAIT
from runtime.temporal import workflow_runner
from workflows.flow_execution import FlowExecutionWorkflow
from workflows.iteration import IterationWorkflow
from workflows.scheduled_start import ScheduledStartWorkflow

Behaviour = Callable[[TaskCall], Awaitable[JsonValue]]


def failure(
    message: str, *, type: str = "Broken", retryable: bool = False, attempt: int = 1
) -> ApplicationError:
    """Return a failure as the platform's activities report it."""
    error = {"message": message, "type": type, "traceback": f"Traceback of {type}"}
    return ApplicationError(message, error, attempt, type=type, non_retryable=not retryable)


@dataclass
class Recorder:
    """What tests say and see.

    Attributes:
        behaviours: What a task does, by its name; others do as in production.
        calls: Every attempt, in the order in which they began.
        fired: What schedules asked to start.
        opened: What workflows said they had begun with.
        ended: What they said had ended of that.
        store_faults: How many calls of the store fail before it answers.
        lacks: Names of tasks whose outputs the store says it lacks, once.
        refuses: Names of tasks that may not wait.
        asked: Which tasks asked to wait, each time.
        come: What is stored for tasks that wait, by name, and by ``name#item``.
        waits: What workflows said they wait for, whom to signal included.
        looks: How often they looked for it since.
        parked: When they said that all of them waits: by which workflow, and for which children.
        woken: Which workflows asked to go on.
        refused_admissions: How often such a question is answered with no.
        supersedes: Whether the store says that a newer generation owns the execution.
        most_at_once: The largest number of attempts of one task that were in flight together.
    """

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    calls: list[TaskCall] = field(default_factory=list)
    fired: list[FireCall] = field(default_factory=list)
    ended: list[CloseTaskCall] = field(default_factory=list)
    opened: list[OpenTaskCall] = field(default_factory=list)
    settled: list[TaskSettlement] = field(default_factory=list)
    settle_calls: list[SettleTasksCall] = field(default_factory=list)
    closed: list[SettleExecutionCall] = field(default_factory=list)
    store_faults: int = 0
    lacks: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    come: dict[str, JsonValue] = field(default_factory=dict)
    waits: list[WaitCall] = field(default_factory=list)
    looks: int = 0
    parked: list[AllWaitCall] = field(default_factory=list)
    woken: list[WokenCall] = field(default_factory=list)
    refused_admissions: int = 0
    supersedes: bool = False
    most_at_once: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)

    async def perform(self, call: TaskCall) -> TaskReply:
        """Do what the test says for this task."""
        self.calls.append(call)
        name = call.task_name
        started_at = call.began_at or datetime.now(UTC)
        self.in_flight[name] = self.in_flight.get(name, 0) + 1
        self.most_at_once[name] = max(self.most_at_once.get(name, 0), self.in_flight[name])
        try:
            if _awaits(call) and name not in self.behaviours:
                output = self.come[place_of(call)]
            else:
                output = await self.behaviours.get(name, _as_in_production)(call)
        finally:
            self.in_flight[name] -= 1
        return TaskReply(
            output=output,
            output_digest=digest(output),
            attempt=activity.info().attempt,
            started_at=started_at,
            completed_at=datetime.now(UTC),
        )

    @activity.defn(name=FIRE_TRIGGER)
    async def fire_trigger(self, call: FireCall) -> FireReply:
        """Find an earlier execution running, then none."""
        self.fired.append(call)
        return FireReply(outcome="busy" if len(self.fired) < 2 else "started")

    @activity.defn(name=OPEN_TASK)
    async def open_task(self, call: OpenTaskCall) -> OpenTaskReply:
        """Remember what was shown as running."""
        self._fault()
        if self.supersedes:
            raise failure("moved on", type=SUPERSEDED)
        self.opened.append(call)
        return OpenTaskReply()

    @activity.defn(name=CLOSE_TASK)
    async def close_task(self, call: CloseTaskCall) -> CloseTaskReply:
        """Remember what was shown as ended."""
        self._fault()
        self.ended.append(call)
        return CloseTaskReply()

    @activity.defn(name=BEGIN_WAIT)
    async def begin_wait(self, call: WaitCall) -> WaitReply:
        """Remember what waits, and say whether it has come."""
        self.asked.append(call.call.task_name)
        self._fault()
        if call.call.task_name in self.refuses:
            raise failure("nobody to ask", type="UnknownWorkerGroup")
        if self.supersedes:
            raise failure("moved on", type=SUPERSEDED)
        self.opened.append(call)
        self.waits.append(call)
        return WaitReply(has_come=place_of(call.call) in self.come)

    @activity.defn(name=LOOK_FOR_DELIVERY)
    async def look_for_delivery(self, call: WaitCall) -> WaitReply:
        """Say whether what a task waits for has come."""
        self._fault()
        self.looks += 1
        return WaitReply(has_come=place_of(call.call) in self.come)

    @activity.defn(name=NOTE_ALL_WAIT)
    async def note_all_wait(self, call: AllWaitCall) -> AllWaitReply:
        """Remember that all of a workflow waits."""
        self.parked.append(call)
        return AllWaitReply()

    @activity.defn(name=NOTE_WOKEN)
    async def note_woken(self, call: WokenCall) -> WokenReply:
        """Let a workflow go on, unless the test says otherwise."""
        self.woken.append(call)
        self.refused_admissions -= 1
        return WokenReply(is_admitted=self.refused_admissions < 0)

    @activity.defn(name=SETTLE_TASKS)
    async def settle_tasks(self, call: SettleTasksCall) -> SettleTasksReply:
        """Remember what was settled."""
        self._fault()
        self.settle_calls.append(call)
        missing = self._missing(call.tasks)
        self.settled.extend(word for at, word in enumerate(call.tasks) if at not in missing)
        return SettleTasksReply(missing=missing)

    @activity.defn(name=SETTLE_EXECUTION)
    async def settle_execution(self, call: SettleExecutionCall) -> SettleExecutionReply:
        """Remember how the execution ended."""
        self._fault()
        if self.supersedes:
            return SettleExecutionReply(superseded=True)
        missing = self._missing(call.tasks)
        self.settled.extend(word for at, word in enumerate(call.tasks) if at not in missing)
        if not missing:
            self.closed.append(call)
        return SettleExecutionReply(missing=missing)

    def called(self, task_name: str) -> list[TaskCall]:
        """Return the attempts of one task."""
        return [call for call in self.calls if call.task_name == task_name]

    def begun(self, task_name: str) -> bool:
        """Tell whether an attempt of a task began, or its workflow itself began with it."""
        opened = (opening.call for opening in self.opened)
        return any(call.task_name == task_name for call in (*self.calls, *opened))

    def word_on(self, task_name: str, item: int | None = None) -> TaskSettlement:
        """Return the last thing that the store was told about a task or an item."""
        words = [word for word in self.settled if word.task_name == task_name and word.item == item]
        assert words, f"nothing was settled about {task_name} #{item}"
        return words[-1]

    def states(self) -> dict[str, str]:
        """Return the settled state of every task that is no item."""
        return {word.task_name: word.state.value for word in self.settled if word.item is None}

    def _missing(self, words: Sequence[TaskSettlement]) -> list[int]:
        """Ask once for the outputs that the test says are lacking."""
        missing = [
            at
            for at, word in enumerate(words)
            if word.task_name in self.lacks and not word.has_output
        ]
        for at, word in enumerate(words):
            if word.has_output:
                self.lacks.discard(words[at].task_name)
        return missing

    def _fault(self) -> None:
        """Fail as long as the test says that the store is down."""
        if self.store_faults > 0:
            self.store_faults -= 1
            raise ApplicationError("the store does not answer", type="unavailable")


def place_of(call: TaskCall) -> str:
    """Return the name of a task, or of one item of it."""
    return activity_id(call.task_name, call.item)


def _awaits(call: TaskCall) -> bool:
    """Tell whether a task waits for the outside."""
    executor = executor_named(call.executor)
    return executor is not None and executor.awaits is not None


async def _as_in_production(call: TaskCall) -> JsonValue:
    """Do what the platform's own instant activities do; any other answers with its parameters."""
    data = DataActivities()
    own = {"format_data": data.format_data, "branch": data.branch, "validation": data.validation}
    if call.executor == WAIT.name:
        return await WaitActivities().wait(call)
    if call.executor not in own:
        return dict(call.parameters)
    try:
        return await own[call.executor](call)
    except TaskFailedError as error:
        raise activity_failure(error, call, activity.info().attempt) from error


def activities(recorder: Recorder) -> list[Callable[..., Any]]:
    """Return one activity for every executor that runs as one, and those of the store."""
    found: list[Callable[..., Any]] = [
        recorder.fire_trigger,
        recorder.open_task,
        recorder.close_task,
        recorder.begin_wait,
        recorder.look_for_delivery,
        recorder.note_all_wait,
        recorder.note_woken,
        recorder.settle_tasks,
        recorder.settle_execution,
    ]
    found.extend(
        _activity(executor.name, recorder)
        for executor in EXECUTORS.values()
        if executor.kind in (Kind.INSTANT, Kind.EFFECT, Kind.WAITING)
    )
    return found


def _activity(name: str, recorder: Recorder) -> Callable[..., Any]:
    """Return an activity registered under an executor's name."""

    @activity.defn(name=name)
    async def perform(call: TaskCall) -> TaskReply:
        if not activity.info().is_local:
            return await _with_heartbeat(recorder.perform(call))
        return await recorder.perform(call)

    return perform


async def _with_heartbeat(work: Awaitable[TaskReply]) -> TaskReply:
    """Heartbeat while the work goes on, so that cancellations arrive."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.3)

    beating = asyncio.create_task(beat())
    try:
        return await work
    finally:
        beating.cancel()


def recording_worker(
    client: Client, task_queue: str, recorder: Recorder, **options: Any
) -> AbstractAsyncContextManager[Worker]:
    """Return a worker that runs the real workflows over the test's activities."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[FlowExecutionWorkflow, IterationWorkflow, ScheduledStartWorkflow],
        activities=activities(recorder),
        workflow_runner=workflow_runner(),
        max_heartbeat_throttle_interval=timedelta(milliseconds=300),
        **options,
    )
