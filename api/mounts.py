"""Where interactive workflows are reached, and what is different there.

Clients of that API send an API key as a bearer token, may reach it below ``/workflows``, and read
another body of errors. Whatever else serves a request need not know.

Source: docs/workflows-api.md, "Mounts".
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import API_KEY_HEADER, KEY_PREFIX
from api.envelope import error_reply
from api.replies import reply

OUTER = "/workflows"
MOUNT = "/v1"


def is_below(path: str) -> bool:
    """Return whether a path belongs to interactive workflows."""
    return path == MOUNT or path.startswith(f"{MOUNT}/")


def refusal_body(
    message: str, *, category: str | None = None, problems: Sequence[JsonValue] | None = None
) -> dict[str, JsonValue]:
    """Return the body of a refusal below the mount.

    Args:
        category: What kind of rule of a graph was broken.
        problems: What does not fit the schema, one by one.
    """
    if category is not None:
        return {"message": category, "error": message}
    return {"detail": [*problems] if problems is not None else message}


def refusal_at(
    path: str,
    status_code: int,
    message: str,
    code: str,
    *,
    request_id: str | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a refusal as readers of this path expect it."""
    if is_below(path):
        return reply(refusal_body(message), status_code, headers)
    return error_reply(status_code, message, code, request_id=request_id, headers=headers)


class WorkflowMount:
    """ASGI middleware that gives requests from both mounts one path and one kind of credential."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, what is below a mount as the routes expect it."""
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if path.startswith(OUTER) and is_below(path.removeprefix(OUTER)):
                raw = scope.get("raw_path") or path.encode()
                scope = {
                    **scope,
                    "path": path.removeprefix(OUTER),
                    "raw_path": raw.removeprefix(OUTER.encode()),
                }
            if is_below(scope["path"]):
                scope = _with_key(scope)
        await self._app(scope, receive, send)


def _with_key(scope: Scope) -> Scope:
    """Return a scope whose bearer token, if it is an API key, stands where API keys do."""
    changed = {**scope, "headers": [*scope["headers"]]}
    headers = MutableHeaders(scope=changed)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip().startswith(KEY_PREFIX):
        return scope
    del headers["authorization"]
    headers[API_KEY_HEADER] = token.strip()
    return changed
