"""What crosses a process boundary.

Stored histories hold these: fields are only added, with defaults.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from flows.model import Flow, Task
from flows.secrets import SecretUse


class Message(BaseModel):
    """Tolerant of fields that a newer process sends."""

    model_config = ConfigDict(extra="ignore")


class Seed(Message):
    """A result that a task (or one item of it) may reuse if its fingerprint still matches.

    Attributes:
        attempt: The attempt that produced the output, for the record.
    """

    task_name: str
    item: int | None = None
    output: JsonValue = None
    fingerprint: str
    attempt: int = 1


class FlowExecutionStart(Message):
    """All that one generation of a flow execution needs. ``input`` was validated before.

    Attributes:
        edits: How many edits of the execution's results are among the seeds for certain.
    """

    organization_id: str
    flow_id: str
    flow_version: int
    flow_name: str
    flow_execution_id: str
    generation: int
    run_number: int
    definition: Flow
    input: dict[str, JsonValue]
    input_task_name: str
    seeds: list[Seed] = Field(default_factory=list)
    edits: int = 0


class RunContext(Message):
    """Which generation of which execution a task belongs to.

    Attributes:
        run_id: Temporal run of the flow's own workflow, also for items that a child runs; empty in
            messages of before it was told.
        edits: As in FlowExecutionStart.
    """

    organization_id: str
    flow_id: str
    flow_version: int
    flow_execution_id: str
    generation: int
    run_id: str = ""
    edits: int = 0


class TaskCall(Message):
    """Input of every task activity.

    Attributes:
        parameters: Resolved; what the task execution shows as its ``input``.
        secrets: What stands masked in the parameters, to be put there where the task runs.
        item: Position in the iteration, None for a task that runs once.
        item_count: Number of items of the iteration, 1 for a task that runs once.
        effect_key: Same on every attempt; sent outside as ``Idempotency-Key``.
        max_attempts: Failures allowed; the interceptor makes the last one final, because for pure
            work Temporal itself is allowed more attempts (lost workers do not count).
        sources: Whose output a pass-through task passes on, as its task execution shows it.
        began_at: When the task began, where the workflow opened its row before (``OpenTaskCall``)
            and the activity only ends it; None where the activity's attempt is the beginning.
    """

    context: RunContext
    task_name: str
    executor: str
    parameters: dict[str, JsonValue]
    item: int | None = None
    item_count: int = 1
    effect_key: str
    fingerprint: str
    max_attempts: int = 1
    began_at: datetime | None = None
    secrets: list[SecretUse] = Field(default_factory=list)
    sources: JsonValue = None


class OpenTaskCall(Message):
    """Show a task, or an item, as running before the workflow itself begins with it. Repeatable."""

    call: TaskCall
    attempt: int = 1
    began_at: datetime


class OpenTaskReply(Message):
    """Nothing to say: it is shown."""


class WaitCall(OpenTaskCall):
    """Show a task, or an item, as waiting for the outside, and look for what came. Repeatable.

    Attributes:
        workflow_id: Whom to signal once something came: the workflow that holds the task.
    """

    workflow_id: str


class WaitReply(Message):
    """Whether what the task waits for is there."""

    has_come: bool = False


class DeliveryNotice(Message):
    """Payload of the signal ``delivered``: which task, or item, should look for what came."""

    task_name: str
    item: int | None = None


class AllWaitCall(Message):
    """Everything that a workflow has under way waits. Repeatable.

    Attributes:
        workflow_id: The flow's own workflow, or one that runs items of an iteration.
        children: Workflows of iterations whose items wait for the outside: as long as one of them
            does not say the same, not all of the execution waits.
    """

    context: RunContext
    workflow_id: str
    children: list[str] = Field(default_factory=list)


class AllWaitReply(Message):
    """What has come meanwhile after all; nothing was noted unless it is empty."""

    come: list[DeliveryNotice] = Field(default_factory=list)


class WokenCall(Message):
    """A workflow that had said that all of it waits is about to go on. Repeatable."""

    context: RunContext
    workflow_id: str


class WokenReply(Message):
    """Whether it may; if not, it asks again after the signal ``admitted``."""

    is_admitted: bool = True


class CloseTaskCall(Message):
    """Show how an attempt ended: it failed with its error, or completed with its output."""

    call: TaskCall
    attempt: int
    output: JsonValue = None
    output_digest: str = ""
    error: "TaskError | None" = None
    began_at: datetime
    ended_at: datetime


class CloseTaskReply(Message):
    """Nothing to say: it is shown."""


class TaskReply(Message):
    """Result of every task activity.

    Attributes:
        output_digest: ``flows.canonical.digest`` of the output, computed by the activity so that
            the workflow need not; settling compares it with what the read model holds.
        attempt: Which attempt succeeded, counted from 1 by Temporal.
    """

    output: JsonValue = None
    output_digest: str = ""
    attempt: int = 1
    started_at: datetime | None = None
    completed_at: datetime | None = None


class TaskError(Message):
    """What ``error`` of a task execution shows."""

    message: str
    type: str
    traceback: str | None = None


class TaskState(StrEnum):
    """Where a task, or one item of an iteration, stands in the workflow's own state."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    REUSED = "reused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class TaskSettlement(Message):
    """The workflow's word on one task, or on one item of an iteration.

    Attributes:
        item: None for a task that ran once, and for the aggregate of an iteration.
        item_count: For the aggregate of an iteration the number of items; None otherwise.
        attempt: The attempt that ended it; None where nothing ran (inputs, skipped, reused).
        output: Present only with ``has_output``; left out where the store should hold it already,
            which ``output_digest`` proves.
    """

    task_name: str
    item: int | None = None
    item_count: int | None = None
    state: TaskState
    attempt: int | None = None
    input: JsonValue = None
    output: JsonValue = None
    has_output: bool = False
    output_digest: str = ""
    fingerprint: str = ""
    error: TaskError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class SettleTasksCall(Message):
    """Write the workflow's word on some tasks over whatever was reported. Repeatable."""

    context: RunContext
    tasks: list[TaskSettlement]


class SettleTasksReply(Message):
    """Positions in ``tasks`` whose output the store lacks: send those again with their output."""

    missing: list[int] = Field(default_factory=list)


class SettleExecutionCall(Message):
    """Close the execution: final status, every row still open, hidden rows of skipped tasks.

    Attributes:
        status: ``completed``, ``failed`` or ``cancelled``.
        skipped: Tasks that will never run: nothing of them is shown.
        unreached: Tasks that this run never began. Rows of this generation may exist all the same,
            if they ran in a workflow task that Temporal threw away; those are hidden.
    """

    context: RunContext
    status: str
    error: TaskError | None = None
    failed_task: str | None = None
    tasks: list[TaskSettlement] = Field(default_factory=list)
    skipped: list[str] = Field(default_factory=list)
    unreached: list[str] = Field(default_factory=list)


class SettleExecutionReply(Message):
    """``missing`` as in SettleTasksReply; nothing was closed while it is not empty.

    Attributes:
        superseded: A newer generation owns the execution; nothing was written.
    """

    missing: list[int] = Field(default_factory=list)
    superseded: bool = False


class FlowExecutionResult(Message):
    """What the Temporal workflow returns: outputs of the tasks that nothing depends on, by name.

    Attributes:
        omitted: Tasks whose outputs would have made the result too large; the read model has them.
    """

    status: str
    outputs: dict[str, JsonValue] = Field(default_factory=dict)
    omitted: list[str] = Field(default_factory=list)


class IterationStart(Message):
    """One child workflow of an iteration: a run of items and what they read.

    Attributes:
        first_item: Position of the first item of this child in the whole iteration.
        item_count: Number of items of the whole iteration.
        shared: Value of each reference that all items share, by the reference's text.
        items: For each reference that is iterated, the values of this child's items.
        edge_outputs_digest: Digest of outputs of dependencies that come by an edge alone; part of
            every item's fingerprint.
        iterated: For each parameter, the references in it that are iterated; one reference may be
            iterated in one parameter and shared whole in another.
    """

    context: RunContext
    task: Task
    first_item: int
    item_count: int
    length: int
    window: int
    shared: dict[str, JsonValue] = Field(default_factory=dict)
    items: dict[str, list[JsonValue]] = Field(default_factory=dict)
    edge_outputs_digest: str = ""
    iterated: dict[str, list[str]] = Field(default_factory=dict)
    seeds: list[Seed] = Field(default_factory=list)


class IterationResult(Message):
    """Outputs of the child's items, in item order, and how many of them were reused."""

    outputs: list[JsonValue]
    reused: int = 0


class TaskView(Message):
    """One task as the query ``task_states`` shows it."""

    task_name: str
    state: TaskState
    attempt: int | None = None
    items_total: int | None = None
    items_done: int | None = None


class ReconcileCall(Message):
    """One round of the reconciler: at most ``limit`` open executions, oldest check first."""

    limit: int = 500


class ReconcileReply(Message):
    """What one round found and did."""

    looked_at: int = 0
    started: int = 0
    settled: int = 0
    cancelled: int = 0
    expired: int = 0
    failed: int = 0
    woken: int = 0


class FireCall(Message):
    """Start a flow by the clock.

    Attributes:
        fingerprint: Of the task's parameters when its schedule was made; a schedule that does not
            follow the flow any more starts nothing.
        scheduled_at: The time that the schedule meant; the workflow fills it in.
    """

    organization_id: str
    flow_id: str
    task_name: str
    fingerprint: str
    scheduled_at: datetime | None = None


class FireReply(Message):
    """What came of it.

    Attributes:
        outcome: ``started``; ``skipped`` or ``busy`` where an earlier execution still runs;
            ``refused`` where the flow cannot run; ``gone`` where nothing is to be started any more;
            ``outdated`` where the flow has changed since the schedule was made.
    """

    outcome: str
    flow_execution_id: str | None = None
    reason: str | None = None
