"""Query parameters of the lists of flows and flow executions, turned into the store's queries."""

import json
from typing import Annotated, Literal, cast

from fastapi import Depends, Query
from pydantic import JsonValue

from api.schemas.parameters import AFlowId, AnInstant, AUuid, PageNumber, SortDirection
from flows.errors import InvalidError
from operations.flows import Expansions
from store.models import ExecutionQuery, ExecutionStatus, FlowQuery

TAG_MODES = ("any", "all", "none")


async def _expansions(
    include_ordered_task_names: bool = False,
    include_validation_errors: bool = False,
    include_dynamic_data: bool = False,
    include_output_schemas: bool = False,
    include_input_schema: bool = False,
    include_default_reference_modes: bool = False,
) -> Expansions:
    return Expansions(
        ordered_task_names=include_ordered_task_names,
        validation_errors=include_validation_errors,
        dynamic_data=include_dynamic_data,
        output_schemas=include_output_schemas,
        input_schema=include_input_schema,
        default_reference_modes=include_default_reference_modes,
    )


ExpansionsDep = Annotated[Expansions, Depends(_expansions)]


async def _report_expansions(
    include_dynamic_data: bool = False,
    include_output_schemas: bool = False,
    include_default_reference_modes: bool = False,
) -> Expansions:
    return Expansions(
        ordered_task_names=True,
        validation_errors=True,
        dynamic_data=include_dynamic_data,
        output_schemas=include_output_schemas,
        default_reference_modes=include_default_reference_modes,
    )


ReportExpansionsDep = Annotated[Expansions, Depends(_report_expansions)]


async def _flow_query(
    search: str | None = None,
    sort_field: Annotated[
        str | None, Query(pattern="^(created_at|updated_at|display_name)$")
    ] = None,
    sort_direction: SortDirection = None,
    page: PageNumber = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    tag_filters: Annotated[
        str | None, Query(description='JSON, e.g. `[{"mode": "any", "values": ["invoices"]}]`.')
    ] = None,
    is_cleanable: bool = False,
    created_by_id: str | None = None,
) -> FlowQuery:
    field = cast(Literal["created_at", "updated_at", "display_name"], sort_field or "created_at")
    return FlowQuery(
        search=search,
        sort_field=field,
        descending=sort_direction != "asc",
        page=page,
        page_size=page_size,
        tag_filters=_tag_filters(tag_filters),
        is_cleanable=is_cleanable,
        created_by=created_by_id,
    )


FlowQueryDep = Annotated[FlowQuery, Depends(_flow_query)]


async def _execution_query(
    flow_id: AFlowId,
    sort_field: Annotated[str | None, Query(pattern="^(created_at|updated_at)$")] = None,
    sort_direction: SortDirection = None,
    status: Annotated[list[str] | None, Query(description="Any of these.")] = None,
    status_exclude: Annotated[list[str] | None, Query(description="None of these.")] = None,
    tags: Annotated[
        list[str] | None, Query(description="`key:value`; on any task output of the execution.")
    ] = None,
    page: PageNumber = 1,
    page_size: Annotated[int, Query(ge=1, le=1_000)] = 10,
    start_from_execution_id: Annotated[
        AUuid | None, Query(description="Only what follows this execution in the chosen order.")
    ] = None,
    created_after: AnInstant | None = None,
    created_before: AnInstant | None = None,
    updated_after: AnInstant | None = None,
    updated_before: AnInstant | None = None,
) -> ExecutionQuery:
    return ExecutionQuery(
        flow_id=flow_id,
        statuses=_statuses("status", status),
        excluded_statuses=_statuses("status_exclude", status_exclude),
        tags=tuple(tags or ()),
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
        sort_field=cast(Literal["created_at", "updated_at"], sort_field or "created_at"),
        descending=sort_direction != "asc",
        start_from_execution_id=start_from_execution_id,
        page=page,
        page_size=page_size,
    )


ExecutionQueryDep = Annotated[ExecutionQuery, Depends(_execution_query)]


def _statuses(name: str, words: list[str] | None) -> tuple[ExecutionStatus, ...]:
    known = {status.value: status for status in ExecutionStatus}
    if unknown := [word for word in words or () if word not in known]:
        raise InvalidError(f"{name} holds an unknown status", unknown=cast(JsonValue, unknown))
    return tuple(known[word] for word in words or ())


def _tag_filters(text: str | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (mode, values) of each filter; raises InvalidError for anything else than a list."""
    if text is None:
        return ()
    try:
        filters = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidError("tag_filters is not JSON") from error
    if not isinstance(filters, list):
        raise InvalidError("tag_filters is not a list")
    return tuple(_tag_filter(position, entry) for position, entry in enumerate(filters))


def _tag_filter(position: int, entry: JsonValue) -> tuple[str, tuple[str, ...]]:
    mode = entry.get("mode") if isinstance(entry, dict) else None
    values = entry.get("values") if isinstance(entry, dict) else None
    if mode not in TAG_MODES or not isinstance(values, list):
        raise InvalidError(
            f"tag_filters.{position} needs a mode, one of {', '.join(TAG_MODES)}, and values"
        )
    if not all(isinstance(value, str) and "\x00" not in value for value in values):
        raise InvalidError(f"tag_filters.{position}.values holds something else than text")
    return mode, tuple(cast(list[str], values))
