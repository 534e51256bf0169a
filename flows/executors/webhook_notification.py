"""``webhook_notification``: tells a service of the author's that something happened."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, JsonValue
from pydantic import Field as Describe

from flows.executors.http_request import Scalar
from flows.executors.spec import JsonSchema, Kind, Parameters, SecretText, TaskExecutor


def _upper(value: object) -> object:
    """Let authors write methods in either case."""
    return value.upper() if isinstance(value, str) else value


class WebhookNotificationParameters(Parameters):
    """What to say, and to whom."""

    url: str = Describe(min_length=1, max_length=8_192, description="An http or https URL.")
    payload: JsonValue = Describe(
        default_factory=dict, description="Any JSON, with references; the body of the request."
    )
    headers: dict[str, Scalar] = Describe(
        default_factory=dict, description="Further request headers."
    )
    method: Annotated[Literal["POST", "PUT", "PATCH"], BeforeValidator(_upper)] = Describe(
        default="POST", description="HTTP method."
    )
    secret: SecretText | None = Describe(
        default=None,
        min_length=1,
        description="Key of the HMAC-SHA256 that signs the body; without it nothing is signed.",
    )
    timeout_seconds: float = Describe(
        default=30.0, gt=0, le=3_600, description="Longest wait for the whole answer."
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of what the service answered."""
    return {
        "type": "object",
        "properties": {
            "status_code": {"type": "integer"},
            "response_body": {"description": "JSON if the answer is, otherwise its text."},
        },
        "required": ["status_code", "response_body"],
        "additionalProperties": False,
    }


WEBHOOK_NOTIFICATION = TaskExecutor(
    name="webhook_notification",
    aliases=("notify_webhook",),
    description="Posts a JSON payload to a URL, signed if there is a secret.",
    agent_prompt=(
        "Use to tell another system of a result. Give `url` and `payload`, and a `secret` if the "
        "receiver checks signatures. Any answer but 2xx fails the task and is retried; every "
        "attempt carries the same Idempotency-Key and X-Delivery-Id."
    ),
    kind=Kind.EFFECT,
    parameters=WebhookNotificationParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=5),
    is_schedulable=True,
)
