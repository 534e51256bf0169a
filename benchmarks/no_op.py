"""An effect that does nothing: what is left of it is what the platform itself costs."""

from pydantic import BaseModel, JsonValue
from temporalio import activity

from contracts.messages import TaskCall
from flows.executors.catalogue import register
from flows.executors.spec import Kind, TaskExecutor


class NoOpParameters(BaseModel):
    """Takes any one value."""

    value: JsonValue = None


NO_OP_EFFECT = TaskExecutor(
    name="no_op_effect",
    description="Does nothing to the outside world.",
    agent_prompt="For benchmarks only.",
    kind=Kind.EFFECT,
    parameters=NoOpParameters,
    output_schema=lambda _: {},
)


def install() -> None:
    """Add the executor to this process's catalogue; it ships with no installation."""
    register(NO_OP_EFFECT)


@activity.defn(name=NO_OP_EFFECT.name)
async def no_op_effect(call: TaskCall) -> JsonValue:
    """Give back the parameter."""
    return {"value": call.parameters.get("value")}
