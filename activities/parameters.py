"""From the resolved parameters of a task to the model of its executor."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from contracts.messages import TaskCall
from flows.errors import TaskFailedError

Model = TypeVar("Model", bound=BaseModel)


def parameters_of(call: TaskCall, model: type[Model]) -> Model:
    """Return the call's parameters as the executor's model.

    Raises:
        TaskFailedError: Type ``InvalidParameters``; what the references yielded does not fit.
    """
    try:
        return model.model_validate(call.parameters)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'parameters'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise TaskFailedError(
            f"parameters of {call.task_name!r} do not fit {call.executor}: {faults}",
            type="InvalidParameters",
        ) from None
