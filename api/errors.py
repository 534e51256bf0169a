"""From an error of the domain, of the schema or of the router to a response.

The category of an EngineError decides the status, its ``code`` and facts fill the envelope.
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from math import ceil
from typing import cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.envelope import error_reply, request_id_of
from api.mounts import is_below, refusal_body
from api.replies import encode, reply
from api.routing import pattern_of
from api.services import services_of
from flows.errors import (
    ConflictError,
    EngineError,
    Fault,
    ForbiddenError,
    InvalidDefinitionError,
    InvalidError,
    InvalidGraphError,
    InvalidInputError,
    InvalidOutputError,
    NotFoundError,
    RateLimitedError,
    SlowRequestError,
    StoreUnavailableError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
    WebhookDataRefusedError,
)

STATUS_BY_CATEGORY: dict[type[EngineError], int] = {
    InvalidError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    SlowRequestError: 408,
    ConflictError: 409,
    TooLargeError: 413,
    UnprocessableError: 422,
    RateLimitedError: 429,
    UnavailableError: 503,
}

_CODE_BY_STATUS = {404: "not_found", 405: "method_not_allowed"}
_MAX_ECHOED_BYTES = 1_000
_NEVER_REPEATED = "/api/integrations/credentials"

logger = logging.getLogger(__name__)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every foreseen refusal in the envelope; the rest is the boundary's."""
    app.add_exception_handler(EngineError, _on_engine_error)
    app.add_exception_handler(StoreUnavailableError, _on_store_unavailable)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


def status_of(error: EngineError) -> int:
    """Return the status of the nearest category among the error's classes, 500 without one."""
    for cls in type(error).__mro__:
        if cls in STATUS_BY_CATEGORY:
            return STATUS_BY_CATEGORY[cls]
    return 500


async def _on_engine_error(request: Request, exception: Exception) -> Response:
    error = cast(EngineError, exception)
    status = status_of(error)
    request_id = request_id_of(request)
    if status >= 500:
        facts = {"request_id": request_id, "code": error.code, "reason": error.message}
        logger.warning("request could not be served", extra=facts)
    if is_below(request.url.path):
        category = error.category if isinstance(error, InvalidGraphError) else None
        body = refusal_body(error.message, category=category)
        return reply(body, status, _headers_of(error))
    return error_reply(
        status,
        error.message,
        error.code,
        request_id=request_id,
        details=_details_of(error),
        headers=_headers_of(error),
        **_second_shape(error),
    )


async def _on_store_unavailable(request: Request, exception: Exception) -> Response:
    services_of(request).mongodb.suspect()
    return await _on_engine_error(request, exception)


def _details_of(error: EngineError) -> JsonValue:
    if isinstance(error, InvalidDefinitionError):
        return [str(fault) for fault in error.faults]
    if isinstance(error, InvalidInputError | InvalidOutputError):
        return [_fault_object(fault) for fault in error.faults] or None
    if isinstance(error, WebhookDataRefusedError):
        return [_fault_object(fault, "body", "data") for fault in error.faults]
    return error.facts or None


def _fault_object(fault: Fault, *within: str) -> JsonValue:
    return {"type": fault.type, "loc": [*within, *fault.location], "msg": fault.reason}


def _headers_of(error: EngineError) -> dict[str, str] | None:
    if isinstance(error, RateLimitedError | UnavailableError):
        return {"Retry-After": str(max(1, ceil(error.retry_after.total_seconds())))}
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": "Bearer"}
    return None


def _second_shape(error: EngineError) -> dict[str, JsonValue]:
    """Return the ``detail`` list that readers of the older 422 body look for."""
    if not isinstance(error, UnprocessableError):
        return {}
    if isinstance(error, WebhookDataRefusedError):
        return {"detail": _details_of(error)}
    return {"detail": [{"loc": ["body"], "msg": error.message, "type": error.code}]}


async def _on_invalid_request(request: Request, exception: Exception) -> Response:
    problems = cast(Sequence[dict[str, object]], cast(RequestValidationError, exception).errors())
    tells = not request.url.path.startswith(_NEVER_REPEATED)
    details = [_problem(problem, repeats=tells) for problem in problems]
    brief: list[JsonValue] = [
        {"loc": problem["loc"], "msg": problem["msg"], "type": problem["type"]}
        for problem in details
    ]
    if is_below(request.url.path):
        return reply(refusal_body("", problems=brief), 422)
    return error_reply(
        422,
        "Request validation failed",
        "validation_error",
        request_id=request_id_of(request),
        details=cast(JsonValue, details),
        detail=brief,
    )


def _problem(problem: dict[str, object], *, repeats: bool) -> dict[str, JsonValue]:
    """Return one problem; what was sent is repeated only where it is a short scalar.

    What lies deeper than the fault may hold anything, a secret as well.
    """
    told: dict[str, JsonValue] = {
        "type": cast(str, problem["type"]),
        "loc": list(cast(tuple[str | int, ...], problem["loc"])),
        "msg": cast(str, problem["msg"]),
    }
    sent = problem.get("input")
    if repeats and not isinstance(sent, dict | list | None) and _is_short_json(sent):
        told["input"] = cast(JsonValue, sent)
    return told


def _is_short_json(value: object) -> bool:
    try:
        return len(encode(value)) <= _MAX_ECHOED_BYTES
    except (TypeError, ValueError):
        return False


async def _on_http_exception(request: Request, exception: Exception) -> Response:
    refusal = cast(HTTPException, exception)
    status = HTTPStatus(refusal.status_code)
    if is_below(request.url.path):
        headers = _allowed(request) if status is HTTPStatus.METHOD_NOT_ALLOWED else None
        return reply(refusal_body(status.phrase), status.value, headers)
    return error_reply(
        status.value,
        status.phrase.lower(),
        _CODE_BY_STATUS.get(status.value, "bad_request"),
        request_id=request_id_of(request),
        headers=_allowed(request) if status is HTTPStatus.METHOD_NOT_ALLOWED else refusal.headers,
    )


def _allowed(request: Request) -> dict[str, str]:
    """Return every method of the path; the router only names those of one of its routes.

    Of several templates that the path fits, the one with the fewest parameters is meant.
    """
    paths = cast(FastAPI, request.app).openapi()["paths"]
    fitting = [path for path in paths if pattern_of(path).fullmatch(request.url.path)]
    meant = min(fitting, key=lambda path: path.count("{"), default=None)
    methods = {method.upper() for method in paths.get(meant, {})}
    return {"Allow": ", ".join(sorted(methods or {"GET", "HEAD"}))}
