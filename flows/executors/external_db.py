"""``external_db``: one SQL statement in a database of the author's."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.spec import JsonSchema, Kind, Parameters, SecretText, TaskExecutor

MAX_ROWS = 10_000


class ExternalDbParameters(Parameters):
    """Where to ask, and what."""

    connection_string: SecretText = Describe(
        min_length=1,
        max_length=2_000,
        description="postgresql://user:password@host:port/database, or sqlite:///name.db for a "
        "file in the folder that the operator has opened.",
    )
    statement: str = Describe(
        min_length=1,
        max_length=100_000,
        description="One SQL statement. :name stands for a parameter, :effect_key for a text that "
        "is the same on every attempt.",
    )
    parameters: dict[str, JsonValue] = Describe(
        default_factory=dict,
        description="Values by name; sent beside the statement, never as part of it.",
    )
    read_only: bool = Describe(
        default=True, description="Whether the database refuses every change."
    )
    max_rows: int = Describe(
        default=1_000, ge=1, le=MAX_ROWS, description="More rows than that fail the task."
    )
    timeout_seconds: float = Describe(
        default=30.0, gt=0, le=3_600, description="Longest wait for the whole answer."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of an answer."""
    return {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "rows": {
                "type": "array",
                "description": "Each row by the names of its columns.",
                "items": {"type": "object"},
            },
            "row_count": {
                "type": "integer",
                "description": "Rows returned; for a change that returns none, rows changed.",
            },
        },
        "required": ["columns", "rows", "row_count"],
        "additionalProperties": False,
    }


EXTERNAL_DB = TaskExecutor(
    name="external_db",
    description="Runs one SQL statement in a PostgreSQL or SQLite database.",
    agent_prompt=(
        "Use to look things up in a database: write values as :name in the statement and give them "
        "in `parameters`. Changes need read_only: false. `rows` is a list of objects."
    ),
    kind=Kind.EFFECT,
    parameters=ExternalDbParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=5),
    is_schedulable=True,
)
