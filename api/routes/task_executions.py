"""Task executions: every attempt of every task."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.deps import (
    CallerDep,
    CorrectionsDep,
    OutsideWorkersDep,
    TaskExecutionsDep,
    TaskTagsDep,
)
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.parameters import AnIndex, AUuid
from api.schemas.reports import CreateTaskExecutionRequest
from api.schemas.task_executions import (
    ListTaskExecutionsResponse,
    TaskExecutionAPI,
    TaskExecutionUpdate,
    task_execution_list,
    task_execution_view,
)

router = APIRouter(
    prefix="/api/task-executions", tags=["task-executions"], route_class=ProtectedRoute
)


@router.get(
    "",
    summary="List task executions",
    response_model=ListTaskExecutionsResponse,
    responses=refusals(404, 422, 500),
)
async def list_task_executions(
    caller: CallerDep,
    task_executions: TaskExecutionsDep,
    task_tags: TaskTagsDep,
    flow_execution_id: AUuid | None = None,
    task_name: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    task_execution_idx: AnIndex | None = None,
    include_credits: bool = False,
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    after: Annotated[
        AUuid | None, Query(description="Only what follows this task execution in the list.")
    ] = None,
) -> Response:
    """Return task executions, newest first: everything that matches, unless limited."""
    records = await task_executions.list(
        caller.organization_id,
        flow_execution_id=flow_execution_id,
        task_name=task_name,
        idx=task_execution_idx,
        limit=limit,
        after=after,
        only=caller.invited_to,
    )
    tags = await task_tags.of_executions(caller, (each.flow_execution_id for each in records))
    return reply(task_execution_list(records, tags))


@router.post(
    "",
    summary="Report on a task execution",
    status_code=status.HTTP_201_CREATED,
    response_model=TaskExecutionAPI,
    responses=refusals(400, 404, 409, 413, 422, 500),
)
async def create_task_execution(
    body: CreateTaskExecutionRequest, caller: CallerDep, workers: OutsideWorkersDep
) -> Response:
    """Write what a worker says about one attempt; the same place again updates the same row."""
    record = await workers.report(caller, body.report())
    return reply(task_execution_view(record), status.HTTP_201_CREATED)


@router.put(
    "",
    summary="Correct the output of a task execution",
    response_model=TaskExecutionAPI,
    responses=refusals(400, 404, 413, 422, 500),
)
async def update_task_execution(
    body: TaskExecutionUpdate,
    caller: CallerDep,
    corrections: CorrectionsDep,
    execute_flow: Annotated[
        bool, Query(description="Run again what is stale afterwards, on the same version.")
    ] = False,
) -> Response:
    """Put another output in the place of what a task yielded, and mark what depends on it stale."""
    record = await corrections.correct(caller, body.correction(), execute_flow=execute_flow)
    return reply(task_execution_view(record))


@router.get(
    "/{task_execution_id}",
    summary="Get a task execution",
    response_model=TaskExecutionAPI,
    responses=refusals(403, 404, 422),
)
async def get_task_execution(
    task_execution_id: AUuid,
    caller: CallerDep,
    task_executions: TaskExecutionsDep,
    include_credits: bool = False,
) -> Response:
    """Return one attempt of a task."""
    record = await task_executions.get(
        caller.organization_id, task_execution_id, only=caller.invited_to
    )
    return reply(task_execution_view(record))
