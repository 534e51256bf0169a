"""Human reviews: what people are asked to look at."""

from fastapi import APIRouter, Response, status

from api.deps import CallerDep, ReviewsDep
from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.human_reviews import (
    HumanReviewTaskAssignmentResponse,
    HumanReviewTaskCompleteRequest,
    HumanReviewTaskCreateRequest,
    HumanReviewTaskResponse,
    PaginatedHumanReviewTasksResponse,
    ReviewQueryDep,
    assignment_views,
    review_page,
    review_view,
)
from api.schemas.parameters import AnExecutionId

router = APIRouter(
    prefix="/api/human-review-tasks", tags=["human-review-tasks"], route_class=ProtectedRoute
)


@router.get(
    "",
    summary="List your reviews",
    response_model=PaginatedHumanReviewTasksResponse,
    responses=refusals(422, 500),
)
async def list_human_review_tasks(
    query: ReviewQueryDep, caller: CallerDep, reviews: ReviewsDep
) -> Response:
    """Return the reviews that the caller is asked for, as a person or through a worker group."""
    return reply(review_page(await reviews.list(caller, query), query))


@router.post(
    "",
    summary="Ask for a review",
    status_code=status.HTTP_201_CREATED,
    response_model=HumanReviewTaskResponse,
    responses=refusals(400, 409, 413, 422, 500),
)
async def create_human_review_task(
    body: HumanReviewTaskCreateRequest, caller: CallerDep, reviews: ReviewsDep
) -> Response:
    """Ask people to look at outputs of an execution; review tasks of flows do so by themselves."""
    return reply(review_view(await reviews.create(caller, body.new())), status.HTTP_201_CREATED)


@router.get(
    "/by-execution",
    summary="List an execution's reviews",
    response_model=list[HumanReviewTaskResponse],
    responses=refusals(422, 500),
)
async def list_human_review_tasks_by_execution(
    flow_execution_id: AnExecutionId, caller: CallerDep, reviews: ReviewsDep
) -> Response:
    """Return all reviews of an execution, oldest first, whoever is asked."""
    found = await reviews.of_execution(caller, flow_execution_id)
    return reply([review_view(review) for review in found])


@router.get(
    "/{task_id}",
    summary="Get a review",
    response_model=HumanReviewTaskResponse,
    responses=refusals(404, 422, 500),
)
async def get_human_review_task(task_id: str, caller: CallerDep, reviews: ReviewsDep) -> Response:
    """Return one review."""
    return reply(review_view(await reviews.get(caller, task_id)))


@router.post(
    "/{task_id}/start",
    summary="Begin with a review",
    response_model=HumanReviewTaskResponse,
    responses=refusals(404, 409, 422, 500),
)
async def start_human_review_task(task_id: str, caller: CallerDep, reviews: ReviewsDep) -> Response:
    """Begin with a review that the caller is asked for; again changes nothing."""
    return reply(review_view(await reviews.start(caller, task_id)))


@router.post(
    "/{task_id}/unstart",
    summary="Give a review back",
    response_model=HumanReviewTaskResponse,
    responses=refusals(404, 409, 422, 500),
)
async def unstart_human_review_task_assignment(
    task_id: str, caller: CallerDep, reviews: ReviewsDep
) -> Response:
    """Give a review back that the caller has begun; the review itself keeps its status."""
    return reply(review_view(await reviews.unstart(caller, task_id)))


@router.post(
    "/{task_id}/complete",
    summary="Complete a review",
    response_model=HumanReviewTaskResponse,
    responses=refusals(400, 404, 413, 422, 500),
)
async def complete_human_review_task(
    task_id: str,
    body: HumanReviewTaskCompleteRequest,
    caller: CallerDep,
    reviews: ReviewsDep,
) -> Response:
    """Store what the caller decided, and let the flow go on; the first completion counts."""
    done = await reviews.complete(caller, task_id, body.review_result, body.reviewed_output)
    return reply(review_view(done))


@router.get(
    "/{task_id}/assignments",
    summary="List who is asked",
    response_model=list[HumanReviewTaskAssignmentResponse],
    responses=refusals(404, 422, 500),
)
async def list_human_review_task_assignments(
    task_id: str, caller: CallerDep, reviews: ReviewsDep, include_user_info: bool = False
) -> Response:
    """Return who is asked and where they stand; with what is known of them if asked for."""
    found, people = await reviews.assignments(caller, task_id, with_people=include_user_info)
    return reply(assignment_views(found, people))
