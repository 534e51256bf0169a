"""Worker groups: people to whom work is handed as one."""

from fastapi import APIRouter, Response, status

from api.deps import CallerDep, WorkerGroupsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AUuid
from api.schemas.worker_groups import (
    Limit,
    Offset,
    WorkerGroupCreateRequest,
    WorkerGroupDetailResponse,
    WorkerGroupListResponse,
    WorkerGroupMembersUpdateRequest,
    WorkerGroupUpdateRequest,
    group_detail,
    group_list,
)

router = APIRouter(
    prefix="/api/organizations/worker-groups",
    tags=["organizations", "worker-groups"],
    route_class=ProtectedRoute,
)


@router.get(
    "",
    summary="List worker groups",
    response_model=WorkerGroupListResponse,
    responses=refusals(403, 422, 500),
)
async def list_worker_groups(
    caller: CallerDep, groups: WorkerGroupsDep, offset: Offset = 0, limit: Limit = 50
) -> Response:
    """Return the organization's worker groups by name."""
    return reply(group_list(await groups.list(caller, offset=offset, limit=limit)))


@router.post(
    "",
    summary="Create a worker group",
    status_code=status.HTTP_201_CREATED,
    response_model=WorkerGroupDetailResponse,
    responses=refusals(400, 403, 409, 413, 422, 500),
)
async def create_worker_group(
    body: WorkerGroupCreateRequest, caller: CallerDep, groups: WorkerGroupsDep
) -> Response:
    """Create a worker group, with members or without; its name is its own in the organization."""
    made = await groups.create(caller, body.name, body.description, body.member_user_ids)
    return reply(group_detail(made), status.HTTP_201_CREATED)


@router.get(
    "/{group_id}",
    summary="Get a worker group",
    response_model=WorkerGroupDetailResponse,
    responses=refusals(403, 404, 422, 500),
)
async def get_worker_group(group_id: AUuid, caller: CallerDep, groups: WorkerGroupsDep) -> Response:
    """Return a worker group with its members."""
    return reply(group_detail(await groups.get(caller, group_id)))


@router.put(
    "/{group_id}",
    summary="Change a worker group",
    response_model=WorkerGroupDetailResponse,
    responses=refusals(400, 403, 404, 409, 413, 422, 500),
)
async def update_worker_group(
    group_id: AUuid, body: WorkerGroupUpdateRequest, caller: CallerDep, groups: WorkerGroupsDep
) -> Response:
    """Change name or description; what is left out stays."""
    return reply(group_detail(await groups.patch(caller, group_id, body.changes())))


@router.delete(
    "/{group_id}",
    summary="Delete a worker group",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 422, 500),
)
async def delete_worker_group(group_id: AUuid, caller: CallerDep, groups: WorkerGroupsDep) -> None:
    """Remove a worker group for good; the people in it stay what they are."""
    await groups.delete(caller, group_id)


@router.post(
    "/{group_id}/members",
    summary="Change who is in a worker group",
    response_model=WorkerGroupDetailResponse,
    responses=refusals(400, 403, 404, 413, 422, 500),
)
async def update_worker_group_members(
    group_id: AUuid,
    body: WorkerGroupMembersUpdateRequest,
    caller: CallerDep,
    groups: WorkerGroupsDep,
) -> Response:
    """Add and remove members at once; adding a member and removing a stranger change nothing."""
    changed = await groups.change_members(
        caller, group_id, add=body.add_user_ids, remove=body.remove_user_ids
    )
    return reply(group_detail(changed))
