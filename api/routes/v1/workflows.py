"""Interactive workflows: create, read, rename, copy, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.deps import InteractiveRunsDep, TeamCallerDep, WorkflowsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import (
    AnObjectId,
    CloneRequest,
    ConcurrencyRequest,
    ConcurrencyResponse,
    PageNumber,
    PageSize,
    WorkflowCreateRequest,
    WorkflowEnvelope,
    WorkflowListResponse,
    WorkflowPatchRequest,
    workflow_envelope,
    workflow_list,
)

router = APIRouter(prefix="/v1/workflows", tags=["workflows"], route_class=ProtectedRoute)

Hydrates = Annotated[bool, Query(description="Whether to answer the whole graph.")]


@router.post(
    "",
    summary="Create a workflow",
    status_code=status.HTTP_201_CREATED,
    response_model=WorkflowEnvelope,
    responses=v1_refusals(413, 422, 500),
)
async def create_workflow(
    body: WorkflowCreateRequest, caller: TeamCallerDep, workflows: WorkflowsDep
) -> Response:
    """Create a workflow, with its whole graph or without; version 0 is active."""
    made = await workflows.create(caller, body.new())
    return reply(workflow_envelope(made), status.HTTP_201_CREATED)


@router.get(
    "",
    summary="List workflows",
    response_model=WorkflowListResponse,
    responses=v1_refusals(422, 500),
)
async def list_workflows(
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
    search: str | None = None,
    page: PageNumber = 1,
    size: PageSize = 100,
) -> Response:
    """Return a page of workflows, newest first."""
    found = await workflows.list(caller, search=search, page=page, size=size)
    return reply(workflow_list(found, page, size))


@router.get(
    "/{workflow_id}",
    summary="Get a workflow",
    response_model=WorkflowEnvelope,
    responses=v1_refusals(404, 422, 500),
)
async def get_workflow(
    workflow_id: AnObjectId,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
    fully_hydrate: Hydrates = False,
) -> Response:
    """Return a workflow, with the graph of its active version if asked for."""
    found = await workflows.get(caller, workflow_id)
    return reply(workflow_envelope(found, hydrates=fully_hydrate))


@router.patch(
    "/{workflow_id}",
    summary="Rename a workflow",
    response_model=WorkflowEnvelope,
    responses=v1_refusals(404, 413, 422, 500),
)
async def update_workflow(
    workflow_id: AnObjectId,
    body: WorkflowPatchRequest,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Change name or description; the graph stays as it is."""
    return reply(workflow_envelope(await workflows.patch(caller, workflow_id, body.changes())))


@router.delete(
    "/{workflow_id}",
    summary="Delete a workflow",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=v1_refusals(404, 422, 500),
)
async def delete_workflow(
    workflow_id: AnObjectId,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
    runs: InteractiveRunsDep,
) -> None:
    """Remove a workflow with all its versions; its runs are ended and removed as well."""
    await workflows.delete(caller, workflow_id)
    await runs.delete_of_workflow(caller, workflow_id)


@router.post(
    "/{workflow_id}/clone",
    summary="Copy a workflow",
    status_code=status.HTTP_201_CREATED,
    response_model=WorkflowEnvelope,
    responses=v1_refusals(404, 413, 422, 500),
)
async def clone_workflow(
    workflow_id: AnObjectId, body: CloneRequest, caller: TeamCallerDep, workflows: WorkflowsDep
) -> Response:
    """Copy a workflow with all of its versions, or some; keys of models are copied as well."""
    made = await workflows.clone(
        caller, workflow_id, body.changes(), body.chosen(), body.fallback_active_version
    )
    return reply(workflow_envelope(made), status.HTTP_201_CREATED)


@router.patch(
    "/{workflow_id}/concurrency",
    summary="Limit the runs of a workflow",
    response_model=ConcurrencyResponse,
    responses=v1_refusals(404, 413, 422, 500),
)
async def update_workflow_concurrency(
    workflow_id: AnObjectId,
    body: ConcurrencyRequest,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Say how many runs may be open at once."""
    limit = body.max_concurrent_runs
    workflow, _ = await workflows.patch(caller, workflow_id, {"max_concurrent_runs": limit})
    answer: ConcurrencyResponse = {
        "workflow_id": workflow.id,
        "max_concurrent_runs": workflow.max_concurrent_runs,
        "message": "the limit was changed",
    }
    return reply(answer)
