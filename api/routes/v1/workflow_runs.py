"""Interactive runs: turns, reading, deleting."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from pydantic import AfterValidator

from api.deps import InteractiveRunsDep, RunFeedbackDep, TeamCallerDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.parameters import AnInstant, IdempotencyKey, within_reach
from api.schemas.run_schemas import RunSchemasResponse, run_schemas
from api.schemas.runs import (
    ExecuteRequest,
    ExecuteResponse,
    RunEnvelope,
    RunListResponse,
    StatusWord,
    execute_response,
    run_envelope,
    run_list,
)
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import OBJECT_ID, AnObjectId, PageNumber, PageSize
from operations.caller import Role
from store.interactive_runs import RunQuery

of_workflows = APIRouter(prefix="/v1/workflows", tags=["workflow-runs"], route_class=ProtectedRoute)
router = APIRouter(prefix="/v1/workflow-runs", tags=["workflow-runs"], route_class=ProtectedRoute)


@of_workflows.post(
    "/{workflow_id}/execute",
    summary="Run a turn",
    response_model=ExecuteResponse,
    responses=v1_refusals(404, 409, 413, 422, 429, 500),
)
async def execute_workflow(
    workflow_id: AnObjectId,
    body: ExecuteRequest,
    caller: TeamCallerDep,
    runs: InteractiveRunsDep,
    version: Annotated[
        int | None, Query(ge=0, description="Of a run that begins."), AfterValidator(within_reach)
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Begin a run, or hand the next input to the one that is named, and answer at its next wait.

    Without ``run_id`` a run begins; with one it goes on, or is stopped by the command ``stop``. The
    same ``Idempotency-Key`` leads to the same turn.
    """
    turn = await runs.execute(
        caller,
        workflow_id,
        body.run_input,
        run_id=body.run_id,
        version_number=body.version_number() if version is None else version,
        key=idempotency_key,
    )
    return reply(execute_response(turn))


@router.get(
    "",
    summary="List runs",
    response_model=RunListResponse,
    responses=v1_refusals(422, 500),
)
async def list_workflow_runs(
    caller: TeamCallerDep,
    runs: InteractiveRunsDep,
    workflow_id: Annotated[str | None, Query(pattern=OBJECT_ID)] = None,
    status: StatusWord | None = None,
    start: AnInstant | None = None,
    end: AnInstant | None = None,
    search: str | None = None,
    source_workflow_run_id: Annotated[str | None, Query(pattern=OBJECT_ID)] = None,
    source_turn_index: Annotated[
        int | None, Query(ge=0, description="Counts beside a source."), AfterValidator(within_reach)
    ] = None,
    page: PageNumber = 1,
    size: PageSize = 100,
) -> Response:
    """Return a page of runs, newest first."""
    query = RunQuery(
        workflow_id=workflow_id,
        status=status,
        start=start,
        end=end,
        search=search,
        source_run_id=source_workflow_run_id,
        source_turn_index=source_turn_index,
        page=page,
        size=size,
    )
    found, total = await runs.list(caller, query)
    return reply(run_list(found, total, page, size))


@router.get(
    "/schema",
    summary="Get the schemas of runs",
    response_model=RunSchemasResponse,
    responses=v1_refusals(500),
)
async def get_workflow_run_schema(caller: TeamCallerDep) -> Response:
    """Return JSON Schemas of a run, of what a turn is given, and of what it comes to."""
    caller.require(Role.PUBLISHER, "see runs")
    return reply(run_schemas())


@router.get(
    "/{workflow_run_id}",
    summary="Get a run",
    response_model=RunEnvelope,
    responses=v1_refusals(404, 422, 500),
)
async def get_workflow_run(
    workflow_run_id: AnObjectId,
    caller: TeamCallerDep,
    runs: InteractiveRunsDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Return a run with all its turns, what was said of them, and the graph that it runs."""
    record, pairs = await runs.get(caller, workflow_run_id)
    return reply(run_envelope(record, pairs, await feedback.of_run(caller, workflow_run_id)))


@router.delete(
    "/{workflow_run_id}",
    summary="Delete a run",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=v1_refusals(404, 422, 500),
)
async def delete_workflow_run(
    workflow_run_id: AnObjectId, caller: TeamCallerDep, runs: InteractiveRunsDep
) -> None:
    """Stop a run if it goes on, and remove it with its turns."""
    await runs.delete(caller, workflow_run_id)
