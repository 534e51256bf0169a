"""Calls of task activities, alone in Temporal's activity environment."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pydantic import JsonValue
from temporalio.testing import ActivityEnvironment

from contracts.messages import RunContext, TaskCall

Body = Callable[[TaskCall], Awaitable[JsonValue]]


def a_call(executor: str, **parameters: JsonValue) -> TaskCall:
    """Return a call of one task with resolved parameters."""
    return TaskCall(
        context=RunContext(
            organization_id="organization",
            flow_id="flow",
            flow_version=1,
            flow_execution_id="execution",
            generation=1,
        ),
        task_name="task",
        executor=executor,
        parameters=parameters,
        effect_key="execution/1/task/0",
        fingerprint="",
    )


async def performed(
    body: Body, call: TaskCall, *, allowed: timedelta = timedelta(seconds=30)
) -> JsonValue:
    """Run an activity's body as a worker would, with this long for the attempt."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info, start_to_close_timeout=allowed, activity_type=call.executor
    )
    return await environment.run(body, call)
