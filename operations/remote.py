"""What tasks of other people's workers may not name: the platform itself.

Source: docs/task-executors.md, "activity".
"""

from contracts.names import INTERNAL_ACTIVITIES
from flows.errors import Fault, InvalidDefinitionError
from flows.executors.activity import ACTIVITY
from flows.executors.catalogue import executor_named
from flows.model import Flow


def refuse_platform(flow: Flow, task_queue: str) -> None:
    """Refuse a flow that would call the platform's own activities.

    What references yield is looked at where the task runs.

    Args:
        task_queue: The platform's.

    Raises:
        InvalidDefinitionError: It names that task queue, or an activity that is no task's.
    """
    faults = []
    for index, task in enumerate(flow.tasks):
        executor = executor_named(task.executor)
        if executor is None or executor.name != ACTIVITY.name:
            continue
        named = task.parameters.get("task_queue")
        if named == task_queue:
            place = ("tasks", index, "parameters", "task_queue")
            reason = f"'{named}' is the platform's own task queue"
            faults.append(Fault(place, reason, "task_queue_refused"))
        kind = task.parameters.get("activity_type")
        if kind in INTERNAL_ACTIVITIES:
            place = ("tasks", index, "parameters", "activity_type")
            reason = f"'{kind}' is an activity of the platform itself"
            faults.append(Fault(place, reason, "activity_refused"))
    if faults:
        raise InvalidDefinitionError("the flow would call the platform itself", faults)
