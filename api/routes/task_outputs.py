"""Task outputs: what became of each task as a whole."""

from fastapi import APIRouter, Response, status

from api.deps import CallerDep, OutsideWorkersDep, TaskOutputsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AUuid
from api.schemas.reports import TaskOutput
from api.schemas.task_outputs import TaskOutputAPI, task_output_view

router = APIRouter(prefix="/api/task-outputs", tags=["task-outputs"], route_class=ProtectedRoute)


@router.get(
    "",
    summary="List task outputs",
    response_model=list[TaskOutputAPI],
    responses=refusals(500),
)
async def list_task_outputs(caller: CallerDep, task_outputs: TaskOutputsDep) -> Response:
    """Return the task outputs of the whole organization, newest first."""
    records = await task_outputs.list(caller.organization_id, only=caller.invited_to)
    return reply([task_output_view(record) for record in records])


@router.post(
    "",
    summary="Post a task output",
    status_code=status.HTTP_201_CREATED,
    response_model=TaskOutputAPI,
    responses=refusals(400, 404, 413, 422, 500),
)
async def create_task_output(
    body: TaskOutput, caller: CallerDep, workers: OutsideWorkersDep
) -> Response:
    """Replace what was posted of a task; of tasks that the workflow ran, its summary and tags."""
    record = await workers.post_output(caller, body.organization_id, body.posted())
    return reply(task_output_view(record), status.HTTP_201_CREATED)


@router.get(
    "/{task_output_id}",
    summary="Get a task output",
    response_model=TaskOutputAPI,
    responses=refusals(403, 404, 422, 500),
)
async def get_task_output(
    task_output_id: AUuid, caller: CallerDep, task_outputs: TaskOutputsDep
) -> Response:
    """Return what became of one task."""
    record = await task_outputs.get(caller.organization_id, task_output_id, only=caller.invited_to)
    return reply(task_output_view(record))
