"""Plans of runs as callers see them."""

from typing_extensions import TypedDict

from api.schemas.parameters import AUuid
from operations.planning import ExecutionPlan
from operations.plans import Decision, Items, PlannedTask, Reason


class PlannedItems(TypedDict):
    """How many items of an iteration would run, and how many be reused."""

    run: int
    reuse: int


class PlannedTaskView(TypedDict):
    """What would become of one task, and why.

    ``items`` is there for iterations whose items are known. ``waits_for`` names the tasks whose new
    results decide about what is unknown.
    """

    task_name: str
    decision: Decision
    reason: Reason
    items: PlannedItems | None
    waits_for: list[str]


class ExecutionPlanResponse(TypedDict):
    """What running an execution again would do, task by task in document order."""

    flow_execution_id: AUuid
    flow_version: int
    only_stale: bool
    tasks: list[PlannedTaskView]


def plan_view(plan: ExecutionPlan) -> ExecutionPlanResponse:
    """Return a plan as it is shown."""
    return {
        "flow_execution_id": plan.flow_execution_id,
        "flow_version": plan.flow_version,
        "only_stale": plan.only_stale,
        "tasks": [_task_view(task) for task in plan.tasks],
    }


def _task_view(task: PlannedTask) -> PlannedTaskView:
    return {
        "task_name": task.task_name,
        "decision": task.decision,
        "reason": task.reason,
        "items": None if task.items is None else _items_view(task.items),
        "waits_for": list(task.waits_for),
    }


def _items_view(items: Items) -> PlannedItems:
    return {"run": items.run, "reuse": items.reuse}
