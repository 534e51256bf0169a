"""Whether this process lives, and whether what it needs answers."""

import asyncio

from fastapi import APIRouter, Request, Response
from typing_extensions import TypedDict

from api.replies import reply
from api.schemas.errors import ErrorResponse
from api.services import services_of
from flows.errors import UnavailableError

router = APIRouter(prefix="/health", tags=["health"])


class Health(TypedDict):
    """A process that answers."""

    status: str


@router.get("/live", summary="Is the process alive", response_model=Health)
async def live() -> Response:
    """Answer as long as the process serves."""
    return reply({"status": "alive"})


@router.get(
    "/ready",
    summary="Do the stores answer",
    response_model=Health,
    responses={503: {"model": ErrorResponse, "description": "Names what does not answer."}},
)
async def ready(request: Request) -> Response:
    """Answer 200 only while Temporal and MongoDB both answer."""
    services = services_of(request)
    parts = (services.mongodb, services.temporal)
    answers = await asyncio.gather(*(part.is_ready() for part in parts))
    silent = [part.name for part, answered in zip(parts, answers, strict=True) if not answered]
    if silent:
        raise UnavailableError(f"{' and '.join(silent)} not ready", silent=[*silent])
    return reply({"status": "ready"})
