"""The Temporal Schedule behind the reconciler."""

from datetime import timedelta

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from contracts.messages import ReconcileCall
from contracts.names import RECONCILIATION

CATCH_UP_WINDOW = timedelta(seconds=30)
ROUND_TIMEOUT = timedelta(minutes=10)


def reconciliation(schedule_id: str, task_queue: str, every: timedelta) -> Schedule:
    """Return the schedule of the reconciler's rounds; its workflows carry the schedule's id."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RECONCILIATION,
            ReconcileCall(),
            id=schedule_id,
            task_queue=task_queue,
            execution_timeout=ROUND_TIMEOUT,
            static_summary="compares open executions with Temporal",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP_WINDOW),
    )
