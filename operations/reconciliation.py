"""One round of the reconciler: what the read model says is open, against what Temporal says.

Source: docs/decisions/0009-reconciler.md.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from contracts.messages import ReconcileCall, ReconcileReply
from contracts.names import flow_workflow_id
from flows.errors import EngineError, TemporalUnavailableError, UnavailableError
from operations.aftermath import Aftermath
from operations.files import FileSweep
from operations.reruns import Reruns
from operations.reviews import ReviewSweep
from operations.run_sweep import RunSweep
from operations.schedules import Schedules
from operations.starting import Starter
from operations.waiting import Wakes
from runtime.gateway import Described, Gateway
from store.clock import now
from store.executions import ExecutionRepository
from store.expiry import Expiry
from store.models import ExecutionRecord, ExecutionStatus
from store.payloads import PayloadRepository

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 8
MAX_EXPIRING_FLOWS = 100
MAX_RERUNS = 100
MAX_UNSCHEDULED_FLOWS = 100
MAX_LIMITED_ORGANIZATIONS = 100
SYSTEM = "system"


class Finding(StrEnum):
    """What a look at one open execution led to."""

    FINE = "fine"
    STARTED = "started"
    CANCELLED = "cancelled"
    SETTLED = "settled"
    FAILED = "failed"


class Reconciler:
    """Finishes what a crash left undone. Everything it does may be done twice."""

    def __init__(
        self,
        *,
        executions: ExecutionRepository,
        starter: Starter,
        gateway: Gateway,
        aftermath: Aftermath,
        expiry: Expiry,
        payloads: PayloadRepository,
        schedules: Schedules,
        reruns: Reruns,
        uploads: FileSweep,
        reviews: ReviewSweep,
        wakes: Wakes,
        runs: RunSweep,
        payload_retention: timedelta,
    ) -> None:
        """Borrow everything.

        Args:
            payload_retention: How long payloads outlive the close of their execution.
        """
        self._executions = executions
        self._starter = starter
        self._promotion = starter.promotion
        self._gateway = gateway
        self._aftermath = aftermath
        self._expiry = expiry
        self._expired_up_to = ""
        self._payloads = payloads
        self._schedules = schedules
        self._reruns = reruns
        self._uploads = uploads
        self._reviews = reviews
        self._wakes = wakes
        self._runs = runs
        self._payload_retention = payload_retention

    async def round(self, call: ReconcileCall) -> ReconcileReply:
        """Look at the open executions whose last look is the longest ago.

        An execution that cannot be put right is logged and left for the next round; the others go
        on. Tasks of theirs that wait are told what came for them. Afterwards slots that nothing
        holds any more go to the next in line, schedules are brought in line with their flows, and a
        bounded number is deleted of executions that their flow keeps no longer, of payloads that no
        history needs any more, and of what is left of uploads. Reviews that
        somebody began too long ago are taken back, and interactive runs looked at.

        Raises:
            StoreUnavailableError: MongoDB stopped answering.
        """
        records = await self._executions.open_records(call.limit)
        in_line = await self._promotion.adopt(records)
        records = [record for record in records if record.id not in in_line]
        limit = asyncio.Semaphore(MAX_AT_ONCE)

        async def looked(record: ExecutionRecord) -> Finding:
            async with limit:
                return await self._safely(record)

        found = await asyncio.gather(*(looked(record) for record in records))
        woken = await self._wake(records)
        await self._promotion.mend(MAX_LIMITED_ORGANIZATIONS)
        await self._schedules.sync_pending(MAX_UNSCHEDULED_FLOWS)
        await self._follow()
        await self._payloads.delete_expired(self._payload_retention)
        await self._uploads.sweep(call.limit)
        await self._reviews.sweep(call.limit)
        await self._runs.sweep(call.limit)
        return ReconcileReply(
            looked_at=len(found),
            expired=await self._expire(call.limit),
            started=found.count(Finding.STARTED),
            settled=found.count(Finding.SETTLED),
            cancelled=found.count(Finding.CANCELLED),
            failed=found.count(Finding.FAILED),
            woken=woken,
        )

    async def _wake(self, records: Sequence[ExecutionRecord]) -> int:
        """Repeat what waiting tasks may not have been told; return how many were."""
        try:
            return await self._wakes.repeat(records)
        except UnavailableError as error:
            logger.info("waking later", extra={"reason": error.message})
            return 0

    async def _follow(self) -> None:
        """Run again what follows a new version of its flow; what cannot be begun waits."""
        try:
            await self._reruns.proceed(MAX_RERUNS)
        except TemporalUnavailableError as error:
            logger.info("executions follow their flow later", extra={"reason": error.message})

    async def _expire(self, limit: int) -> int:
        """Delete executions that ended too long ago, for some flows at a time, one after another.

        Returns:
            How many were deleted.
        """
        flows = await self._expiry.flows(after=self._expired_up_to, limit=MAX_EXPIRING_FLOWS)
        self._expired_up_to = flows[-1].id if len(flows) == MAX_EXPIRING_FLOWS else ""
        count = 0
        for flow in flows:
            for expired in await self._expiry.executions(flow, now(), limit - count):
                await self._executions.delete(expired.organization_id, expired.id, SYSTEM)
                count += 1
            if count >= limit:
                break
        return count

    async def _safely(self, record: ExecutionRecord) -> Finding:
        try:
            finding = await self.look(record)
        except UnavailableError as error:
            logger.info("reconciling later", extra=_facts(record) | {"reason": error.message})
            return Finding.FAILED
        except EngineError as error:
            logger.warning("cannot reconcile", extra=_facts(record) | {"reason": error.message})
            return Finding.FAILED
        except Exception:
            logger.exception("cannot reconcile", extra=_facts(record))
            return Finding.FAILED
        if finding is not Finding.FINE:
            logger.info("reconciled", extra=_facts(record) | {"finding": finding.value})
        return finding

    async def look(self, record: ExecutionRecord) -> Finding:
        """Compare one open execution with Temporal and do what is missing."""
        await self._starter.end_older_generations(record)
        if record.started_generation < record.generation:
            return await self._start(record)
        described = await self._gateway.describe(flow_workflow_id(record.id, record.generation))
        if described is not None and described.is_running:
            return await self._repeat_cancellation(record, described)
        return await self._settle(record, described)

    async def _start(self, record: ExecutionRecord) -> Finding:
        """Start a generation of which nobody knows whether it was started.

        Nobody wants it any more if it was deleted or asked to stop while it was queued.
        """
        if record.status in (ExecutionStatus.DELETED, ExecutionStatus.CANCEL_REQUESTED):
            closed = await self._executions.close_unstarted(
                record.organization_id, record.id, record.generation, ExecutionStatus.CANCELLED
            )
            return Finding.CANCELLED if closed else Finding.FINE
        await self._starter.start(record)
        return Finding.STARTED

    async def _repeat_cancellation(self, record: ExecutionRecord, described: Described) -> Finding:
        if record.cancel_requested_at is None or described.is_cancel_requested:
            return Finding.FINE
        await self._gateway.cancel(described.workflow_id)
        return Finding.CANCELLED

    async def _settle(self, record: ExecutionRecord, described: Described | None) -> Finding:
        """Settle from history, unless the run settled itself while we looked."""
        current = await self._executions.find_any(record.organization_id, record.id)
        if not current.is_open or current.generation != record.generation:
            return Finding.FINE
        history = None
        if described is not None:
            history = await self._gateway.history(described.workflow_id, described.run_id)
        await self._aftermath.settle(current, described, history)
        return Finding.SETTLED


def _facts(record: ExecutionRecord) -> dict[str, object]:
    return {"flow_execution_id": record.id, "generation": record.generation}
