"""Runs of authors' code, as a task would run it."""

from datetime import timedelta

import pytest
from pydantic import JsonValue

from activities.code import CodeActivities
from flows.errors import TaskFailedError
from tests.support.calls import a_call, performed


async def code_run(
    activities: CodeActivities,
    code: str,
    *,
    seconds: float = 20,
    organization: str = "organization",
) -> JsonValue:
    """Return the result of code that reads ``{"secret": "of this task"}``."""
    call = a_call("python_code", code=code, input_data={"secret": "of this task"})
    context = call.context.model_copy(update={"organization_id": organization})
    call = call.model_copy(update={"context": context})
    return await performed(activities.python_code, call, allowed=timedelta(seconds=seconds))


async def code_failure(
    activities: CodeActivities, code: str, *, seconds: float = 20
) -> TaskFailedError:
    """Return the failure of code that has no result."""
    with pytest.raises(TaskFailedError) as caught:
        await code_run(activities, code, seconds=seconds)
    return caught.value
