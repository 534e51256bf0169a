"""``http_request``: one call to an outside HTTP service."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, JsonValue
from pydantic import Field as Describe

from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor

Scalar = str | int | float | bool


def _upper(value: object) -> object:
    """Let authors write methods in either case."""
    return value.upper() if isinstance(value, str) else value


Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"], BeforeValidator(_upper)
]


class HttpRequestParameters(Parameters):
    """The request to send."""

    url: str = Describe(min_length=1, max_length=8_192, description="An http or https URL.")
    method: Method = Describe(default="GET", description="HTTP method.")
    headers: dict[str, Scalar] = Describe(default_factory=dict, description="Request headers.")
    query: dict[str, Scalar | list[Scalar] | None] = Describe(
        default_factory=dict,
        description="Query parameters; a list repeats its key, null leaves it out.",
    )
    body: JsonValue = Describe(
        default=None, description="Sent as it is if it is text, otherwise as JSON."
    )
    timeout_seconds: float = Describe(
        default=30.0, gt=0, le=3_600, description="Longest wait for the whole answer."
    )
    fail_on_status: bool = Describe(
        default=True, description="Whether a status of 400 or more fails the task."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of an answer; a body that is no JSON object stands under ``value``."""
    return {
        "type": "object",
        "properties": {
            "status_code": {"type": "integer"},
            "body": {"type": "object"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["status_code", "body", "headers"],
        "additionalProperties": False,
    }


HTTP_REQUEST = TaskExecutor(
    name="http_request",
    description="Sends one HTTP request and returns the answer.",
    agent_prompt=(
        "Use to read from or report to a service. Give `url` and `method`, a JSON or text `body` "
        "if there is one. Every attempt carries the same Idempotency-Key; 408, 429, 5xx and "
        "network errors are retried, other failures are not."
    ),
    kind=Kind.EFFECT,
    parameters=HttpRequestParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=5),
    is_schedulable=True,
)
