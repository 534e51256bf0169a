"""Runs the tasks of one flow: whatever is ready, all at once, until none is left or one fails."""

import asyncio
from hashlib import sha256
from heapq import heappop, heappush

from pydantic import JsonValue

from contracts.messages import (
    FlowExecutionResult,
    FlowExecutionStart,
    RunContext,
    TaskCall,
    TaskReply,
    TaskSettlement,
    TaskState,
    TaskView,
)
from flows.canonical import canonical_bytes, digest
from flows.errors import TaskFailedError
from flows.executors.spec import Kind
from flows.graph import Graph
from flows.iteration import plan
from workflows.scheduling.attempts import MAX_LOCAL_AT_ONCE, executor_of, run_activity, task_call
from workflows.scheduling.budget import CommandBudget
from workflows.scheduling.crew import Crew
from workflows.scheduling.iterating import IteratingTask
from workflows.scheduling.outcome import Failures
from workflows.scheduling.progress import Progress, Released, TaskRun, passed_on, task_runs
from workflows.scheduling.resolution import (
    edge_outputs_digest,
    resolved_once,
    values_of,
)
from workflows.scheduling.results import result_of
from workflows.scheduling.retries import most_attempts
from workflows.scheduling.seeds import Seeds
from workflows.scheduling.verdict import Ending, Verdict
from workflows.scheduling.waiting import Waits

BRANCH = "branch"
MAX_ACTIVITIES_AT_ONCE = 400
MAX_CHILDREN_AT_ONCE = 200


class Scheduler:
    """One generation of a flow execution.

    A task is begun by ``drain`` alone, in document order among those that are ready. What it does
    then happens in a coroutine of its own, which at its end says what became ready.

    Attributes:
        failures: What went wrong so far.
    """

    def __init__(self, context: RunContext, start: FlowExecutionStart, waits: Waits) -> None:
        """Read the flow and fire its input task.

        Raises:
            TaskFailedError: It names a task executor that this installation does not know, or it
                has no such input task.
        """
        flow = start.definition
        graph = Graph(flow)
        executors = {task.name: executor_of(task) for task in flow.tasks}
        branches = {name for name, executor in executors.items() if executor.name == BRANCH}
        self._context = context
        self._sinks = graph.sinks
        self._runs = task_runs(flow, graph, executors)
        self._position = {name: position for position, name in enumerate(self._runs)}
        self._names = list(self._runs)
        self._progress = Progress(graph, branches)
        self._seeds = Seeds(start.seeds)
        self._outputs: dict[str, JsonValue] = {}
        self._ready: list[int] = []
        self._ready_local: list[int] = []
        self._crew = Crew()
        self._waits = waits
        self._local_under_way = 0
        self._budget = CommandBudget()
        self._children = asyncio.Semaphore(MAX_CHILDREN_AT_ONCE)
        self.failures: Failures[TaskRun] = Failures()
        self._fire(start.input_task_name, start.input)

    async def drain(self) -> Verdict:
        """Run everything that can run, and return how it ended; what is under way may be left.

        Raises:
            CancelledError: The workflow was cancelled.
        """
        while not self.failures.has_any:
            if (self._ready or self._ready_local) and await self._budget.paused():
                continue
            run = self._next()
            if run is not None:
                self._begin(run)
            elif len(self._crew):
                await self._waits.parking.rest(self._crew)
            else:
                return Verdict(Ending.COMPLETED)
        failed = self.failures.first
        if self.failures.is_superseded or failed is None:
            return Verdict(Ending.SUPERSEDED)
        return Verdict(Ending.FAILED, failed.error, failed.task.name)

    async def stop(self) -> None:
        """Cancel whatever is under way and wait until it has let go."""
        self.failures.is_stopping = True
        await self._waits.parking.stop()
        await self._crew.dismiss()

    def words(self) -> list[TaskSettlement]:
        """Return what the read model is to be told about every task that was begun."""
        unspoken = TaskState.PENDING, TaskState.SKIPPED
        return [run.word() for run in self._runs.values() if run.state not in unspoken]

    def names_of(self, state: TaskState) -> list[str]:
        """Return the tasks that stand so, in document order."""
        return [name for name, run in self._runs.items() if run.state is state]

    def views(self) -> list[TaskView]:
        """Return where every task stands, in document order."""
        return [run.view() for run in self._runs.values()]

    def result(self) -> FlowExecutionResult:
        """Return what a completed flow hands back."""
        return result_of({name: self._runs[name] for name in self._sinks})

    def _fire(self, input_task: str, flow_input: dict[str, JsonValue]) -> None:
        """Complete the input task that started this execution; the others never will."""
        fired = self._runs.get(input_task)
        if fired is None:
            raise TaskFailedError(f"no task is named '{input_task}'", type="UnknownInputTask")
        idle = [
            name
            for name, run in self._runs.items()
            if run.executor.kind is Kind.INPUT and name != input_task
        ]
        fired.begin()
        fired.input = flow_input
        encoded = canonical_bytes(flow_input)
        reply = TaskReply(output=flow_input, output_digest=sha256(encoded).hexdigest())
        fired.complete(reply, len(encoded))
        self._outputs[input_task] = flow_input
        self._release(self._progress.begin(input_task, idle))

    def _next(self) -> TaskRun | None:
        """Take the first ready task in document order for which there is room."""
        has_room = len(self._crew) < MAX_ACTIVITIES_AT_ONCE
        if self._ready and has_room:
            return self._runs[self._names[heappop(self._ready)]]
        if self._ready_local and self._local_under_way < MAX_LOCAL_AT_ONCE:
            return self._runs[self._names[heappop(self._ready_local)]]
        return None

    def _begin(self, run: TaskRun) -> None:
        """Begin a task; one whose earlier result still holds has ended right away."""
        run.begin()
        try:
            self._prepare(run)
        except TaskFailedError as error:
            self.failures.keep(run, error)

    def _prepare(self, run: TaskRun) -> None:
        """Find out what a task reads, and let it run over it."""
        values = values_of(run.reads, self._outputs)
        edges = edge_outputs_digest({name: self._digest_of(name) for name in run.edge_only})
        iteration = plan(run.task, values)
        if iteration is not None:
            run.items_total = iteration.length
            shared = self._seeds, self._budget, self._children, self._waits.parking
            work = IteratingTask(self._context, run.task, iteration, edges, *shared)
            self._crew.begin(self._iterate(run, work))
            return
        ready = resolved_once(run.task, run.executor, values, edges)
        run.read(ready, most_attempts(run.task, run.executor))
        seed = self._seeds.matching(run.task.name, None, ready.fingerprint)
        if seed is not None:
            self._budget.spend(size_bytes=ready.size_bytes)
            run.reuse(seed)
            self._completed(run)
            return
        is_local = run.executor.kind is Kind.INSTANT
        self._budget.spend(commands=1, size_bytes=0 if is_local else ready.size_bytes)
        self._local_under_way += is_local
        sources = passed_on(run, self._runs)
        call = task_call(self._context, run.task, run.executor, ready, sources=sources)
        self._crew.begin(self._run(run, call))

    async def _run(self, run: TaskRun, call: TaskCall) -> None:
        """Run a task once, all attempts included."""
        is_local = run.executor.kind is Kind.INSTANT
        try:
            finished = await run_activity(call, run.task, run.executor, self._waits)
        except (Exception, asyncio.CancelledError) as error:
            self.failures.keep(run, error)
        else:
            if is_local:
                self._budget.spend(size_bytes=finished.size_bytes, local_time=finished.duration)
            run.complete(finished.reply, finished.size_bytes)
            self._completed(run)
        finally:
            self._local_under_way -= is_local

    async def _iterate(self, run: TaskRun, work: IteratingTask) -> None:
        """Run a task once per item."""

        def count_done(items: int) -> None:
            run.items_done += items

        try:
            result = await work.run(count_done)
        except (Exception, asyncio.CancelledError) as error:
            self.failures.keep(run, error)
        else:
            run.complete(TaskReply(), work.output_bytes)
            run.output = result.outputs
            if result.reused and result.reused == run.items_total:
                run.state = TaskState.REUSED
            self._completed(run)

    def _completed(self, run: TaskRun) -> None:
        """Hand on a task's output and release what waited for it."""
        self._outputs[run.task.name] = run.output
        self._release(self._progress.complete(run.task.name, run.output))

    def _release(self, released: Released) -> None:
        """Queue what may run now, in document order; mark what never will."""
        for name in released.skipped:
            self._runs[name].state = TaskState.SKIPPED
        for name in released.ready:
            is_local = self._runs[name].executor.kind is Kind.INSTANT
            heappush(self._ready_local if is_local else self._ready, self._position[name])

    def _digest_of(self, name: str) -> str:
        """Return the digest of a task's output; empty where it was skipped."""
        run = self._runs[name]
        if not run.output_digest and name in self._outputs:
            run.output_digest = digest(run.output)
        return run.output_digest
