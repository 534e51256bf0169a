"""Flow executions: one run of one version of a flow on one input."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response, status

from api.deps import CallerDep, ExecutionsDep, OutsideWorkersDep, PlanningDep
from api.misplaced import only_stale_in_query
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.execution_plans import ExecutionPlanResponse, plan_view
from api.schemas.flow_executions import (
    FlowExecutionCreateRequest,
    FlowExecutionResponse,
    FlowExecutionResponseWithRunNumber,
    execution_view,
    numbered_view,
)
from api.schemas.flow_filters import ExecutionQueryDep
from api.schemas.parameters import AnExecutionId, AnExecutionIdOr400
from api.schemas.reports import AddTaskStatusRequest, FlowTaskStatusAPI, task_status_views
from store.models import ExecutionStatus

router = APIRouter(
    prefix="/api/flow-executions", tags=["flow-executions"], route_class=ProtectedRoute
)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="The same key and body within 24 hours give the same execution.",
    ),
]


@router.post(
    "",
    summary="Run a flow",
    status_code=status.HTTP_201_CREATED,
    response_model=FlowExecutionResponse,
    responses=refusals(400, 402, 403, 404, 409, 413, 422, 429, 500),
)
async def create_flow_execution(
    body: FlowExecutionCreateRequest,
    caller: CallerDep,
    executions: ExecutionsDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Record an execution of the flow's latest version and ask for its start; waits for neither."""
    record = await executions.create(
        caller,
        body.flow_id,
        body.input,
        input_task_name=body.input_task_name,
        idempotency_key=idempotency_key,
    )
    return reply(execution_view(record), status.HTTP_201_CREATED)


@router.get(
    "",
    summary="List a flow's executions",
    response_model=list[FlowExecutionResponseWithRunNumber],
    responses=refusals(400, 403, 404, 422, 500),
)
async def list_flow_executions(
    query: ExecutionQueryDep,
    caller: CallerDep,
    executions: ExecutionsDep,
    include_run_number: bool = False,
    include_credits: bool = False,
) -> Response:
    """Return one page of a flow's executions, newest first unless asked otherwise."""
    records = await executions.list(caller, query)
    return reply([numbered_view(record, include_run_number) for record in records])


@router.get(
    "/{flow_execution_id}",
    summary="Get a flow execution",
    response_model=FlowExecutionResponseWithRunNumber,
    responses=refusals(400, 403, 404, 422, 500),
)
async def get_flow_execution(
    flow_execution_id: AnExecutionIdOr400,
    caller: CallerDep,
    executions: ExecutionsDep,
    include_run_number: bool = False,
    include_credits: bool = False,
) -> Response:
    """Return one execution that is not deleted."""
    record = await executions.get(caller, flow_execution_id)
    return reply(numbered_view(record, include_run_number))


@router.delete(
    "/{flow_execution_id}",
    summary="Delete a flow execution",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 422, 500),
)
async def delete_flow_execution(
    flow_execution_id: AnExecutionId, caller: CallerDep, executions: ExecutionsDep
) -> None:
    """Hide an execution for good; what runs is not stopped, and a second call changes nothing."""
    await executions.delete(caller, flow_execution_id)


@router.post(
    "/{flow_execution_id}/cancel",
    summary="Cancel a flow execution",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(404, 422, 500),
)
async def cancel_flow_execution(
    flow_execution_id: AnExecutionId, caller: CallerDep, executions: ExecutionsDep
) -> None:
    """Ask a running execution to stop; one that has ended stays as it is."""
    await executions.cancel(caller, flow_execution_id)


@router.post(
    "/{flow_execution_id}/execute",
    summary="Run a flow execution again",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(403, 404, 409, 422, 500),
    dependencies=[Depends(only_stale_in_query)],
)
async def execute_flow(
    flow_execution_id: AnExecutionId,
    caller: CallerDep,
    executions: ExecutionsDep,
    only_stale: bool = False,
) -> None:
    """Run the same execution again on the flow's latest version, reusing results if asked."""
    await executions.re_execute(caller, flow_execution_id, only_stale=only_stale)


@router.get(
    "/{flow_execution_id}/plan",
    summary="See what running again would do",
    response_model=ExecutionPlanResponse,
    responses=refusals(403, 404, 409, 422, 500),
)
async def plan_flow_execution(
    flow_execution_id: AnExecutionId,
    caller: CallerDep,
    planning: PlanningDep,
    only_stale: bool = False,
) -> Response:
    """Return for each task whether ``execute`` would run, reuse or skip it now; changes nothing."""
    plan = await planning.plan(caller, flow_execution_id, only_stale=only_stale)
    return reply(plan_view(plan))


@router.patch(
    "/{flow_execution_id}/status",
    summary="Overwrite an execution's status",
    response_model=FlowExecutionResponse,
    responses=refusals(404, 422),
)
async def patch_flow_execution_status(
    flow_execution_id: AnExecutionId,
    status: ExecutionStatus,
    caller: CallerDep,
    executions: ExecutionsDep,
) -> Response:
    """Set the status that is shown; ``deleted`` equals deleting."""
    record = await executions.set_status(caller, flow_execution_id, status)
    return reply(execution_view(record))


@router.post(
    "/{flow_execution_id}/task-status",
    summary="Report statuses of tasks",
    response_model=list[FlowTaskStatusAPI],
    responses=refusals(400, 403, 404, 413, 422, 500),
)
async def add_flow_task_statuses(
    flow_execution_id: AnExecutionId,
    body: AddTaskStatusRequest,
    caller: CallerDep,
    workers: OutsideWorkersDep,
) -> Response:
    """Add words on tasks to their history, in order; for machines alone."""
    records = await workers.add_statuses(caller, flow_execution_id, body.words())
    return reply(task_status_views(records))
