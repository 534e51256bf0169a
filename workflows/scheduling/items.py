"""Runs the items of one stretch of an iteration, never more at once than its window."""

import asyncio
from dataclasses import dataclass

from contracts.messages import (
    IterationResult,
    IterationStart,
    TaskCall,
    TaskSettlement,
    TaskState,
)
from flows.errors import TaskFailedError
from flows.executors.spec import Kind
from flows.secrets import Asides
from workflows.scheduling.attempts import MAX_LOCAL_AT_ONCE, executor_of, run_activity, task_call
from workflows.scheduling.budget import CommandBudget
from workflows.scheduling.crew import Crew
from workflows.scheduling.outcome import Failures, Outcome
from workflows.scheduling.resolution import ItemReader
from workflows.scheduling.retries import most_attempts
from workflows.scheduling.seeds import Seeds
from workflows.scheduling.settling import settlement
from workflows.scheduling.verdict import Ending, Verdict
from workflows.scheduling.waiting import Waits


@dataclass(slots=True)
class ItemRun(Outcome):
    """One item, by its position in the whole iteration."""

    item: int

    def word(self, task_name: str) -> TaskSettlement:
        """Return what the read model is to be told about it."""
        return settlement(self, task_name, item=self.item)


class Items:
    """The items of one stretch, in item order.

    Attributes:
        failures: What went wrong so far.
    """

    def __init__(self, start: IterationStart, waits: Waits) -> None:
        """Prepare the stretch; nothing runs yet.

        Raises:
            TaskFailedError: The task's executor is not known here.
        """
        self._start = start
        self._task = start.task
        self._executor = executor_of(start.task)
        self._is_local = self._executor.kind is Kind.INSTANT
        self._window = min(start.window, MAX_LOCAL_AT_ONCE) if self._is_local else start.window
        self._reader = ItemReader(
            task=start.task,
            executor=self._executor,
            iterated=start.iterated,
            shared=start.shared,
            edge_digest=start.edge_outputs_digest,
            asides=Asides(start.task),
        )
        self._seeds = Seeds(start.seeds)
        self._runs = [ItemRun(start.first_item + index) for index in range(start.length)]
        self._crew = Crew()
        self._waits = waits
        self._budget = CommandBudget()
        self.failures: Failures[ItemRun] = Failures()

    async def drain(self) -> Verdict:
        """Run every item, and return how they ended; what is under way may be left.

        Raises:
            CancelledError: The workflow was cancelled.
        """
        failures = self.failures
        for index, run in enumerate(self._runs):
            while len(self._crew) >= self._window and not failures.has_any:
                await self._waits.parking.rest(self._crew)
            await self._budget.paused()
            if failures.has_any:
                break
            self._begin(index, run)
        while len(self._crew) and not failures.has_any:
            await self._waits.parking.rest(self._crew)
        if failures.is_superseded:
            return Verdict(Ending.SUPERSEDED)
        if failures.first is not None:
            return Verdict(Ending.FAILED, failures.first.error, self._task.name)
        return Verdict(Ending.COMPLETED)

    async def stop(self) -> None:
        """Cancel whatever is under way and wait until it has let go."""
        self.failures.is_stopping = True
        await self._waits.parking.stop()
        await self._crew.dismiss()

    def words(self) -> list[TaskSettlement]:
        """Return what the read model is to be told about every item that was begun."""
        name = self._task.name
        return [run.word(name) for run in self._runs if run.state is not TaskState.PENDING]

    def result(self) -> IterationResult:
        """Return the outputs of all items, in order."""
        return IterationResult.model_construct(
            outputs=[run.output for run in self._runs],
            reused=sum(run.state is TaskState.REUSED for run in self._runs),
        )

    def _begin(self, index: int, run: ItemRun) -> None:
        """Begin an item; one whose earlier result still holds has ended right away."""
        run.begin()
        start = self._start
        values = {text: items[index] for text, items in start.items.items()}
        try:
            ready = self._reader.resolved(values)
        except TaskFailedError as error:
            self.failures.keep(run, error)
            return
        run.read(ready, most_attempts(self._task, self._executor))
        seed = self._seeds.matching(self._task.name, run.item, ready.fingerprint)
        if seed is not None:
            self._budget.spend(size_bytes=ready.size_bytes)
            run.reuse(seed)
            return
        self._budget.spend(commands=1, size_bytes=0 if self._is_local else ready.size_bytes)
        call = task_call(
            start.context,
            self._task,
            self._executor,
            ready,
            item=run.item,
            item_count=start.item_count,
        )
        self._crew.begin(self._run(run, call))

    async def _run(self, run: ItemRun, call: TaskCall) -> None:
        """Run an item, all attempts included."""
        try:
            finished = await run_activity(call, self._task, self._executor, self._waits)
        except (Exception, asyncio.CancelledError) as error:
            self.failures.keep(run, error)
            return
        if self._is_local:
            self._budget.spend(size_bytes=finished.size_bytes, local_time=finished.duration)
        run.complete(finished.reply, finished.size_bytes)
