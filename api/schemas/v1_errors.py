"""Bodies of refusals below ``/v1``, and which of them a route declares."""

from pydantic import BaseModel, JsonValue

from api.schemas.errors import MEANING, OpenApiResponses


class Refusal(BaseModel):
    """What went wrong, for people."""

    detail: str


class InvalidRequest(BaseModel):
    """What does not fit the schema."""

    detail: str | list[dict[str, JsonValue]]


class GraphRefusal(BaseModel):
    """A broken rule of graphs: what kind, and which one and where."""

    message: str
    error: str


def v1_refusals(*statuses: int) -> OpenApiResponses:
    """Return what a route declares: the statuses given and those of every route, with their bodies.

    Whoever takes a body, and so declares 413, may have to wait for it in vain.
    """
    of_bodies = {408} if 413 in statuses else set[int]()
    models: dict[int, object] = {400: Refusal | GraphRefusal, 422: InvalidRequest}
    return {
        status: {"model": models.get(status, Refusal), "description": MEANING[status]}
        for status in sorted({*statuses, *of_bodies, 400, 401, 403, 503})
    }
