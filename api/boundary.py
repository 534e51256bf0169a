"""The outermost layer: a request id on everything, and an answer to what nobody foresaw."""

import logging

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

from api.mounts import refusal_at

REQUEST_ID_HEADER = "X-Request-ID"

logger = logging.getLogger(__name__)


class Boundary:
    """ASGI middleware that gives each request an id and turns a bug into a plain 500."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an exception goes no further than this."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {}).setdefault("request_id", str(ULID()))
        is_started = False

        async def sender(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, sender)
        except ClientDisconnect:
            logger.info("client went away before its request was read")
        except Exception:
            facts = {"request_id": request_id, "method": scope["method"], "path": scope["path"]}
            logger.exception("request failed unexpectedly", extra=facts)
            if not is_started:
                answer = refusal_at(
                    scope["path"],
                    500,
                    "something went wrong on our side",
                    "internal_error",
                    request_id=request_id,
                )
                await answer(scope, receive, sender)
