"""The catalogue of task executors as callers see it."""

from collections.abc import Iterable

from pydantic import JsonValue
from typing_extensions import TypedDict

from flows.executors.spec import Kind, TaskExecutor

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class TaskExecutorResponse(TypedDict):
    """What a task executor takes, and what it is for."""

    task_executor_name: str
    task_executor_description: str
    task_executor_agent_prompt: str
    parameters_schema: dict[str, JsonValue]
    flow_input_schema: dict[str, JsonValue] | None
    is_input_task_executor: bool
    is_schedulable_executor: bool


def catalogue_view(executors: Iterable[TaskExecutor]) -> list[TaskExecutorResponse]:
    """Return each executor once, ordered by name; its aliases are not listed."""
    executor_by_name = {executor.name: executor for executor in executors}
    return [_executor_view(executor_by_name[name]) for name in sorted(executor_by_name)]


def _executor_view(executor: TaskExecutor) -> TaskExecutorResponse:
    schema = executor.parameters.model_json_schema()
    flow_input = executor.flow_input_schema({}) if executor.flow_input_schema else None
    return {
        "task_executor_name": executor.name,
        "task_executor_description": executor.description,
        "task_executor_agent_prompt": executor.agent_prompt,
        "parameters_schema": {"$schema": JSON_SCHEMA_DIALECT, **schema},
        "flow_input_schema": flow_input,
        "is_input_task_executor": executor.kind is Kind.INPUT,
        "is_schedulable_executor": executor.is_schedulable,
    }
