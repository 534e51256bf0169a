"""Bodies of refusals, and which of them a route declares.

Models, not typed dictionaries: pydantic builds the schema of a dictionary anew wherever it is
named, which is a thousand times here, and a second and a half of every start.
"""

from pydantic import BaseModel, JsonValue

OpenApiResponses = dict[int | str, dict[str, object]]


class ErrorDetail(BaseModel):
    """What went wrong: for people, for programs, and the particulars."""

    message: str
    code: str | None
    details: list[str] | list[dict[str, JsonValue]] | dict[str, JsonValue] | None


class ErrorResponse(BaseModel):
    """Every refusal; ``request_id`` equals the header ``X-Request-ID``."""

    error: ErrorDetail
    request_id: str | None


class ValidationProblem(BaseModel):
    """One value that does not fit the schema."""

    loc: list[str | int]
    msg: str
    type: str


class ValidationErrorResponse(ErrorResponse):
    """A 422: the envelope, and the same problems as a list beside it."""

    detail: list[ValidationProblem]


MEANING = {
    400: "It means nothing sensible.",
    401: "No credential, or one that does not hold.",
    402: "The organization has no credits left.",
    403: "Another organization's, or beyond the caller's role.",
    404: "Nothing here by that id.",
    408: "The body came too slowly.",
    409: "It clashes with what is already there.",
    413: "The body is too long.",
    422: "A value does not fit the schema.",
    429: "Too much at once; `Retry-After` says when to try again.",
    500: "Something went wrong on our side.",
    503: "A store does not answer, or too much is under way; `Retry-After` says when to try again.",
}


def refusals(*statuses: int) -> OpenApiResponses:
    """Return what a route declares: the statuses given and those of every route, with their bodies.

    Any URL may be unreadable, a 400. Whoever takes a body, and so declares 413, may have to wait
    for it in vain.
    """
    of_bodies = {408} if 413 in statuses else set[int]()
    return {
        status: {
            "model": ValidationErrorResponse if status == 422 else ErrorResponse,
            "description": MEANING[status],
        }
        for status in sorted({*statuses, *of_bodies, 400, 401, 503})
    }
