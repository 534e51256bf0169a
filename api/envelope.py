"""The body of every refusal."""

from collections.abc import Mapping

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from api.replies import reply


def error_reply(
    status_code: int,
    message: str,
    code: str | None,
    *,
    request_id: str | None,
    details: JsonValue = None,
    headers: Mapping[str, str] | None = None,
    **beside: JsonValue,
) -> Response:
    """Return ``{"error": {message, code, details}, "request_id"}``.

    Args:
        details: A list of strings, a list of objects, an object or None.
        beside: Further top-level fields, for bodies that satisfy two shapes at once.
    """
    error: JsonValue = {"message": message, "code": code, "details": details}
    return reply({"error": error, "request_id": request_id, **beside}, status_code, headers)


def request_id_of(request: Request) -> str | None:
    """Return the id that the response will carry in its header."""
    state: dict[str, str] = request.scope.get("state", {})
    return state.get("request_id")
