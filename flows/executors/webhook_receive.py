"""``webhook_receive``: a flow that starts when an outside system posts to its URL."""

from collections.abc import Mapping

from pydantic import Field as Describe
from pydantic import JsonValue, ValidationError

from flows.executors.fields import Field, object_schema
from flows.executors.spec import JsonSchema, Kind, Parameters, SecretText, TaskExecutor


class WebhookReceiveParameters(Parameters):
    """What a post must hold, and how its sender proves who it is."""

    fields: list[Field] | None = Describe(
        default=None, description="Fields of the posted object; without them any object is taken."
    )
    secret: SecretText | None = Describe(
        default=None,
        min_length=1,
        max_length=1_000,
        description="With it, posts need the HMAC-SHA256 of their body in X-Signature.",
    )


def _flow_input(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the posted object's schema; parameters that are not valid (a draft's) take any."""
    try:
        fields = WebhookReceiveParameters.model_validate(dict(parameters)).fields
    except ValidationError:
        fields = None
    return {"type": "object"} if fields is None else object_schema(fields, required=True)


WEBHOOK_RECEIVE = TaskExecutor(
    name="webhook_receive",
    description="Starts a flow with the JSON object that somebody posts to its URL.",
    agent_prompt=(
        "Use as the first task of a flow that another system starts. List what it posts in "
        "`fields`; give a `secret` so that only signed posts start the flow."
    ),
    kind=Kind.INPUT,
    parameters=WebhookReceiveParameters,
    output_schema=_flow_input,
    flow_input_schema=_flow_input,
    is_pure=True,
    is_external=True,
)
