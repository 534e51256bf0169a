"""The activity behind flows' schedules."""

from temporalio import activity

from contracts.messages import FireCall, FireReply
from contracts.names import FIRE_TRIGGER
from operations.schedules import ScheduledStarts


class ScheduleActivities:
    """Starts flows by the clock."""

    def __init__(self, starts: ScheduledStarts) -> None:
        """Borrow what starts them."""
        self._starts = starts

    @activity.defn(name=FIRE_TRIGGER)
    async def fire_trigger(self, call: FireCall) -> FireReply:
        """Record one execution for one scheduled time."""
        return await self._starts.fire(call)
