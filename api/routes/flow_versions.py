"""Versions of flows: immutable definitions, with a name and a mark to find them by."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import CallerDep, FlowsDep
from api.replies import reply
from api.routing import DefinitionRoute
from api.schemas.errors import refusals
from api.schemas.flow_filters import ExpansionsDep
from api.schemas.flow_requests import UpdateFlowVersionMetadata
from api.schemas.flows import (
    FlowResponse,
    FlowVersionSummary,
    PaginatedFlowVersionSummaryResponse,
    flow_view,
    version_page,
    version_summary,
)
from api.schemas.parameters import AFlowId, PageNumber
from api.schemas.task_outputs import TaskSummaryResponse, task_summary_view

router = APIRouter(
    prefix="/api/flows/{flow_id}/versions", tags=["flows"], route_class=DefinitionRoute
)


@router.get(
    "",
    summary="List versions in full",
    response_model=list[FlowResponse],
    responses=refusals(403, 404, 422),
)
async def list_flow_versions(
    flow_id: AFlowId, expansions: ExpansionsDep, caller: CallerDep, flows: FlowsDep
) -> Response:
    """Return every version of a flow, newest first."""
    return reply([flow_view(view) for view in await flows.versions(caller, flow_id, expansions)])


@router.get(
    "/summary",
    summary="List versions in brief",
    response_model=PaginatedFlowVersionSummaryResponse,
    responses=refusals(404, 422),
)
async def get_flow_version_summaries(
    flow_id: AFlowId,
    caller: CallerDep,
    flows: FlowsDep,
    page: PageNumber = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    search: str | None = None,
    favourites_only: bool = False,
) -> Response:
    """Return one page of versions, newest first; ``search`` looks at their names."""
    found = await flows.version_summaries(
        caller,
        flow_id,
        search=search,
        favourites_only=favourites_only,
        page=page,
        page_size=page_size,
    )
    return reply(version_page(found, page, page_size))


@router.get(
    "/{version}",
    summary="Get a version",
    response_model=FlowResponse,
    responses=refusals(403, 404, 422),
)
async def get_flow_version(
    flow_id: AFlowId, version: int, expansions: ExpansionsDep, caller: CallerDep, flows: FlowsDep
) -> Response:
    """Return one version of a flow."""
    return reply(flow_view(await flows.version(caller, flow_id, version, expansions)))


@router.patch(
    "/{version}",
    summary="Name or mark a version",
    response_model=FlowVersionSummary,
    responses=refusals(404, 413, 422),
)
async def update_flow_version_metadata(
    flow_id: AFlowId,
    version: int,
    body: UpdateFlowVersionMetadata,
    caller: CallerDep,
    flows: FlowsDep,
) -> Response:
    """Change a version's name and whether it is a favourite; its definition never changes."""
    record = await flows.patch_version(caller, flow_id, version, body.changes())
    return reply(version_summary(record))


@router.post(
    "/{version}/restore",
    summary="Restore a version",
    response_model=FlowResponse,
    responses=refusals(400, 404, 409, 422),
)
async def restore_flow_version(
    flow_id: AFlowId, version: int, expansions: ExpansionsDep, caller: CallerDep, flows: FlowsDep
) -> Response:
    """Store an earlier version's definition as the next version of a draft."""
    return reply(flow_view(await flows.restore(caller, flow_id, version, expansions)))


@router.get(
    "/{version}/summary",
    summary="List what a version's executions yielded",
    response_model=list[TaskSummaryResponse],
    responses=refusals(404, 422, 500),
)
async def list_flow_summaries(
    flow_id: AFlowId, version: int, caller: CallerDep, flows: FlowsDep
) -> Response:
    """Return the task outputs, without ``output``, of the executions that ran this version."""
    records = await flows.version_task_summaries(caller, flow_id, version)
    return reply([task_summary_view(record) for record in records])
