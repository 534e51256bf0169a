"""``validation``: checks a value against rules and says which do not hold."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.rules import Condition
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor


class Rule(Parameters):
    """One thing that must hold."""

    field: str = Describe(
        default="",
        max_length=1_000,
        description="Dotted path inside the target; empty for the target itself.",
    )
    condition: Condition = Describe(
        description="A comparison without `left` looks at the field's value."
    )
    message: str = Describe(default="", description="Shown when it does not hold.")


class ValidationParameters(Parameters):
    """The value and its rules."""

    target: JsonValue = Describe(description="Value to check, mostly a reference.")
    rules: list[Rule] = Describe(default_factory=list, description="All are checked, in order.")
    strict: bool = Describe(
        default=False, description="Whether a rule that does not hold fails the task."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of the checked value: its own properties and the verdict."""
    error: JsonSchema = {
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        "required": ["field", "message"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "is_valid": {"type": "boolean"},
            "errors": {"type": "array", "items": error},
        },
        "required": ["is_valid", "errors"],
    }


VALIDATION = TaskExecutor(
    name="validation",
    description="Checks a value against rules and adds the verdict to it.",
    agent_prompt=(
        "Use to check extracted data. Give `target` and `rules`, each with a field, a condition "
        "and a message. The output is the target plus is_valid and errors; with `strict` a rule "
        "that does not hold fails the flow instead."
    ),
    kind=Kind.INSTANT,
    parameters=ValidationParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(seconds=10),
    is_schedulable=True,
    passes_on="target",
)
