"""Flows and versions as callers see them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue
from typing_extensions import TypedDict

from api.schemas.parameters import AUuid, CountedFromOne
from flows.errors import Fault
from operations.flows import DefinitionReport, FlowView
from store.models import FlowRecord, Page


class DefinitionFault(TypedDict):
    """One thing that is wrong with a definition; ``loc`` starts at ``tasks`` or ``edges``."""

    type: str
    loc: list[str | int]
    msg: str
    input: JsonValue


class FlowResponse(TypedDict):
    """A flow with one of its versions. What was not asked for by a flag is null."""

    id: AUuid
    created_at: datetime
    updated_at: datetime
    modified_by: str
    display_name: str
    description: str | None
    version: CountedFromOne
    status: str
    is_latest: bool
    organization_id: AUuid
    visibility: JsonValue
    definition: dict[str, JsonValue]
    settings: dict[str, JsonValue] | None
    flow_executions_count: int
    latest_version_executions_count: int | None
    task_names: list[str] | None
    validation_errors: list[DefinitionFault] | None
    tags: list[str]
    deleted: bool


class PaginatedFlowResponse(TypedDict):
    """One page of flows."""

    flows: list[FlowResponse]
    total: int
    page: int
    page_size: int


class FlowVersionSummary(TypedDict):
    """A version without its definition."""

    version: int
    created_at: datetime
    updated_at: datetime
    modified_by: str
    is_latest: bool
    name: str | None
    is_favourite: bool


class PaginatedFlowVersionSummaryResponse(TypedDict):
    """One page of versions, newest first."""

    versions: list[FlowVersionSummary]
    total: int
    page: int
    page_size: int


class FlowValidationResponse(TypedDict):
    """What is to be said about a definition; maps by task name, null unless asked for.

    ``ordered_task_names`` is null where no order exists.
    """

    validation_errors: list[DefinitionFault]
    ordered_task_names: list[str] | None
    dynamic_data: dict[str, JsonValue] | None
    output_schemas: dict[str, JsonValue] | None
    default_reference_modes: dict[str, JsonValue] | None


class FlowCloneInfoResponse(TypedDict):
    """Which executors of its input tasks an outside system feeds."""

    has_external_input_tasks: bool
    external_input_task_names: list[str]


def flow_view(view: FlowView) -> FlowResponse:
    """Return a flow as it is shown."""
    record, faults = view.record, view.validation_errors
    return {
        "id": record.id,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "modified_by": record.modified_by,
        "display_name": record.display_name,
        "description": record.description,
        "version": record.version,
        "status": record.status,
        "is_latest": record.is_latest,
        "organization_id": record.organization_id,
        "visibility": record.visibility,
        "definition": view.definition,
        "settings": record.settings,
        "flow_executions_count": view.executions_count,
        "latest_version_executions_count": view.latest_version_executions_count,
        "task_names": view.task_names,
        "validation_errors": None if faults is None else [fault_view(fault) for fault in faults],
        "tags": record.tags,
        "deleted": record.deleted,
    }


def flow_page(page: Page[FlowView], number: int, size: int) -> PaginatedFlowResponse:
    """Return one page of flows."""
    flows = [flow_view(view) for view in page.items]
    return {"flows": flows, "total": page.total, "page": number, "page_size": size}


def version_summary(record: FlowRecord) -> FlowVersionSummary:
    """Return a version without its definition."""
    return {
        "version": record.version,
        "created_at": record.version_created_at or record.created_at,
        "updated_at": record.version_updated_at or record.updated_at,
        "modified_by": record.version_modified_by or record.modified_by,
        "is_latest": record.is_latest,
        "name": record.version_name,
        "is_favourite": record.is_favourite,
    }


def version_page(
    page: Page[FlowRecord], number: int, size: int
) -> PaginatedFlowVersionSummaryResponse:
    """Return one page of versions."""
    versions = [version_summary(record) for record in page.items]
    return {"versions": versions, "total": page.total, "page": number, "page_size": size}


def validation_view(report: DefinitionReport) -> FlowValidationResponse:
    """Return what validation found."""
    return {
        "validation_errors": [fault_view(fault) for fault in report.validation_errors],
        "ordered_task_names": report.ordered_task_names,
        "dynamic_data": report.dynamic_data,
        "output_schemas": report.output_schemas,
        "default_reference_modes": report.default_reference_modes,
    }


def clone_info_view(external_executors: Sequence[str]) -> FlowCloneInfoResponse:
    """Return which external executors feed a flow."""
    return {
        "has_external_input_tasks": bool(external_executors),
        "external_input_task_names": list(external_executors),
    }


def fault_view(fault: Fault) -> DefinitionFault:
    """Return one fault as it is shown."""
    return {
        "type": fault.type,
        "loc": list(fault.location),
        "msg": fault.reason,
        "input": fault.input,
    }
