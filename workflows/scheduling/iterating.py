"""The parent's side of an iteration: cuts it into child workflows and joins what they return.

Source: docs/decisions/0005-what-is-local-and-what-is-not.md.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from contracts.messages import IterationResult, IterationStart, RunContext
from contracts.names import ITERATION
from flows.canonical import canonical_bytes
from flows.errors import TaskFailedError
from flows.iteration import Iteration
from flows.model import DEFAULT_WINDOW, Task
from workflows.scheduling.attempts import decoded, executor_of
from workflows.scheduling.budget import CommandBudget
from workflows.scheduling.parking import Away, Parking
from workflows.scheduling.seeds import Seeds
from workflows.scheduling.summaries import summary

MAX_ITEMS_A_CHILD = 500
MAX_BYTES_A_CHILD = 1_000_000
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
WINDOW_OF_A_LANE = 25


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive items that one child workflow runs."""

    first: int
    length: int
    size_bytes: int


class IteratingTask:
    """Runs every item of one iteration through child workflows.

    Children take turns in lanes; the lanes' windows add up to the task's own, so no more items are
    in flight than its author allowed.

    Attributes:
        output_bytes: Size of the outputs so far, as JSON.
    """

    def __init__(
        self,
        context: RunContext,
        task: Task,
        iteration: Iteration,
        edge_digest: str,
        seeds: Seeds,
        budget: CommandBudget,
        children: asyncio.Semaphore,
        parking: Parking,
    ) -> None:
        """Cut the iteration; nothing runs yet.

        Args:
            children: Bounds the child workflows of the whole flow; the server allows 2,000.
            parking: Of the flow's workflow; told where items wait for the outside.
        """
        self._parking = parking
        self._context = context
        self._task = task
        self._iteration = iteration
        self._edge_digest = edge_digest
        self._seeds = seeds
        self._budget = budget
        self._children = children
        self._stretches = list(_stretches(iteration, seeds, task.name))
        self._waiting = deque(range(len(self._stretches)))
        self._results: list[IterationResult | None] = [None] * len(self._stretches)
        self.output_bytes = 0

    async def run(self, count_done: Callable[[int], None]) -> IterationResult:
        """Return the outputs of all items in item order; no items, no child workflows.

        Args:
            count_done: Told how many items more have completed.

        Raises:
            ChildWorkflowError: An item failed; no child is running any more.
            TaskFailedError: The outputs are larger together than one workflow can hold; likewise.
            CancelledError: The flow stops; no child is running any more.
        """
        windows = self._windows()
        with self._away(len(windows)) as away:
            lanes = [asyncio.create_task(self._lane(each, count_done, away)) for each in windows]
            if lanes:
                try:
                    await workflow.wait(lanes, return_when=asyncio.FIRST_EXCEPTION)
                finally:
                    await _put_out(lanes)
        for lane in lanes:
            lane.result()
        results = [result for result in self._results if result is not None]
        return IterationResult.model_construct(
            outputs=[output for result in results for output in result.outputs],
            reused=sum(result.reused for result in results),
        )

    def _windows(self) -> list[int]:
        """Share the window among as many lanes as it feeds."""
        window = self._task.concurrency or DEFAULT_WINDOW
        lanes = min(len(self._stretches), max(1, window // WINDOW_OF_A_LANE))
        return [window // lanes + (1 if lane < window % lanes else 0) for lane in range(lanes)]

    def _away(self, lanes: int) -> AbstractContextManager[Away | None]:
        """Return what counts the iteration as waiting, if its items may wait for the outside."""
        if executor_of(self._task).awaits is None:
            return nullcontext()
        return self._parking.away(lanes)

    async def _lane(
        self, window: int, count_done: Callable[[int], None], away: Away | None
    ) -> None:
        """Run one child after the other until none waits."""
        while self._waiting:
            position = self._waiting.popleft()
            stretch = self._stretches[position]
            async with self._children:
                await self._budget.paused()
                self._budget.spend(commands=1, size_bytes=stretch.size_bytes)
                self._results[position] = await self._run_child(stretch, window, away)
            count_done(stretch.length)
        if away is not None:
            away.lanes -= 1

    async def _run_child(self, stretch: Stretch, window: int, away: Away | None) -> IterationResult:
        """Run one stretch.

        The child's id ends in a random part: the items that run again after an operator's reset
        must not meet the children of the run that was reset.
        """
        info = workflow.info()
        last = stretch.first + stretch.length - 1
        place = f"{info.workflow_id}:{self._task.name}:{stretch.first}"
        child = f"{place}:{workflow.uuid4().hex[:12]}"
        running = workflow.execute_child_workflow(
            ITERATION,
            self._start(stretch, window),
            id=child,
            result_type=RawValue,
            cancellation_type=ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            parent_close_policy=ParentClosePolicy.TERMINATE,
            search_attributes=info.typed_search_attributes,
            priority=info.priority,
            static_summary=summary(
                self._task.title or self._task.name, f" #{stretch.first}-{last}"
            ),
        )
        raw = await (running if away is None else self._waited_for(running, child, away))
        self.output_bytes += len(raw.payload.data)
        if self.output_bytes > MAX_OUTPUT_BYTES:
            raise TaskFailedError(
                f"the outputs of all items exceed {MAX_OUTPUT_BYTES} bytes", type="OutputTooLarge"
            )
        return decoded(raw, IterationResult)

    async def _waited_for(
        self, running: Coroutine[Any, Any, RawValue], child: str, away: Away
    ) -> RawValue:
        """Return what a child does whose items wait for the outside."""
        self._parking.gone_to(away, child)
        try:
            raw = await running
        finally:
            del away.children[child]
        await self._parking.woken()
        return raw

    def _start(self, stretch: Stretch, window: int) -> IterationStart:
        """Return all that a child needs for its stretch."""
        end = stretch.first + stretch.length
        items: dict[str, list[JsonValue]] = {
            text: values[stretch.first : end] for text, values in self._iteration.items.items()
        }
        return IterationStart(
            context=self._context,
            task=self._task,
            first_item=stretch.first,
            item_count=self._iteration.length,
            length=stretch.length,
            window=window,
            shared=self._iteration.shared,
            items=items,
            edge_outputs_digest=self._edge_digest,
            iterated=self._iteration.iterated,
            seeds=self._seeds.of_items(self._task.name, stretch.first, stretch.length),
        )


def _stretches(iteration: Iteration, seeds: Seeds, task_name: str) -> Iterator[Stretch]:
    """Cut an iteration so that a child's start message stays small; one item may be larger."""
    first, size_bytes = 0, 0
    for item in range(iteration.length):
        item_bytes = sum(len(canonical_bytes(values[item])) for values in iteration.items.values())
        item_bytes += sum(
            len(canonical_bytes(seed.output)) for seed in seeds.of_items(task_name, item, 1)
        )
        length = item - first
        if length and (length >= MAX_ITEMS_A_CHILD or size_bytes + item_bytes > MAX_BYTES_A_CHILD):
            yield Stretch(first, length, size_bytes)
            first, size_bytes = item, 0
        size_bytes += item_bytes
    if iteration.length > first:
        yield Stretch(first, iteration.length - first, size_bytes)


async def _put_out(lanes: list[asyncio.Task[None]]) -> None:
    """Cancel the lanes that still run and wait until their children have settled and closed."""
    running = [lane for lane in lanes if not lane.done()]
    for lane in running:
        lane.cancel()
    if running:
        await workflow.wait(running)
