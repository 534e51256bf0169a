"""What one run of a flow's workflow did, as its history tells it."""

from dataclasses import dataclass, field
from datetime import datetime

from contracts.messages import (
    FlowExecutionResult,
    FlowExecutionStart,
    TaskCall,
    TaskReply,
    TaskState,
)


@dataclass(slots=True)
class TaskHistory:
    """What a history says about one task, or about one item of an iteration.

    Attributes:
        executor: Type of the activity.
        state: RUNNING as long as no end is on record.
        attempt: The last attempt known, from 1; 0 while none has started.
        call: What it was asked; None for local activities, whose input histories leave out.
        failure: How the last attempt ended, where it failed or was cancelled.
        is_late: Whether it ended after its workflow had been told to stop, or another of its tasks
            had failed. The workflow may have given it up before it heard of that end.
        is_opened: Whether the workflow itself began with it, attempt by attempt.
        is_remote: Whether somebody else's worker runs it, whose messages are not ours.
    """

    task_name: str
    item: int | None
    executor: str
    state: TaskState = TaskState.RUNNING
    attempt: int = 0
    call: TaskCall | None = None
    reply: TaskReply | None = None
    failure: BaseException | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    is_late: bool = False
    is_opened: bool = False
    is_remote: bool = False


@dataclass(slots=True)
class RunHistory:
    """What one run of a flow execution's workflow did, its child workflows included.

    Attributes:
        tasks: By task name and item; only tasks of which an activity is on record.
        item_counts: Number of items by iterated task.
        result: What the workflow returned, if it completed.
        failure: Why the workflow failed, if it did.
    """

    start: FlowExecutionStart
    tasks: dict[tuple[str, int | None], TaskHistory] = field(default_factory=dict)
    item_counts: dict[str, int] = field(default_factory=dict)
    result: FlowExecutionResult | None = None
    failure: BaseException | None = None
    is_closed: bool = False
    closed_at: datetime | None = None
