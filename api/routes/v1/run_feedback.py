"""What people say of runs that have ended: comments and ratings."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator

from api.deps import InteractiveRunsDep, RunFeedbackDep, TeamCallerDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.parameters import within_reach
from api.schemas.run_feedback import (
    CommentRequest,
    FeedbackResponse,
    RatingRequest,
    feedback_response,
)
from api.schemas.runs import RunEnvelope, run_envelope
from api.schemas.v1_errors import v1_refusals
from api.schemas.workflows import AnObjectId
from operations.caller import Caller
from operations.interactive_runs import InteractiveRuns
from operations.run_feedback import RunFeedback
from store.run_feedback import Target

router = APIRouter(
    prefix="/v1/workflow-runs/{workflow_run_id}",
    tags=["run-feedback"],
    route_class=ProtectedRoute,
)

TurnIndex = Annotated[int, Path(ge=0, description="Counted from 0."), AfterValidator(within_reach)]
EventId = Annotated[str, Path(min_length=1, max_length=255)]
CommentId = Annotated[str, Path(min_length=1, max_length=255)]
WRITES = v1_refusals(404, 409, 413, 422, 500)
REMOVES = v1_refusals(404, 409, 422, 500)


@router.post("/comments", summary="Comment on a run", response_model=RunEnvelope, responses=WRITES)
async def comment_on_run(
    workflow_run_id: AnObjectId,
    body: CommentRequest,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
    runs: InteractiveRunsDep,
) -> Response:
    """Say something of a run that has ended, and return it with everything that was said."""
    await feedback.comment(caller, workflow_run_id, Target("run"), body.content)
    return await _run(caller, workflow_run_id, runs, feedback)


@router.delete(
    "/comments/{logical_id}",
    summary="Remove a comment on a run",
    response_model=RunEnvelope,
    responses=REMOVES,
)
async def delete_comment_on_run(
    workflow_run_id: AnObjectId,
    logical_id: CommentId,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
    runs: InteractiveRunsDep,
) -> Response:
    """Remove a comment of one's own, or as an administrator anybody's; return the run."""
    await feedback.uncomment(caller, workflow_run_id, Target("run"), logical_id)
    return await _run(caller, workflow_run_id, runs, feedback)


@router.post(
    "/events/{event_id}/comments",
    summary="Comment on an event",
    response_model=RunEnvelope,
    responses=WRITES,
)
async def comment_on_event(
    workflow_run_id: AnObjectId,
    event_id: EventId,
    body: CommentRequest,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
    runs: InteractiveRunsDep,
) -> Response:
    """Say something of an event of a run that has ended, and return the run."""
    await feedback.comment(caller, workflow_run_id, Target("event", event_id), body.content)
    return await _run(caller, workflow_run_id, runs, feedback)


@router.delete(
    "/events/{event_id}/comments/{logical_id}",
    summary="Remove a comment on an event",
    response_model=RunEnvelope,
    responses=REMOVES,
)
async def delete_comment_on_event(
    workflow_run_id: AnObjectId,
    event_id: EventId,
    logical_id: CommentId,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
    runs: InteractiveRunsDep,
) -> Response:
    """Remove a comment of one's own, or as an administrator anybody's; return the run."""
    await feedback.uncomment(caller, workflow_run_id, Target("event", event_id), logical_id)
    return await _run(caller, workflow_run_id, runs, feedback)


@router.put(
    "/events/{event_id}/rating",
    summary="Rate an event",
    response_model=FeedbackResponse,
    responses=WRITES,
)
async def rate_event(
    workflow_run_id: AnObjectId,
    event_id: EventId,
    body: RatingRequest,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Say how good an event was; a second rating takes the place of the first."""
    target = Target("event", event_id)
    said = await feedback.rate(caller, workflow_run_id, target, body.value)
    return reply(feedback_response(said, target))


@router.delete(
    "/events/{event_id}/rating",
    summary="Take a rating of an event back",
    response_model=FeedbackResponse,
    responses=REMOVES,
)
async def delete_rating_of_event(
    workflow_run_id: AnObjectId,
    event_id: EventId,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Take one's own rating back, if there is one."""
    target = Target("event", event_id)
    said = await feedback.unrate(caller, workflow_run_id, target)
    return reply(feedback_response(said, target))


@router.put(
    "/turns/{turn_index}/rating",
    summary="Rate a turn",
    response_model=FeedbackResponse,
    responses=WRITES,
)
async def rate_turn(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    body: RatingRequest,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Say how good a turn was; a second rating takes the place of the first."""
    target = Target("turn", str(turn_index))
    said = await feedback.rate(caller, workflow_run_id, target, body.value)
    return reply(feedback_response(said, target))


@router.delete(
    "/turns/{turn_index}/rating",
    summary="Take a rating of a turn back",
    response_model=FeedbackResponse,
    responses=REMOVES,
)
async def delete_rating_of_turn(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Take one's own rating back, if there is one."""
    target = Target("turn", str(turn_index))
    said = await feedback.unrate(caller, workflow_run_id, target)
    return reply(feedback_response(said, target))


@router.post(
    "/turns/{turn_index}/comments",
    summary="Comment on a turn",
    response_model=FeedbackResponse,
    responses=WRITES,
)
async def comment_on_turn(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    body: CommentRequest,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Say something of a turn of a run that has ended."""
    target = Target("turn", str(turn_index))
    said = await feedback.comment(caller, workflow_run_id, target, body.content)
    return reply(feedback_response(said, target))


@router.delete(
    "/turns/{turn_index}/comments/{logical_id}",
    summary="Remove a comment on a turn",
    response_model=FeedbackResponse,
    responses=REMOVES,
)
async def delete_comment_on_turn(
    workflow_run_id: AnObjectId,
    turn_index: TurnIndex,
    logical_id: CommentId,
    caller: TeamCallerDep,
    feedback: RunFeedbackDep,
) -> Response:
    """Remove a comment of one's own, or as an administrator anybody's."""
    target = Target("turn", str(turn_index))
    said = await feedback.uncomment(caller, workflow_run_id, target, logical_id)
    return reply(feedback_response(said, target))


async def _run(
    caller: Caller, run_id: str, runs: InteractiveRuns, feedback: RunFeedback
) -> Response:
    record, pairs = await runs.get(caller, run_id)
    return reply(run_envelope(record, pairs, await feedback.of_run(caller, run_id)))
