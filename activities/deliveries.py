"""Waiting for the outside, as the workflow's local activities."""

from temporalio import activity

from contracts.messages import (
    AllWaitCall,
    AllWaitReply,
    WaitCall,
    WaitReply,
    WokenCall,
    WokenReply,
)
from contracts.names import BEGIN_WAIT, LOOK_FOR_DELIVERY, NOTE_ALL_WAIT, NOTE_WOKEN
from operations.waiting import Waiting


class DeliveryActivities:
    """Every call may be repeated; type ``superseded`` if the execution moved on without the run."""

    def __init__(self, waiting: Waiting) -> None:
        """Borrow the use cases."""
        self._waiting = waiting

    @activity.defn(name=BEGIN_WAIT)
    async def begin_wait(self, call: WaitCall) -> WaitReply:
        """Show a task as waiting, and say whether what it waits for has come already."""
        return WaitReply(has_come=await self._waiting.begin(call))

    @activity.defn(name=LOOK_FOR_DELIVERY)
    async def look_for_delivery(self, call: WaitCall) -> WaitReply:
        """Say whether what a task waits for has come."""
        return WaitReply(has_come=await self._waiting.look(call))

    @activity.defn(name=NOTE_ALL_WAIT)
    async def note_all_wait(self, call: AllWaitCall) -> AllWaitReply:
        """Note that all of a workflow waits, unless something has come."""
        return AllWaitReply(come=await self._waiting.all_wait(call))

    @activity.defn(name=NOTE_WOKEN)
    async def note_woken(self, call: WokenCall) -> WokenReply:
        """Note that a workflow is about to go on."""
        return WokenReply(is_admitted=await self._waiting.woken(call))
