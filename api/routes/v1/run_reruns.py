"""Re-runs: runs that begin in the middle of another, as it stood before a turn."""

from typing import Annotated

from fastapi import APIRouter, Path, Response, status
from pydantic import AfterValidator

from api.deps import RunRerunsDep, TeamCallerDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.parameters import IdempotencyKey, within_reach
from api.schemas.run_reruns import (
    PreflightResponse,
    RerunnableTurnsResponse,
    RerunRequest,
    RerunStartedResponse,
    RerunTokenResponse,
    issued_token,
    preflight,
    rerun_started,
    rerunnable_turns,
)
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import AnObjectId

router = APIRouter(
    prefix="/v1/workflow-runs/{workflow_run_id}", tags=["run-reruns"], route_class=ProtectedRoute
)

MOST_TURNS = 1_000_000_000
TurnIndex = Annotated[
    int,
    Path(ge=0, description="Counted from 0."),
    AfterValidator(lambda index: min(within_reach(index), MOST_TURNS)),
]
RerunToken = Annotated[str, Path(min_length=1, max_length=255)]


@router.get(
    "/rerunnable-turns",
    summary="List turns that can be repeated",
    response_model=RerunnableTurnsResponse,
    responses=v1_refusals(404, 422, 500),
)
async def list_rerunnable_turns(
    workflow_run_id: AnObjectId, caller: TeamCallerDep, reruns: RunRerunsDep
) -> Response:
    """Return the turns of a run that have ended, and how often each was repeated."""
    counts = await reruns.turns(caller, workflow_run_id)
    return reply(rerunnable_turns(workflow_run_id, counts))


@router.post(
    "/turns/{turn_index}/rerun-preflight",
    summary="Look what a re-run would be like",
    response_model=PreflightResponse,
    responses=v1_refusals(404, 413, 422, 500),
)
async def preflight_rerun(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    caller: TeamCallerDep,
    reruns: RunRerunsDep,
    body: RerunRequest | None = None,
) -> Response:
    """Return what would be carried over and what dropped; nothing is changed."""
    asked = (body or RerunRequest()).asked()
    return reply(preflight(await reruns.plan(caller, workflow_run_id, turn_index, asked)))


@router.post(
    "/turns/{turn_index}/rerun-token",
    summary="Get a token for a re-run",
    response_model=RerunTokenResponse,
    responses=v1_refusals(404, 413, 422, 500),
)
async def create_rerun_token(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    caller: TeamCallerDep,
    reruns: RunRerunsDep,
    body: RerunRequest | None = None,
) -> Response:
    """Return a token with which one socket may begin a run as this one stood before a turn."""
    asked = (body or RerunRequest()).asked()
    return reply(issued_token(await reruns.issue(caller, workflow_run_id, turn_index, asked)))


@router.get(
    "/turns/{turn_index}/rerun-token/{token}",
    summary="Look at a token for a re-run",
    response_model=RerunTokenResponse,
    responses=v1_refusals(404, 422, 500),
)
async def get_rerun_token(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    token: RerunToken,
    caller: TeamCallerDep,
    reruns: RunRerunsDep,
) -> Response:
    """Return what a token stands for, and how long it holds."""
    return reply(issued_token(await reruns.look(caller, workflow_run_id, turn_index, token)))


@router.patch(
    "/turns/{turn_index}/rerun-token/{token}",
    summary="Change a token for a re-run",
    response_model=RerunTokenResponse,
    responses=v1_refusals(404, 413, 422, 500),
)
async def amend_rerun_token(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    token: RerunToken,
    body: RerunRequest,
    caller: TeamCallerDep,
    reruns: RunRerunsDep,
) -> Response:
    """Change what is named of what a token stands for; it holds no longer for that."""
    changed = await reruns.amend(caller, workflow_run_id, turn_index, token, body.changes())
    return reply(issued_token(changed))


@router.post(
    "/turns/{turn_index}/rerun",
    summary="Repeat a turn",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=RerunStartedResponse,
    responses=v1_refusals(404, 409, 413, 422, 429, 500),
)
async def rerun_turn(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    caller: TeamCallerDep,
    reruns: RunRerunsDep,
    body: RerunRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Begin a run as this one stood before a turn, give it the same input, and do not wait for it.

    The same ``Idempotency-Key`` leads to the same run.
    """
    asked = (body or RerunRequest()).asked()
    record, plan = await reruns.rerun(
        caller, workflow_run_id, turn_index, asked, key=idempotency_key
    )
    return reply(rerun_started(record.id, plan), status.HTTP_202_ACCEPTED)
