"""Tasks that wait for the outside: how a wait begins, what wakes it, and when all of it waits.

Source: docs/decisions/0033-waiting-for-the-outside.md.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from contracts.messages import (
    AllWaitCall,
    DeliveryNotice,
    TaskCall,
    WaitCall,
    WokenCall,
)
from flows.errors import UnavailableError
from operations.promotion import Promotion
from runtime.gateway import Gateway
from store.models import ExecutionRecord
from store.parking import Parking
from store.projection import Projection
from store.suspension import Suspension, Wait, awaits

logger = logging.getLogger(__name__)


class DeliverySource(Protocol):
    """Where the deliveries of one kind of waiting are kept; one a kind, by the executor's word.

    Whoever stores a delivery calls ``Wakes.wake`` afterwards. What is stored stays until the task
    is begun anew, since its activity may fetch it several times.
    """

    async def expect(self, call: TaskCall) -> None:
        """Make ready what the outside needs in order to deliver. Repeatable.

        Called when a task begins to wait, its row shown, before it is looked up what came.
        """

    async def has_come(self, call: TaskCall) -> bool:
        """Return whether the task's activity would find what the task waits for."""

    async def come(self, waits: Sequence[Wait]) -> Collection[Wait]:
        """Return those for which something is stored; all are of this kind."""


class Waiting:
    """The engine's side, behind the workflow's local activities. All of it may be repeated."""

    def __init__(
        self,
        *,
        projection: Projection,
        suspension: Suspension,
        parking: Parking,
        promotion: Promotion,
        sources: Mapping[str, DeliverySource],
    ) -> None:
        """Borrow everything.

        Args:
            sources: By what executors say that they await.
        """
        self._projection = projection
        self._suspension = suspension
        self._parking = parking
        self._promotion = promotion
        self._sources = sources

    async def begin(self, wait: WaitCall) -> bool:
        """Show a task as waiting, then return whether what it waits for has come already.

        In this order: who delivers stores first and then looks for whom to wake.

        Raises:
            ExecutionSupersededError: The execution has moved on without this run.
            StoreUnavailableError: Call again.
        """
        call = wait.call
        run_id = call.context.run_id or None
        await self._projection.await_input(call, run_id, wait.began_at, wait.workflow_id)
        await self._source(call).expect(call)
        return await self.look(wait)

    async def look(self, wait: WaitCall) -> bool:
        """Return whether what a task waits for has come; if so, nobody wakes it any more.

        Raises:
            ExecutionSupersededError: The execution has moved on without this run.
            StoreUnavailableError: Call again.
        """
        call = wait.call
        if not await self._source(call).has_come(call):
            return False
        run_id = call.context.run_id or None
        # After an operator's reset this may be the first that is heard of the run.
        await self._projection.await_input(call, run_id, wait.began_at, wait.workflow_id)
        await self._suspension.note_woken(call)
        return True

    async def all_wait(self, call: AllWaitCall) -> list[DeliveryNotice]:
        """Note that all of a workflow waits, after a last look at what came for it.

        If with this all of the execution waits, its slot of the organization's limit goes to the
        next in line; until ``woken`` it needs none.

        Returns:
            What came after all; then nothing was noted, and the workflow rings these tasks.
        """
        waits = await self._suspension.of_executions([call.context.flow_execution_id])
        ours = [wait for wait in waits if wait.workflow_id == call.workflow_id]
        come = await self._come(ours)
        if not come and await self._parking.park(call.context, call.workflow_id, call.children):
            await self._promotion.paused(call.context)
        return [DeliveryNotice(task_name=wait.task_name, item=wait.item) for wait in come]

    async def woken(self, call: WokenCall) -> bool:
        """Note that a workflow goes on, by whatever cause; return whether it may.

        An execution that gave its slot back needs one again. Answered False, the workflow schedules
        nothing, and asks again at each signal ``admitted``.
        """
        await self._parking.unpark(call.context, call.workflow_id)
        return await self._promotion.may_go_on(call.context, call.workflow_id)

    async def _come(self, waits: Sequence[Wait]) -> list[Wait]:
        return await come_for(waits, self._sources)

    def _source(self, call: TaskCall) -> DeliverySource:
        return self._sources[awaits(call) or ""]


class Wakes:
    """The outside's side: signals what waits. A signal may be sent any number of times."""

    def __init__(
        self,
        suspension: Suspension,
        gateway: Gateway,
        sources: Mapping[str, DeliverySource],
    ) -> None:
        """Borrow everything."""
        self._suspension = suspension
        self._gateway = gateway
        self._sources = sources

    async def wake(self, flow_execution_id: str, task_name: str, item: int | None = None) -> bool:
        """Tell a task, if it waits, that something is stored for it; to be called after storing.

        A task that does not wait yet finds it by itself. What cannot be told now, the reconciler
        tells later.

        Returns:
            Whether the workflow was told.
        """
        try:
            waits = await self._suspension.of_executions([flow_execution_id], task_name=task_name)
            told = [await self._tell(wait) for wait in waits if wait.item == item]
        except UnavailableError as error:
            logger.warning(
                "delivery stored but not passed on yet; the reconciler will do it",
                extra={"flow_execution_id": flow_execution_id, "reason": error.message},
            )
            return False
        return any(told)

    async def repeat(self, records: Sequence[ExecutionRecord]) -> int:
        """Tell every waiting task of these executions for which something is stored.

        Returns:
            How many were told.

        Raises:
            UnavailableError: The store or Temporal stopped answering.
        """
        generation_by_id = {record.id: record.generation for record in records}
        waits = await self._suspension.of_executions(generation_by_id)
        current = [
            wait for wait in waits if generation_by_id[wait.flow_execution_id] == wait.generation
        ]
        told = [await self._tell(wait) for wait in await come_for(current, self._sources)]
        return sum(told)

    async def _tell(self, wait: Wait) -> bool:
        notice = DeliveryNotice(task_name=wait.task_name, item=wait.item)
        return await self._gateway.tell_delivered(wait.workflow_id, notice)


async def come_for(waits: Sequence[Wait], sources: Mapping[str, DeliverySource]) -> list[Wait]:
    """Return those of the waits for which something is stored."""
    by_kind: dict[str, list[Wait]] = defaultdict(list)
    for wait in waits:
        by_kind[wait.awaits].append(wait)
    return [wait for kind, found in by_kind.items() for wait in await sources[kind].come(found)]
