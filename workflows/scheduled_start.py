"""The Temporal workflow that a flow's schedule starts at each of its times."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, VersioningBehavior

from contracts.messages import FireCall, FireReply
from contracts.names import FIRE_TRIGGER, SCHEDULED_START

SCHEDULED_TIME = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
LOOK_AGAIN_AFTER = timedelta(seconds=5)

_TIMEOUT = timedelta(seconds=60)
_LONGEST = timedelta(hours=12)
_LONGEST_DELAY = timedelta(seconds=30)


@workflow.defn(name=SCHEDULED_START)
class ScheduledStartWorkflow:
    """Has one execution recorded for one scheduled time."""

    @workflow.run
    async def run(self, call: FireCall) -> FireReply:
        """Fire; while the task waits for an earlier execution to end, look again.

        Raises:
            ActivityError: The store did not answer for half a day.
        """
        if call.scheduled_at is None:
            info = workflow.info()
            meant = info.typed_search_attributes.get(SCHEDULED_TIME, info.start_time)
            call = call.model_copy(update={"scheduled_at": meant})
        while True:
            reply: FireReply = await workflow.execute_activity(
                FIRE_TRIGGER,
                call,
                result_type=FireReply,
                start_to_close_timeout=_TIMEOUT,
                schedule_to_close_timeout=_LONGEST,
                retry_policy=RetryPolicy(maximum_interval=_LONGEST_DELAY),
                summary="record an execution",
            )
            if reply.outcome != "busy":
                return reply
            await workflow.sleep(LOOK_AGAIN_AFTER, summary="an earlier execution still runs")
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(call)


@workflow.defn(name=SCHEDULED_START, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class MovingScheduledStartWorkflow(ScheduledStartWorkflow):
    """A start on workers that take part in Worker Versioning: any build may finish it.

    One that waits for an earlier execution would hold its build for as long.
    """

    @workflow.run
    async def run(self, call: FireCall) -> FireReply:
        """Fire."""
        return await super().run(call)
