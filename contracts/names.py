"""Registered names: stored histories and outside clients hold them, so they never change."""

from typing import NewType

FlowId = NewType("FlowId", str)
FlowExecutionId = NewType("FlowExecutionId", str)
OrganizationId = NewType("OrganizationId", str)

FLOW_EXECUTION = "FlowExecution"
ITERATION = "Iteration"
RECONCILIATION = "Reconciliation"
SCHEDULED_START = "ScheduledStart"
INTERACTIVE_RUN = "InteractiveRun"
START_FLOW_EXECUTION = "StartFlowExecution"
START_INTERACTIVE_RUN = "StartInteractiveRun"

SETTLE_TASKS = "settle_tasks"
SETTLE_EXECUTION = "settle_execution"
RECONCILE = "reconcile"
OPEN_TASK = "open_task"
CLOSE_TASK = "close_task"
FIRE_TRIGGER = "fire_trigger"
BEGIN_WAIT = "begin_wait"
LOOK_FOR_DELIVERY = "look_for_delivery"
NOTE_ALL_WAIT = "note_all_wait"
NOTE_WOKEN = "note_woken"
RECORD_TURN = "record_turn"
RECORD_AND_START_FLOW = "record_and_start_flow"
RECORD_AND_START_RUN = "record_and_start_run"
CALL_SERVICE = "call_service"
SHOW_EVENTS = "show_events"
ASK_MODEL = "ask_model"
RUN_CODE = "run_code"

INTERNAL_ACTIVITIES = frozenset(
    {
        SETTLE_TASKS,
        SETTLE_EXECUTION,
        RECONCILE,
        OPEN_TASK,
        CLOSE_TASK,
        FIRE_TRIGGER,
        BEGIN_WAIT,
        LOOK_FOR_DELIVERY,
        NOTE_ALL_WAIT,
        NOTE_WOKEN,
        RECORD_TURN,
        RECORD_AND_START_FLOW,
        RECORD_AND_START_RUN,
        CALL_SERVICE,
        SHOW_EVENTS,
        ASK_MODEL,
        RUN_CODE,
    }
)
"""Activities that are no task's: no flow may name one, on whatever task queue."""

TASK_STATES = "task_states"

DELIVERED = "delivered"  # signal: something came for a waiting task, look it up; repeatable
USER_INPUT = "user_input"  # signal of a run: what the next turn is given
STOP = "stop"  # signal of a run: end it as cancelled
AWAIT_INPUT = "await_input"  # update of a run: answered when an input was dealt with
TURN = "turn"  # query of a run: its latest turn
EVENTS = "events"  # query of a run: events of its latest turn, by pages

ADMITTED = "admitted"  # signal: a workflow that was woken may go on, ask again; repeatable

INLINE = "perdure-inline"  # metadata of a payload that others read: neither moved nor encrypted

SUPERSEDED = "superseded"  # type of the failure that ends a run which a newer generation replaced

PAYLOADS = "temporal_payloads"

DEFAULT_TASK_QUEUE = "perdure"
RECONCILIATION_SCHEDULE = "perdure-reconciliation"

ORGANIZATION_ID = "OrganizationId"
FLOW_ID = "FlowId"
FLOW_VERSION = "FlowVersion"
FLOW_EXECUTION_ID = "FlowExecutionId"
INTERACTIVE_WORKFLOW_ID = "InteractiveWorkflowId"


def flow_workflow_id(flow_execution_id: str, generation: int) -> str:
    """Return the id of the Temporal workflow that runs one generation of a flow execution."""
    return f"flow-execution:{flow_execution_id}:{generation}"


def run_workflow_id(run_id: str) -> str:
    """Return the id of the Temporal workflow that is an interactive run."""
    return f"workflow-run:{run_id}"


def flow_schedule_id(flow_id: str, task_name: str) -> str:
    """Return the id of the Temporal Schedule that fires one task of a flow."""
    return f"flow-trigger:{flow_id}:{task_name}"


def activity_id(task_name: str, item: int | None = None) -> str:
    """Return the id of a task's activity: the task's name, with ``#item`` inside an iteration."""
    return task_name if item is None else f"{task_name}#{item}"


def effect_key(flow_execution_id: str, generation: int, task_name: str, item: int | None) -> str:
    """Return the key that every attempt of one effect carries to the outside."""
    return f"{flow_execution_id}/{generation}/{task_name}/{0 if item is None else item}"


def task_of_effect(key: str, flow_execution_id: str) -> tuple[str, int] | None:
    """Return the task and item that an effect key of an execution is about; None if it is none."""
    execution, _, rest = key.partition("/")
    _, _, place = rest.partition("/")
    task_name, _, item = place.rpartition("/")
    is_ours = execution == flow_execution_id and bool(task_name) and item.isdecimal()
    return (task_name, int(item)) if is_ours else None


def payload_owner(workflow_id: str) -> str:
    """Return whose retention decides about a workflow's stored payloads.

    That is the flow execution, for every generation's workflow and for the children of it; any
    other workflow owns its payloads itself.
    """
    prefix, _, rest = workflow_id.partition(":")
    return rest.partition(":")[0] if prefix == "flow-execution" else workflow_id


def team_id(organization_id: str) -> str:
    """Return the id under which the interactive API knows an organization: 24 hex digits."""
    return organization_id.replace("-", "")[:24]
