"""The catalogue of task executors."""

from functools import cache

from fastapi import APIRouter, Response

from api.replies import encode
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.task_executors import TaskExecutorResponse, catalogue_view
from flows.executors.catalogue import EXECUTORS

CACHE_SECONDS = 300

router = APIRouter(
    prefix="/api/task-executors", tags=["task-executors"], route_class=ProtectedRoute
)


@router.get(
    "",
    summary="List task executors",
    response_model=list[TaskExecutorResponse],
    responses=refusals(500),
)
async def get_task_executors() -> Response:
    """Return every executor with the JSON Schemas of its parameters and of its flow input."""
    headers = {"Cache-Control": f"private, max-age={CACHE_SECONDS}"}
    return Response(_catalogue(), headers=headers, media_type="application/json")


@cache
def _catalogue() -> bytes:
    return encode(catalogue_view(EXECUTORS.values()))
