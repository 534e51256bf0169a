"""Task data as callers ask for it and see it."""

from pydantic import BaseModel, JsonValue
from typing_extensions import TypedDict

from operations.task_data import TaskData


class TaskDynamicDataRequest(BaseModel):
    """A definition in any of the accepted shapes, finished or not."""

    flow_definition: dict[str, JsonValue]


class TaskDynamicDataResponse(TypedDict):
    """Maps by task name; ``validation_errors`` are ``<location>: <reason>``."""

    output_schemas: dict[str, JsonValue]
    input_schemas: dict[str, JsonValue]
    dynamic_data: dict[str, JsonValue]
    validation_errors: list[str]


def task_data_view(found: TaskData, include_input_schema: bool) -> TaskDynamicDataResponse:
    """Return task data in the documented shape."""
    return {
        "output_schemas": found.output_schemas,
        "input_schemas": found.input_schemas if include_input_schema else {},
        "dynamic_data": found.dynamic_data,
        "validation_errors": [str(fault) for fault in found.faults],
    }
