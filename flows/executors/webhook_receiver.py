"""``webhook_receiver``: waits in the middle of a flow for what an outside system submits."""

from collections.abc import Mapping

from pydantic import Field as Describe
from pydantic import JsonValue, ValidationError

from flows.executors.fields import Field, object_schema
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor
from flows.executors.wait import LONGEST_WAIT

WEBHOOK_DATA = "webhook_data"


class WebhookReceiverParameters(Parameters):
    """What must be submitted, and how long it is waited for."""

    fields: list[Field] = Describe(
        description="Fields of the submitted object, each required unless it says otherwise."
    )
    timeout_seconds: float | None = Describe(
        default=None,
        gt=0,
        le=LONGEST_WAIT.total_seconds(),
        description="How long to wait before the task fails; without it, until something comes.",
    )


def _submitted(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the submitted object's schema; parameters that are not valid (a draft's) take any."""
    try:
        fields = [Field.model_validate(each) for each in _listed(parameters.get("fields"))]
    except ValidationError:
        return {"type": "object"}
    return object_schema(fields, required=True)


def _listed(fields: JsonValue) -> list[JsonValue]:
    return fields if isinstance(fields, list) else [fields]


WEBHOOK_RECEIVER = TaskExecutor(
    name="webhook_receiver",
    description="Waits until an outside system submits data for this task.",
    agent_prompt=(
        "Use where a running flow needs an answer from another system: list what that submits in "
        "`fields`. It submits to the execution, naming this task; early submissions are kept. "
        "Give `timeout_seconds` if the flow should fail when nothing comes."
    ),
    kind=Kind.WAITING,
    parameters=WebhookReceiverParameters,
    output_schema=_submitted,
    is_pure=True,
    awaits=WEBHOOK_DATA,
    fixed_parameters=frozenset({"fields"}),
)
