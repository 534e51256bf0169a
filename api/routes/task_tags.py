"""Tags of tasks: what people and machines note about what a task of an execution yielded."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import CallerDep, TaskTagsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AnExecutionId
from api.schemas.task_tags import (
    FlowTaskTagAPI,
    PatchFlowTaskTagsRequest,
    PatchFlowTaskTagsResponse,
    outcomes_view,
    task_tag_views,
)

router = APIRouter(prefix="/api/task-tags", tags=["task-tags"], route_class=ProtectedRoute)


@router.get(
    "",
    summary="List the tags of an execution's tasks",
    response_model=list[FlowTaskTagAPI],
    responses=refusals(404, 422, 500),
)
async def list_task_tags(
    flow_execution_id: AnExecutionId,
    caller: CallerDep,
    task_tags: TaskTagsDep,
    task_name: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> Response:
    """Return the tags that the tasks of an execution have, by task and age."""
    return reply(task_tag_views(await task_tags.list(caller, flow_execution_id, task_name)))


@router.patch(
    "",
    summary="Tag tasks, or remove tags",
    response_model=PatchFlowTaskTagsResponse,
    responses=refusals(400, 404, 413, 422, 500),
)
async def patch_flow_task_tags(
    body: PatchFlowTaskTagsRequest, caller: CallerDep, task_tags: TaskTagsDep
) -> Response:
    """Make changes in order, all of them or none; what changes nothing is told and no error."""
    return reply(outcomes_view(await task_tags.change(caller, body.changes())))
