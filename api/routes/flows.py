"""Flows: what is run."""

from dataclasses import replace

from fastapi import APIRouter, Response, status
from pydantic import JsonValue

from api.deps import CallerDep, FlowsDep
from api.replies import reply
from api.routing import DefinitionRoute
from api.schemas.errors import refusals
from api.schemas.flow_filters import ExpansionsDep, FlowQueryDep, ReportExpansionsDep
from api.schemas.flow_requests import FlowCreateRequest, FlowDefinitionUpdate, PatchFlowRequest
from api.schemas.flows import (
    FlowCloneInfoResponse,
    FlowResponse,
    FlowValidationResponse,
    PaginatedFlowResponse,
    clone_info_view,
    flow_page,
    flow_view,
    validation_view,
)
from api.schemas.parameters import AFlowId, AUuid

router = APIRouter(prefix="/api/flows", tags=["flows"], route_class=DefinitionRoute)


@router.get(
    "",
    summary="List flows",
    response_model=PaginatedFlowResponse,
    responses=refusals(400, 422, 500),
)
async def list_flows(
    query: FlowQueryDep,
    expansions: ExpansionsDep,
    caller: CallerDep,
    flows: FlowsDep,
    organization_id: AUuid | None = None,
    include_latest_version_executions_count: bool = False,
) -> Response:
    """Return one page of the organization's flows, each in its latest version."""
    counted = include_latest_version_executions_count
    asked = replace(expansions, latest_version_executions_count=counted)
    page = await flows.list(caller, query, asked, organization_id=organization_id)
    return reply(flow_page(page, query.page, query.page_size))


@router.post(
    "",
    summary="Create a flow",
    status_code=status.HTTP_201_CREATED,
    response_model=FlowResponse,
    responses=refusals(400, 403, 409, 413, 422, 500),
)
async def create_flow(
    body: FlowCreateRequest, expansions: ExpansionsDep, caller: CallerDep, flows: FlowsDep
) -> Response:
    """Store a flow as version 1, a draft. A definition with faults that reject it is refused."""
    view = await flows.create(caller, body.new_flow(), expansions)
    return reply(flow_view(view), status.HTTP_201_CREATED)


@router.get(
    "/available-tags",
    summary="List the tags of flows",
    response_model=list[str],
    responses=refusals(422, 500),
)
async def get_flow_available_tags(
    caller: CallerDep, flows: FlowsDep, search: str | None = None
) -> Response:
    """Return the distinct tags of the organization's flows that contain ``search``."""
    return reply(await flows.available_tags(caller, search))


@router.get(
    "/{flow_id}",
    summary="Get a flow",
    response_model=FlowResponse,
    responses=refusals(403, 404, 422),
)
async def get_flow(
    flow_id: AFlowId, expansions: ExpansionsDep, caller: CallerDep, flows: FlowsDep
) -> Response:
    """Return a flow in its latest version."""
    return reply(flow_view(await flows.get(caller, flow_id, expansions)))


@router.patch(
    "/{flow_id}",
    summary="Change a flow",
    response_model=FlowResponse,
    responses=refusals(400, 403, 404, 409, 413, 422),
)
async def patch_flow(
    flow_id: AFlowId,
    body: PatchFlowRequest,
    expansions: ExpansionsDep,
    caller: CallerDep,
    flows: FlowsDep,
) -> Response:
    """Change name, description, visibility, settings, status or tags; makes no new version."""
    return reply(flow_view(await flows.patch(caller, flow_id, body.changes(), expansions)))


@router.delete(
    "/{flow_id}",
    summary="Delete a flow",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 422),
)
async def delete_flow(flow_id: AFlowId, caller: CallerDep, flows: FlowsDep) -> None:
    """Hide a flow with all its versions for good; its executions remain."""
    await flows.delete(caller, flow_id)


@router.get(
    "/{flow_id}/clone-info",
    summary="Tell what a copy would need from outside",
    response_model=FlowCloneInfoResponse,
    responses=refusals(404, 422),
)
async def get_flow_clone_info(flow_id: AFlowId, caller: CallerDep, flows: FlowsDep) -> Response:
    """Return the executors of input tasks that an outside system feeds."""
    return reply(clone_info_view(await flows.clone_info(caller, flow_id)))


@router.put(
    "/{flow_id}/definition",
    summary="Replace a definition",
    response_model=FlowResponse,
    responses=refusals(400, 403, 404, 409, 413, 422),
)
async def update_flow_definition(
    flow_id: AFlowId,
    body: FlowDefinitionUpdate,
    expansions: ExpansionsDep,
    caller: CallerDep,
    flows: FlowsDep,
) -> Response:
    """Store the next version of a draft; a refused definition changes nothing."""
    view = await flows.update_definition(caller, flow_id, body.definition, expansions)
    return reply(flow_view(view))


@router.put(
    "/{flow_id}/task",
    summary="Replace or add one task",
    response_model=FlowResponse,
    responses=refusals(400, 403, 404, 409, 413, 422),
)
async def update_flow_task(
    flow_id: AFlowId,
    body: dict[str, JsonValue],
    expansions: ExpansionsDep,
    caller: CallerDep,
    flows: FlowsDep,
) -> Response:
    """Store the next version of a draft, in which the task of this name is as sent."""
    return reply(flow_view(await flows.update_task(caller, flow_id, body, expansions)))


@router.post(
    "/{flow_id}/validate",
    summary="Validate a definition",
    response_model=FlowValidationResponse,
    responses=refusals(404, 413, 422),
)
async def validate_flow_definition(
    flow_id: AFlowId,
    body: FlowDefinitionUpdate,
    expansions: ReportExpansionsDep,
    caller: CallerDep,
    flows: FlowsDep,
) -> Response:
    """Say everything that is wrong with a definition; stores nothing."""
    report = await flows.validate(caller, flow_id, body.definition, expansions)
    return reply(validation_view(report))
