"""The Temporal Schedule behind one ``scheduled_trigger`` task."""

from datetime import timedelta

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)

from contracts.messages import FireCall
from contracts.names import SCHEDULED_START
from flows.executors.scheduled_trigger import Overlap, ScheduledTriggerParameters

_POLICIES: dict[Overlap, ScheduleOverlapPolicy] = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "allow_all": ScheduleOverlapPolicy.ALLOW_ALL,
    "buffer_one": ScheduleOverlapPolicy.BUFFER_ONE,
    "cancel_other": ScheduleOverlapPolicy.ALLOW_ALL,
}
_REVISION = "revision "


def flow_schedule(
    schedule_id: str,
    task_queue: str,
    call: FireCall,
    parameters: ScheduledTriggerParameters,
    *,
    is_paused: bool,
    revision: int,
) -> Schedule:
    """Return the schedule; its workflows record executions, and do not last as long as those."""
    every = parameters.every_seconds
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SCHEDULED_START,
            call,
            id=schedule_id,
            task_queue=task_queue,
            static_summary=f"starts a flow by its task {call.task_name}"[:200],
        ),
        spec=ScheduleSpec(
            cron_expressions=[parameters.cron] if parameters.cron is not None else [],
            intervals=[]
            if every is None
            else [ScheduleIntervalSpec(every=timedelta(seconds=every))],
            time_zone_name=parameters.time_zone,
        ),
        policy=SchedulePolicy(
            overlap=_POLICIES[parameters.overlap],
            catchup_window=timedelta(seconds=parameters.catch_up_seconds),
        ),
        state=ScheduleState(paused=is_paused, note=f"{_REVISION}{revision}"),
    )


def revision_of(schedule: Schedule) -> int:
    """Return which revision of its flow a schedule follows; 0 where somebody else changed it."""
    text = (schedule.state.note or "").removeprefix(_REVISION)
    return int(text) if text.isdecimal() else 0
