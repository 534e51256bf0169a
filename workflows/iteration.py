"""The Temporal workflow that runs one stretch of an iteration's items."""

import asyncio

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.messages import DeliveryNotice, IterationResult, IterationStart
from contracts.names import ADMITTED, DELIVERED, ITERATION
from workflows.failures import is_superseded, superseded_failure, task_error, task_failure
from workflows.scheduling.crew import shielded
from workflows.scheduling.items import Items
from workflows.scheduling.settling import settle_tasks
from workflows.scheduling.verdict import Ending, Verdict
from workflows.scheduling.waiting import Waits


@workflow.defn(name=ITERATION, failure_exception_types=[ValidationError])
class IterationWorkflow:
    """Runs items of one task, a window of them at a time, and settles their rows itself."""

    @workflow.init
    def __init__(self, start: IterationStart) -> None:
        """Keep what the items share; what could fail is left to ``run``."""
        self._start = start
        self._waits = Waits(start.context)
        self._items: Items | None = None

    @workflow.run
    async def run(self, start: IterationStart) -> IterationResult:
        """Run all items; the first that fails ends the others.

        Raises:
            ApplicationError: An item failed; the type is its error type. Or, with the type
                ``superseded``, a newer generation owns the execution.
            CancelledError: The flow stops.
        """
        verdict = await self._verdict()
        ending = await shielded(self._conclude(verdict))
        match ending:
            case Ending.COMPLETED if self._items is not None:
                return self._items.result()
            case Ending.SUPERSEDED:
                raise superseded_failure()
            case Ending.CANCELLED:
                raise asyncio.CancelledError
            case _:
                raise task_failure(verdict.failed_task, verdict.error)

    @workflow.signal(name=DELIVERED)
    def delivered(self, notice: DeliveryNotice) -> None:
        """Let a task that waits look up what came for it; may come any number of times."""
        self._waits.ring(notice)

    @workflow.signal(name=ADMITTED)
    def admitted(self) -> None:
        """Let what was woken, and had to queue, ask again whether it may go on."""
        self._waits.parking.admit()

    async def _verdict(self) -> Verdict:
        """Run the items until they have ended one way or another, as the flow's workflow does."""
        try:
            self._items = Items(self._start, self._waits)
            return await self._items.drain()
        except asyncio.CancelledError:
            return Verdict(Ending.CANCELLED)
        except workflow.NondeterminismError:
            raise
        except Exception as error:
            workflow.logger.exception("iteration stopped by an unexpected error")
            return Verdict(Ending.FAILED, error=task_error(error))

    async def _conclude(self, verdict: Verdict) -> Ending:
        """Stop what is under way, tell the read model, and return how the stretch ended."""
        items = self._items
        if items is None:
            return verdict.ending
        await items.stop()
        if items.failures.is_superseded:
            return Ending.SUPERSEDED
        try:
            await settle_tasks(self._start.context, items.words())
        except FailureError as error:
            if is_superseded(error):
                return Ending.SUPERSEDED
            workflow.logger.exception("outcome of items not recorded, left to the reconciler")
        return verdict.ending
