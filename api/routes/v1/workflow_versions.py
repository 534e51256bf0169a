"""Versions of interactive workflows."""

from fastapi import APIRouter, Response, status

from api.deps import TeamCallerDep, WorkflowsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import (
    AnObjectId,
    AVersionNumber,
    VersionConfigRequest,
    VersionCreateRequest,
    VersionDiffResponse,
    VersionEnvelope,
    VersionListResponse,
    VersionRenameRequest,
    WorkflowEnvelope,
    version_diff,
    version_envelope,
    version_list,
    workflow_envelope,
)

router = APIRouter(
    prefix="/v1/workflows/{workflow_id}/versions",
    tags=["workflows"],
    route_class=ProtectedRoute,
)


@router.post(
    "",
    summary="Add a version",
    status_code=status.HTTP_201_CREATED,
    response_model=VersionEnvelope,
    responses=v1_refusals(404, 413, 422, 500),
)
async def create_workflow_version(
    workflow_id: AnObjectId,
    body: VersionCreateRequest,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Copy a version, the active one unless another is named; logical ids stay."""
    made = await workflows.add_version(
        caller,
        workflow_id,
        name=body.version_name,
        source=body.source_version_number,
        activates=body.mark_as_active,
    )
    return reply(version_envelope(made), status.HTTP_201_CREATED)


@router.get(
    "",
    summary="List versions",
    response_model=VersionListResponse,
    responses=v1_refusals(404, 422, 500),
)
async def list_workflow_versions(
    workflow_id: AnObjectId, caller: TeamCallerDep, workflows: WorkflowsDep
) -> Response:
    """Return every version with its graph, by number."""
    return reply(version_list(*await workflows.versions(caller, workflow_id)))


@router.patch(
    "/{version_number}",
    summary="Rename a version",
    response_model=VersionEnvelope,
    responses=v1_refusals(404, 413, 422, 500),
)
async def rename_workflow_version(
    workflow_id: AnObjectId,
    version_number: AVersionNumber,
    body: VersionRenameRequest,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Call a version something else."""
    changed = await workflows.rename_version(caller, workflow_id, version_number, body.version_name)
    return reply(version_envelope(changed))


@router.patch(
    "/{version_number}/config",
    summary="Replace the graph of a version",
    response_model=VersionEnvelope,
    responses=v1_refusals(404, 413, 422, 500),
)
async def update_workflow_version_config(
    workflow_id: AnObjectId,
    version_number: AVersionNumber,
    body: VersionConfigRequest,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Replace nodes and edges of a version; runs that have begun keep what they began with."""
    changed = await workflows.put_config(caller, workflow_id, version_number, body.config)
    return reply(version_envelope(changed))


@router.post(
    "/{version_number}/activate",
    summary="Activate a version",
    response_model=WorkflowEnvelope,
    responses=v1_refusals(404, 422, 500),
)
async def activate_workflow_version(
    workflow_id: AnObjectId,
    version_number: AVersionNumber,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Make a version the one that new runs use; answers the workflow."""
    return reply(workflow_envelope(await workflows.activate(caller, workflow_id, version_number)))


@router.delete(
    "/{version_number}",
    summary="Delete a version",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=v1_refusals(404, 409, 422, 500),
)
async def delete_workflow_version(
    workflow_id: AnObjectId,
    version_number: AVersionNumber,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> None:
    """Remove any version but the active one."""
    await workflows.delete_version(caller, workflow_id, version_number)


@router.get(
    "/{version_number}/diff/{other_number}",
    summary="Compare two versions",
    response_model=VersionDiffResponse,
    responses=v1_refusals(404, 422, 500),
)
async def compare_workflow_versions(
    workflow_id: AnObjectId,
    version_number: AVersionNumber,
    other_number: AVersionNumber,
    caller: TeamCallerDep,
    workflows: WorkflowsDep,
) -> Response:
    """Return what is different in the second version, by logical ids and dotted paths."""
    _, old = await workflows.version(caller, workflow_id, version_number)
    _, new = await workflows.version(caller, workflow_id, other_number)
    return reply(version_diff(old, new))
