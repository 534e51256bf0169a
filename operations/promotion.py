"""Promotion: executions that wait for a slot of their organization get one, in their order.

Whoever may have made room calls it: a creation, an end, a cancellation, a higher limit. What a
crash leaves undone, the reconciler does.

Source: docs/decisions/0037-slots.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from contracts.messages import RunContext
from flows.errors import EngineError, UnavailableError
from runtime.gateway import Gateway
from store.executions import ExecutionRepository
from store.models import ExecutionRecord, ExecutionStatus, FlowRecord, SlotState
from store.slots import Held, slot_key

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 8

Begin = Callable[[ExecutionRecord, FlowRecord | None], Awaitable[bool]]
"""Starts a generation and stamps it; False if nobody wants it any more."""


class Promotion:
    """Hands out slots, and starts or resumes whoever got one."""

    def __init__(self, executions: ExecutionRepository, gateway: Gateway, begin: Begin) -> None:
        """Borrow everything."""
        self._executions = executions
        self._slots = executions.slots
        self._pauses = executions.pauses
        self._gateway = gateway
        self._begin = begin
        self._mended_up_to = ""

    async def promote(
        self, organization_id: str, known: FlowRecord | None = None, *, asker: str | None = None
    ) -> None:
        """Fill an organization's free slots; what fails is left to the reconciler.

        Args:
            known: A version of a flow just read; not read again for an execution of it.
            asker: A workflow that looks for itself whether it was let in.
        """
        try:
            while granted := await self._slots.promote(organization_id):
                if not await self._tell_all(granted, known, asker):
                    return
        except UnavailableError as error:
            facts = {"organization_id": organization_id, "reason": error.message}
            logger.warning("slots not handed out yet; the reconciler will do it", extra=facts)

    async def paused(self, context: RunContext) -> None:
        """Give the slot of an execution that waits altogether to the next in line.

        Raises:
            StoreUnavailableError: Not known to be given back.
        """
        if await self._pauses.give_back(context):
            await self.promote(context.organization_id)

    async def may_go_on(self, context: RunContext, workflow_id: str) -> bool:
        """Return whether a workflow that was woken may go on.

        If not, its execution waits in line, ahead of fresh starts, and the workflow is told once it
        has a slot.

        Raises:
            StoreUnavailableError: Ask again.
        """
        if await self._pauses.ask(context, workflow_id):
            return True
        await self.promote(context.organization_id, asker=workflow_id)
        return await self._pauses.is_let_in(context, workflow_id)

    async def closed(self, record: ExecutionRecord) -> None:
        """Give up the slot of an execution that was closed before it started, or its place in line.

        Raises:
            StoreUnavailableError: The reconciler will do it.
        """
        if record.slot is not None:
            await self._slots.free(record.organization_id, [_key(record)])
            await self.promote(record.organization_id)

    async def limit_changed(self, organization_id: str) -> None:
        """Count what runs already, and start what a higher limit lets in.

        Raises:
            StoreUnavailableError: The reconciler will do it.
        """
        await self.adopt(await self._slots.open_uncounted(organization_id))
        await self.promote(organization_id)

    async def adopt(self, records: Sequence[ExecutionRecord]) -> set[str]:
        """Count those of these open executions that ought to hold a slot and do not.

        Returns:
            Which of them now wait in line instead of being started.
        """
        missing = await self._slots.missing(records)
        for record in missing:
            await self._slots.adopt(record)
        return {
            record.id
            for record in missing
            if record.slot is None and record.started_generation < record.generation
        }

    async def mend(self, limit: int) -> None:
        """Look after some organizations with a limit, one after another from round to round.

        Slots of what has ended are freed, whoever got one and was not told is told, and the next in
        line are promoted.
        """
        page = await self._slots.held(after=self._mended_up_to, limit=limit)
        self._mended_up_to = page[-1].organization_id if len(page) == limit else ""
        for held in page:
            await self._mend(held)

    async def _mend(self, held: Held) -> None:
        stale = await self._slots.stale(held)
        if stale:
            facts = {"organization_id": held.organization_id, "slots": len(stale)}
            logger.info("slots freed that nothing held any more", extra=facts)
            await self._slots.free(held.organization_id, stale)
        await self._tell_all(await self._slots.stranded(held))
        await self.promote(held.organization_id)
        if not held.keys:
            await self._slots.forget_unlimited(held.organization_id)

    async def _tell_all(
        self,
        granted: Sequence[ExecutionRecord],
        known: FlowRecord | None = None,
        asker: str | None = None,
    ) -> bool:
        """Tell executions that they have a slot; return whether one of them did not need it."""
        limit = asyncio.Semaphore(MAX_AT_ONCE)

        async def told(record: ExecutionRecord) -> bool:
            async with limit:
                return await self._safely(record, known, asker)

        return not all(await asyncio.gather(*(told(record) for record in granted)))

    async def _safely(
        self, record: ExecutionRecord, known: FlowRecord | None, asker: str | None
    ) -> bool:
        """Tell one execution; return whether it keeps the slot."""
        flow = known if known is not None and known.id == record.flow_id else None
        try:
            if not waits_in_line(record):
                await self._let_in(record, asker)
            elif not await self._start(record, flow):
                await self._slots.free(record.organization_id, [_key(record)])
                return False
        except UnavailableError as error:
            logger.warning(
                "execution has a slot but does not run yet; the reconciler will see to it",
                extra=_facts(record) | {"reason": error.message},
            )
        except EngineError as error:
            logger.warning("cannot start", extra=_facts(record) | {"reason": error.message})
            await self._slots.postpone(record)
        return True

    async def _start(self, record: ExecutionRecord, flow: FlowRecord | None) -> bool:
        """Start an execution, unless nobody wants it any more."""
        if record.status in (ExecutionStatus.DELETED, ExecutionStatus.CANCEL_REQUESTED):
            await self._executions.close_unstarted(
                record.organization_id, record.id, record.generation, ExecutionStatus.CANCELLED
            )
            return False
        return await self._begin(record, flow)

    async def _let_in(self, record: ExecutionRecord, asker: str | None) -> None:
        """Let the workflows of an execution ask again; each of them then leaves the line itself."""
        for workflow_id in await self._pauses.asking(record.organization_id, record.id):
            if workflow_id != asker:
                await self._gateway.admit(workflow_id)


def waits_in_line(record: ExecutionRecord) -> bool:
    """Return whether an execution may not start before it got a slot."""
    return record.slot is SlotState.FRESH


def _key(record: ExecutionRecord) -> str:
    return slot_key(record.id, record.generation)


def _facts(record: ExecutionRecord) -> dict[str, object]:
    return {"flow_execution_id": record.id, "generation": record.generation}
