"""The language models that tasks may use."""

from fastapi import APIRouter, Request, Response

from api.replies import reply
from api.routing import ProtectedRoute
from api.schemas.errors import refusals
from api.schemas.models import ModelResponse, models_view
from api.services import services_of

router = APIRouter(prefix="/api/models", tags=["task-executors"], route_class=ProtectedRoute)


@router.get(
    "",
    summary="List language models",
    response_model=list[ModelResponse],
    responses=refusals(500),
)
async def get_models(request: Request) -> Response:
    """Return the names that `worker` takes in tasks that read with a model, the default first."""
    return reply(models_view(services_of(request).models))
