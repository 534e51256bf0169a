"""The Temporal workflow that runs one generation of a flow execution."""

import asyncio

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.messages import (
    DeliveryNotice,
    FlowExecutionResult,
    FlowExecutionStart,
    RunContext,
    SettleExecutionCall,
    SettleExecutionReply,
    TaskState,
    TaskView,
)
from contracts.names import ADMITTED, DELIVERED, FLOW_EXECUTION, TASK_STATES
from workflows.failures import is_superseded, superseded_failure, task_error, task_failure
from workflows.scheduling.crew import shielded
from workflows.scheduling.scheduler import Scheduler
from workflows.scheduling.settling import settle_execution
from workflows.scheduling.verdict import Ending, Verdict
from workflows.scheduling.waiting import Waits


@workflow.defn(name=FLOW_EXECUTION, failure_exception_types=[ValidationError])
class FlowExecutionWorkflow:
    """Runs one version of a flow, from its input task to its last output."""

    @workflow.init
    def __init__(self, start: FlowExecutionStart) -> None:
        """Set state before any query can arrive; what could fail is left to ``run``."""
        self._context = RunContext(
            organization_id=start.organization_id,
            flow_id=start.flow_id,
            flow_version=start.flow_version,
            flow_execution_id=start.flow_execution_id,
            generation=start.generation,
            run_id=workflow.info().run_id,
            edits=start.edits,
        )
        self._waits = Waits(self._context)
        self._scheduler: Scheduler | None = None

    @workflow.run
    async def run(self, start: FlowExecutionStart) -> FlowExecutionResult:
        """Execute the flow, and settle it however it ends.

        Raises:
            ApplicationError: A task failed; the type is the task's error type. Or, with the type
                ``superseded``, a newer generation owns the execution.
            CancelledError: The execution was cancelled.
        """
        verdict = await self._verdict(start)
        ending = await shielded(self._conclude(verdict))
        match ending:
            case Ending.COMPLETED if self._scheduler is not None:
                return self._scheduler.result()
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

    @workflow.query(name=TASK_STATES)
    def task_states(self) -> list[TaskView]:
        """Return where every task stands, in document order."""
        return self._scheduler.views() if self._scheduler is not None else []

    async def _verdict(self, start: FlowExecutionStart) -> Verdict:
        """Run the flow until it has ended one way or another.

        Whatever goes wrong becomes a verdict: an exception that left this workflow would fail its
        workflow task, again and again, and leave the execution open for ever.
        """
        try:
            self._scheduler = Scheduler(self._context, start, self._waits)
            return await self._scheduler.drain()
        except asyncio.CancelledError:
            return Verdict(Ending.CANCELLED)
        except workflow.NondeterminismError:
            raise
        except Exception as error:
            workflow.logger.exception("flow execution stopped by an unexpected error")
            return Verdict(Ending.FAILED, error=task_error(error))

    async def _conclude(self, verdict: Verdict) -> Ending:
        """Stop what is under way, tell the read model, and return how the run ended."""
        scheduler = self._scheduler
        if scheduler is not None:
            await scheduler.stop()
            if scheduler.failures.is_superseded:
                return Ending.SUPERSEDED
        if verdict.ending is Ending.SUPERSEDED:
            return verdict.ending
        try:
            reply = await self._settle(scheduler, verdict)
        except FailureError as error:
            if is_superseded(error):
                return Ending.SUPERSEDED
            workflow.logger.exception("outcome not recorded, left to the reconciler")
            return verdict.ending
        return Ending.SUPERSEDED if reply.superseded else verdict.ending

    async def _settle(self, scheduler: Scheduler | None, verdict: Verdict) -> SettleExecutionReply:
        """Tell the read model how the execution and every task of it ended."""
        close = SettleExecutionCall(
            context=self._context,
            status=verdict.ending.value,
            error=verdict.error,
            failed_task=verdict.failed_task,
            skipped=scheduler.names_of(TaskState.SKIPPED) if scheduler is not None else [],
            unreached=scheduler.names_of(TaskState.PENDING) if scheduler is not None else [],
        )
        return await settle_execution(close, scheduler.words() if scheduler is not None else [])
