"""The truth check: everything that the read model serves, against Temporal, execution by execution.

Source: docs/operations.md, "Is what is shown true?".
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

from contracts.names import flow_workflow_id
from operations.comparison import differences_of_tasks
from operations.standing import Served, differences_of_status
from runtime.gateway import Gateway
from store.audit import Audit
from store.models import ExecutionRecord, ExecutionStatus
from store.slots import held_by

PAGE_SIZE = 100
MAX_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is shown and is not so, or is so and not shown."""

    flow_execution_id: str
    generation: int
    what: str


@dataclass(slots=True)
class Verdict:
    """What a check found.

    Attributes:
        running: Open executions whose workflow runs; nothing is compared of their tasks.
        unknown: Closed executions that Temporal has forgotten, as it does after its retention.
    """

    checked: int = 0
    running: int = 0
    unknown: int = 0
    differences: list[Difference] = field(default_factory=list)


class TruthCheck:
    """Compares every execution of every organization with Temporal; changes nothing.

    Executions may move on while it looks. A difference counts only if a second look, with the
    record as it is then, still finds one; a slot, if nothing held it before and after all else.
    """

    def __init__(self, audit: Audit, gateway: Gateway) -> None:
        """Borrow everything."""
        self._audit = audit
        self._gateway = gateway

    async def run(self, only: Collection[str] = ()) -> Verdict:
        """Check all there is.

        Args:
            only: Ids of the executions to look at, slots included; all of them if there is none.

        Raises:
            FlowExecutionNotFoundError: An id that was given is no execution's.
            UnavailableError: Temporal or the store stopped answering.
        """
        verdict = Verdict()
        limit = asyncio.Semaphore(MAX_AT_ONCE)

        async def checked(record: ExecutionRecord) -> None:
            async with limit:
                await self._check(record, verdict)

        stale_before = await self._stale_slots()
        async for page in self._pages() if not only else self._chosen(only):
            await asyncio.gather(*(checked(record) for record in page))
        if stale_before:
            stale = stale_before & await self._stale_slots()
            verdict.differences.extend(
                found for found in stale if not only or found.flow_execution_id in only
            )
        verdict.differences.sort(key=lambda found: (found.flow_execution_id, found.what))
        return verdict

    async def _pages(self) -> AsyncIterator[list[ExecutionRecord]]:
        after: str | None = None
        while page := await self._audit.executions(after=after, limit=PAGE_SIZE):
            yield page
            after = page[-1].id

    async def _chosen(self, only: Collection[str]) -> AsyncIterator[list[ExecutionRecord]]:
        yield [await self._audit.execution(flow_execution_id) for flow_execution_id in only]

    async def _stale_slots(self) -> set[Difference]:
        """Return slots that nothing holds which runs; one that just ended may give its own back."""
        found: set[Difference] = set()
        after = ""
        while page := await self._audit.slots.held(after=after, limit=PAGE_SIZE):
            for held in page:
                keys = await self._audit.slots.stale(held)
                found |= {
                    Difference(*held_by(key), "holds a slot, but does not run") for key in keys
                }
            after = page[-1].organization_id
        return found

    async def _check(self, record: ExecutionRecord, verdict: Verdict) -> None:
        verdict.checked += 1
        found = await self._differences(record, verdict, counts=True)
        if found:
            current = await self._audit.execution(record.id)
            found = await self._differences(current, verdict, counts=False)
        verdict.differences.extend(Difference(record.id, record.generation, what) for what in found)

    async def _differences(
        self, record: ExecutionRecord, verdict: Verdict, *, counts: bool
    ) -> list[str]:
        workflow_id = flow_workflow_id(record.id, record.generation)
        described = await self._gateway.describe(workflow_id)
        is_running = described is not None and described.is_running
        if record.is_open and is_running:
            verdict.running += counts
            return []
        served = Served(
            record,
            rows=[row for row in await self._audit.rows(record.id) if not row.is_outside],
            outputs=[
                output for output in await self._audit.outputs(record.id) if not output.is_outside
            ],
        )
        found = list(differences_of_status(served, described))
        if described is None:
            verdict.unknown += counts and record.started_generation == record.generation
            return found
        was_unwanted = (
            record.started_generation < record.generation
            and record.status is not ExecutionStatus.COMPLETED
        )
        if not record.is_open and not is_running and not was_unwanted:
            run = await self._gateway.history(workflow_id, described.run_id)
            if run is not None:
                found.extend(differences_of_tasks(served, run))
        return found
