"""Flow executions as callers send and see them."""

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import AFlowId, AUuid, CountedFromOne
from store.models import ExecutionRecord, ExecutionStatus


class FlowExecutionCreateRequest(BaseModel):
    """Which flow to run, and on what."""

    flow_id: AFlowId
    input: dict[str, JsonValue] = Field(description="Must fit the input task's schema.")
    input_task_name: str | None = Field(
        default=None, description="Which input task fires; required where a flow has several."
    )


class ExecutionErrorView(TypedDict):
    """Why a flow execution failed."""

    message: str
    type: str
    traceback: str | None
    task_name: str | None


class FlowExecutionResponse(TypedDict):
    """A flow execution.

    ``triggered_task_executor_name`` is set only where the flow has several input tasks.
    """

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    flow_id: AUuid
    flow_version: CountedFromOne
    status: ExecutionStatus
    input: dict[str, JsonValue]
    organization_id: AUuid
    pricing_config_id: AUuid | None
    total_credits: int | None
    triggered_task_executor_name: str | None
    error: ExecutionErrorView | None


class FlowExecutionResponseWithRunNumber(FlowExecutionResponse):
    """A flow execution; ``run_number`` is null unless asked for."""

    run_number: CountedFromOne | None


def execution_view(record: ExecutionRecord) -> FlowExecutionResponse:
    """Return an execution as it is shown."""
    return {
        "id": record.id,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "modified_by": record.modified_by,
        "flow_id": record.flow_id,
        "flow_version": record.flow_version,
        "status": record.status,
        "input": record.input,
        "organization_id": record.organization_id,
        "pricing_config_id": None,
        "total_credits": None,
        "triggered_task_executor_name": record.triggered_task_executor_name,
        "error": _error_view(record.error),
    }


def numbered_view(
    record: ExecutionRecord, include_run_number: bool
) -> FlowExecutionResponseWithRunNumber:
    """Return an execution with its run number, if that was asked for."""
    number = record.run_number if include_run_number else None
    return {**execution_view(record), "run_number": number}


def _error_view(error: dict[str, JsonValue] | None) -> ExecutionErrorView | None:
    if error is None:
        return None
    return {
        "message": str(error.get("message") or ""),
        "type": str(error.get("type") or ""),
        "traceback": _text(error.get("traceback")),
        "task_name": _text(error.get("task_name")),
    }


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
