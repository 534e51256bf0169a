"""The activities behind the starts of plain Temporal clients."""

from temporalio import activity

from contracts.names import RECORD_AND_START_FLOW, RECORD_AND_START_RUN
from contracts.starts import FlowStarted, RunStarted, StartFlowAsked, StartRunAsked
from operations.outside_starts import OutsideStarts


class OutsideStartActivities:
    """Record and start; every call may be repeated."""

    def __init__(self, starts: OutsideStarts) -> None:
        """Borrow what starts."""
        self._starts = starts

    @activity.defn(name=RECORD_AND_START_FLOW)
    async def record_and_start_flow(self, asked: StartFlowAsked) -> FlowStarted:
        """Record one execution of a flow, and have it started."""
        return await self._starts.flow(asked)

    @activity.defn(name=RECORD_AND_START_RUN)
    async def record_and_start_run(self, asked: StartRunAsked) -> RunStarted:
        """Record one interactive run, and start it."""
        return await self._starts.run(asked)
