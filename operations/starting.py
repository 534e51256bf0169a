"""Starts what is recorded: the one way from an execution's record to a Temporal workflow."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import JsonValue

from contracts.messages import FlowExecutionStart, Seed
from contracts.names import flow_workflow_id
from flows.errors import UnavailableError
from flows.inputs import completed_input
from operations.background import Background
from operations.definitions import Definitions
from operations.promotion import Promotion, waits_in_line
from runtime.gateway import Gateway
from store.clock import now
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import ExecutionRecord, FlowRecord
from store.task_executions import TaskExecutionRepository

logger = logging.getLogger(__name__)

REPLACED = "a newer generation owns this execution"
NOT_WANTED = "the execution was closed, or run again, before it started"
MAX_TERMINATIONS_AT_ONCE = 8


class Starter:
    """Starts the current generation of an execution, and ends the ones before it.

    Attributes:
        promotion: Starts what waits for a slot of its organization.
    """

    def __init__(
        self,
        *,
        flows: FlowRepository,
        executions: ExecutionRepository,
        task_executions: TaskExecutionRepository,
        gateway: Gateway,
        definitions: Definitions,
        background: Background | None = None,
    ) -> None:
        """Borrow everything.

        Args:
            background: Where executions are stamped after somebody who waits got the answer; None
                where nobody waits.
        """
        self._background = background
        self._flows = flows
        self._executions = executions
        self._task_executions = task_executions
        self._gateway = gateway
        self._definitions = definitions
        self.promotion = Promotion(executions, gateway, self._begin)

    async def start(self, record: ExecutionRecord, known: FlowRecord | None = None) -> bool:
        """Start the record's generation and stamp it as started.

        Repeatable: one that was started before is only stamped. If meanwhile the execution was
        closed or got a newer generation, the workflow is ended again, before any effect: its
        attempts find out when they open their rows.

        Args:
            known: A version of the flow just read; not read again if it is the one pinned.

        Returns:
            Whether the generation is still wanted.

        Raises:
            UnavailableError: Temporal or the store does not answer; nothing is lost, call again.
        """
        run_id = await self._launch(record, known)
        return await self._stamp(record, run_id)

    async def try_start(self, record: ExecutionRecord, known: FlowRecord | None = None) -> None:
        """End older generations and start the current one; what fails is left to the reconciler.

        That it was started is stamped in the background, if there is one: a record without its
        stamp is looked at by the reconciler, and starting it again does nothing. One that waits for
        a slot is started and stamped when its turn has come, perhaps now.
        """
        if waits_in_line(record):
            await self.promotion.promote(record.organization_id, known)
            return
        with _left_to_the_reconciler(record):
            await self.end_older_generations(record)
            run_id = await self._launch(record, known)
            if self._background is None:
                await self._stamp(record, run_id)
            else:
                self._background.do(self._try_stamp(record, run_id))

    async def _launch(self, record: ExecutionRecord, known: FlowRecord | None) -> str | None:
        """Start the workflow; what earlier generations had under way does not count any more."""
        if record.generation > 1:
            await self._task_executions.interrupt(
                record.organization_id, record.id, record.generation
            )
        return await self._gateway.start(await self.message(record, known))

    async def _try_stamp(self, record: ExecutionRecord, run_id: str | None) -> None:
        with _left_to_the_reconciler(record):
            await self._stamp(record, run_id)

    async def _stamp(self, record: ExecutionRecord, run_id: str | None) -> bool:
        """Stamp a generation as started, or end it again; return whether it is still wanted."""
        is_wanted = await self._executions.mark_started(
            record.organization_id,
            record.id,
            record.generation,
            run_id,
            now(),
            has_slot=record.slot is not None,
        )
        if not is_wanted:
            await self._gateway.terminate(
                flow_workflow_id(record.id, record.generation), NOT_WANTED
            )
        return is_wanted

    async def _begin(self, record: ExecutionRecord, known: FlowRecord | None) -> bool:
        await self.end_older_generations(record)
        return await self.start(record, known)

    async def end_older_generations(self, record: ExecutionRecord) -> None:
        """Terminate every workflow of an earlier generation that may still run."""
        limit = asyncio.Semaphore(MAX_TERMINATIONS_AT_ONCE)

        async def end(generation: int) -> None:
            async with limit:
                await self._gateway.terminate(flow_workflow_id(record.id, generation), REPLACED)

        await asyncio.gather(*(end(generation) for generation in range(1, record.generation)))

    async def message(
        self, record: ExecutionRecord, known: FlowRecord | None = None
    ) -> FlowExecutionStart:
        """Gather all that the run needs; the seeds are read now, from the rows as they stand."""
        flow = known
        if flow is None or flow.version != record.flow_version:
            flow = await self._flows.version(
                record.organization_id, record.flow_id, record.flow_version
            )
        definition = self._definitions.of(flow).flow
        completed = completed_input(definition, record.input_task_name, record.input)
        seeds: Sequence[Seed] = ()
        if record.mode == "stale":
            edited = await self._edited_input(record)
            completed = completed if edited is None else edited
            seeds = await self._task_executions.seeds(record.organization_id, record.id)
        return FlowExecutionStart(
            organization_id=record.organization_id,
            flow_id=record.flow_id,
            flow_version=record.flow_version,
            flow_name=flow.display_name,
            flow_execution_id=record.id,
            generation=record.generation,
            run_number=record.run_number,
            definition=definition,
            input=completed,
            input_task_name=record.input_task_name,
            seeds=list(seeds),
            edits=record.edit_count,
        )

    async def _edited_input(self, record: ExecutionRecord) -> dict[str, JsonValue] | None:
        """Return what a person made of the input task's output, if anybody did."""
        edited = await self._task_executions.edited_output(
            record.organization_id, record.id, record.input_task_name
        )
        return edited[0] if edited is not None and isinstance(edited[0], dict) else None


@contextmanager
def _left_to_the_reconciler(record: ExecutionRecord) -> Iterator[None]:
    """Say that a store or Temporal did not answer, and go on."""
    try:
        yield
    except UnavailableError as error:
        logger.warning(
            "execution recorded but not started yet; the reconciler will start it",
            extra={
                "flow_execution_id": record.id,
                "generation": record.generation,
                "reason": error.message,
            },
        )
