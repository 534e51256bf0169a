"""``activity``: any Temporal activity, in any language, on a task queue of its own."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor

MAX_INLINE_BYTES = 1_000_000
LONGEST_SECONDS = 30 * 86_400


class ActivityParameters(Parameters):
    """Which activity, where, and what it is given."""

    task_queue: str = Describe(
        min_length=1, max_length=200, description="The task queue that its worker polls."
    )
    activity_type: str = Describe(
        min_length=1, max_length=200, description="Name under which the worker registered it."
    )
    arguments: list[JsonValue] | dict[str, JsonValue] = Describe(
        default_factory=list,
        description="A list of arguments, or an object that is the only one.",
    )
    schedule_to_start_seconds: float = Describe(
        default=60.0, gt=0, le=LONGEST_SECONDS, description="Longest wait for a worker to take it."
    )
    heartbeat_seconds: float | None = Describe(
        default=None,
        gt=0,
        le=LONGEST_SECONDS,
        description="Longest silence of a worker that heartbeats, before it counts as lost.",
    )


def activity_output(answer: JsonValue) -> dict[str, JsonValue]:
    """Return a task's output for what an activity returned: an object as is, else ``value``."""
    return answer if isinstance(answer, dict) else {"value": answer}


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of an answer, of which nobody here knows more."""
    return {"type": "object"}


ACTIVITY = TaskExecutor(
    name="activity",
    description="Runs an activity of your own Temporal worker, written in any language.",
    agent_prompt=(
        "Use for work that a worker of your own does. Give its `task_queue`, the `activity_type` "
        "and `arguments`; it gets plain JSON, and what it returns is the output."
    ),
    kind=Kind.REMOTE,
    parameters=ActivityParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=10),
    is_schedulable=True,
)
