"""Lets tasks of the waiting kind wait: state of the workflow, ended by a timer or a signal.

Which it is, the executor says. One that waits for time is shown as running. One that ``awaits``
something from outside is shown as ``awaiting_input``; its workflow is told by the signal
``delivered``, which carries no data and may come any number of times, to look up what came.

A further kind of waiting needs an executor with its own word in ``awaits``, a source under that
word (``operations.waiting.DeliverySource``), and an activity under the executor's name that turns
what the source holds into the task's output.

Source: docs/decisions/0021-tasks-that-the-workflow-itself-runs.md and
docs/decisions/0033-waiting-for-the-outside.md.
"""

import asyncio
from datetime import datetime

from temporalio import workflow

from contracts.messages import (
    DeliveryNotice,
    OpenTaskCall,
    OpenTaskReply,
    RunContext,
    TaskCall,
    WaitCall,
    WaitReply,
)
from contracts.names import BEGIN_WAIT, LOOK_FOR_DELIVERY, OPEN_TASK, activity_id
from flows.errors import TaskFailedError
from flows.executors.spec import TaskExecutor
from flows.executors.wait import due_at
from flows.executors.waiting import gives_up_at
from workflows.scheduling.parking import Parking
from workflows.scheduling.settling import insist

NOT_DELIVERED = "NotDelivered"


class Waits:
    """What the tasks, or items, of one workflow wait for.

    Attributes:
        parking: Whether all of the workflow waits.
    """

    def __init__(self, context: RunContext) -> None:
        """Begin with nobody waiting; signals may arrive from now on."""
        self._bells: dict[str, asyncio.Event] = {}
        self.parking = Parking(context, self.ring)

    def ring(self, notice: DeliveryNotice) -> None:
        """Let a task look up what came; nothing happens if it does not wait (any more)."""
        bell = self._bells.get(activity_id(notice.task_name, notice.item))
        if bell is not None:
            bell.set()

    async def over(self, call: TaskCall, executor: TaskExecutor, title: str) -> TaskCall:
        """Wait, and return the call for the activity that ends the task.

        The row is opened first, and only for a generation that still counts, as any other
        attempt's. A store that is down holds the wait's end up, not its clock: that runs from the
        task's beginning.

        Raises:
            TaskFailedError: The parameters do not say how long, or nothing came in time.
            FailureError: A newer generation owns the execution.
            CancelledError: The flow stops.
        """
        began_at = workflow.now()
        if executor.awaits is None:
            await self._for_time(call, began_at, title)
        else:
            await self._for_delivery(call, executor, began_at, title)
        await self.parking.woken()
        return call.model_copy(update={"began_at": began_at})

    async def _for_time(self, call: TaskCall, began_at: datetime, title: str) -> None:
        """Wait until the task is due."""
        due = due_at(call.parameters, began_at)
        await insist(
            OPEN_TASK,
            OpenTaskCall(call=call, began_at=began_at),
            OpenTaskReply,
            activity_id=activity_id(call.task_name, call.item),
            title=title,
        )
        left = due - workflow.now()
        if left.total_seconds() > 0:
            with self.parking.waiting(for_outside=False):
                await workflow.sleep(left, summary=title)

    async def _for_delivery(
        self, call: TaskCall, executor: TaskExecutor, began_at: datetime, title: str
    ) -> None:
        """Wait until the store has what the task waits for.

        Whoever delivers stores first and then signals the workflow that the row names; the row is
        written before the store is looked up. So one of the two finds the other.
        """
        gives_up = gives_up_at(executor, call.parameters, began_at)
        wait = WaitCall(call=call, began_at=began_at, workflow_id=workflow.info().workflow_id)
        place = activity_id(call.task_name, call.item)
        bell = self._bells[place] = asyncio.Event()
        try:
            reply = await insist(BEGIN_WAIT, wait, WaitReply, activity_id=place, title=title)
            while not reply.has_come:
                has_rung = await self._rung(bell, gives_up, title)
                bell.clear()
                reply = await insist(LOOK_FOR_DELIVERY, wait, WaitReply, title=f"{title}: look")
                if not has_rung and not reply.has_come:
                    raise _not_delivered(gives_up, began_at)
        finally:
            del self._bells[place]

    async def _rung(self, bell: asyncio.Event, gives_up: datetime | None, title: str) -> bool:
        """Wait for the bell; return False if the time was up before."""
        left = None if gives_up is None else gives_up - workflow.now()
        if left is not None and left.total_seconds() <= 0:
            return bell.is_set()
        with self.parking.waiting(for_outside=True):
            try:
                await workflow.wait_condition(bell.is_set, timeout=left, timeout_summary=title)
            except TimeoutError:
                return False
        return True


def _not_delivered(gives_up: datetime | None, began_at: datetime) -> TaskFailedError:
    """Return what a task fails with for which nothing came."""
    seconds = 0.0 if gives_up is None else (gives_up - began_at).total_seconds()
    return TaskFailedError(f"nothing came within {seconds:g} seconds", type=NOT_DELIVERED)
