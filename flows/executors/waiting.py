"""How long a task waits for the outside, and what resolved parameters of waiting tasks say."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from flows.errors import TaskFailedError
from flows.executors.spec import TaskExecutor

Model = TypeVar("Model", bound=BaseModel)


def fitting(model: type[Model], parameters: Mapping[str, JsonValue], executor_name: str) -> Model:
    """Return resolved parameters as their executor's model.

    Raises:
        TaskFailedError: ``InvalidParameters``; they do not fit.
    """
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        reasons = (
            f"{'.'.join(map(str, fault['loc'])) or 'parameters'}: {fault['msg']}"
            for fault in faults
        )
        raise TaskFailedError(
            f"parameters do not fit {executor_name}: {'; '.join(reasons)}",
            type="InvalidParameters",
        ) from None


def gives_up_at(
    executor: TaskExecutor, parameters: Mapping[str, JsonValue], began_at: datetime
) -> datetime | None:
    """Return when a wait that began then is given up, by its parameter ``timeout_seconds``.

    Returns:
        None if it is never.

    Raises:
        TaskFailedError: ``InvalidParameters``; the resolved parameters do not fit the executor.
    """
    asked = fitting(executor.parameters, parameters, executor.name)
    seconds = getattr(asked, "timeout_seconds", None)
    return None if seconds is None else began_at + timedelta(seconds=seconds)
