"""``branch``: chooses which of the tasks behind it run."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.rules import Condition
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor


class Case(Parameters):
    """One way to go on."""

    name: str = Describe(
        min_length=1, max_length=200, description="What an edge's `branch` refers to."
    )
    condition: Condition = Describe(description="When this way is taken.")


class BranchParameters(Parameters):
    """The cases, tried in order."""

    target: JsonValue = Describe(default=None, description="Value that is passed through.")
    cases: list[Case] = Describe(min_length=1, description="The first that holds is chosen.")
    default: str | None = Describe(
        default=None, description="Case to choose when none holds; without it none is chosen."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of the choice and the value passed through."""
    return {
        "type": "object",
        "properties": {
            "case": {"type": ["string", "null"], "description": "The chosen case."},
            "value": {"description": "The target, unchanged."},
        },
        "required": ["case", "value"],
        "additionalProperties": False,
    }


BRANCH = TaskExecutor(
    name="branch",
    description="Chooses one of several cases; only the tasks behind the chosen one run.",
    agent_prompt=(
        "Use to route. Give `cases`, each with a name and a condition, and optionally `default`. "
        "Connect each case to its tasks by an edge whose `branch` is the case's name."
    ),
    kind=Kind.INSTANT,
    parameters=BranchParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(seconds=10),
    is_schedulable=True,
    passes_on="target",
)
