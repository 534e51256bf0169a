"""How much this process takes in: requests at once, bytes of a body, and time to send them.

Source: docs/api.md, "Bodies"; docs/operations.md, "When too much comes at once".
"""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import timedelta

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.mounts import refusal_at
from api.observation import PROBES
from flows.errors import SlowRequestError, TooLargeError

MAX_BODY_BYTES = 1024 * 1024
MAX_DEFINITION_BODY_BYTES = 2 * 1024 * 1024
MAX_RECORD_BODY_BYTES = 8 * 1024 * 1024
MAX_FILE_BYTES = 100 * 1024 * 1024
LEAST_BYTES_PER_SECOND = 32 * 1024
RETRY_AFTER_SECONDS = 1
EVENT_STREAM = "text/event-stream"

BODY_LIMITS: Sequence[tuple[re.Pattern[str], int]] = (
    (re.compile(r"/api/files/content"), MAX_FILE_BYTES),
    (re.compile(r"/api/flows(/[^/]+/(definition|task|validate))?"), MAX_DEFINITION_BODY_BYTES),
    (re.compile(r"/v1/workflows(/.*)?"), MAX_DEFINITION_BODY_BYTES),
    (re.compile(r"/api/task-data"), MAX_DEFINITION_BODY_BYTES),
    (re.compile(r"/api/task-(executions|outputs)"), MAX_RECORD_BODY_BYTES),
)


class InFlightLimit:
    """ASGI middleware that refuses requests while too many are being served.

    Each may hold memory, a connection to the store and a place in every queue behind it; refused at
    once, a caller knows more than one who waits. Probes of health are always let in.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Wrap an application."""
        self._app = app
        self._limit = limit
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._limit:
            refusal = refusal_at(
                scope["path"],
                503,
                "too many requests are being served; try again in a moment",
                "unavailable",
                request_id=scope.get("state", {}).get("request_id"),
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
            await refusal(scope, receive, send)
            return
        place = _Place(self)
        self._in_flight += 1

        async def sender(message: Message) -> None:
            if _begins_stream(message):
                place.leave()
            await send(message)

        try:
            await self._app(scope, receive, sender)
        finally:
            place.leave()

    def leave(self) -> None:
        """Make room for another request."""
        self._in_flight -= 1


class _Place:
    """One of the places of requests; a stream of events gives it back, having limits of its own."""

    def __init__(self, limit: InFlightLimit) -> None:
        self._limit = limit
        self._is_taken = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._limit.leave()


def _begins_stream(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    return Headers(raw=message["headers"]).get("content-type", "").startswith(EVENT_STREAM)


class BodyLimit:
    """ASGI middleware that stops reading a body that is too long for its path, or too slow.

    The refusal surfaces where the body is read, so that it is answered like any other error; a
    body that nobody reads is never counted.
    """

    def __init__(self, app: ASGIApp, patience: timedelta) -> None:
        """Wrap an application.

        Args:
            patience: How long to wait for a body, beyond the time that its bytes may take.
        """
        self._app = app
        self._patience = patience.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Watch what the application receives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, _limit_of(scope["path"]), _declared_length(scope), self._patience)
        await self._app(scope, body.receive, send)


class _Body:
    """A body on its way in."""

    def __init__(self, receive: Receive, limit: int, declared: int, patience: float) -> None:
        self._receive = receive
        self._limit = limit
        self._declared = declared
        self._patience = patience
        self._received = 0
        self._waited = 0.0
        self._is_whole = False

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            TooLargeError: The body is longer than its path allows, or says it will be.
            SlowRequestError: It has been waited for long enough. Only waiting counts, not the time
                that we take ourselves between one piece and the next.
        """
        if self._is_whole:  # what comes now is the client going away, whenever it does
            return await self._receive()
        if self._declared > self._limit:
            raise self._too_long()
        began = time.monotonic()
        allowed = self._patience + self._received / LEAST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(allowed - self._waited):
                message = await self._receive()
        except TimeoutError:
            raise SlowRequestError("the body of the request came too slowly") from None
        self._waited += time.monotonic() - began
        self._received += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._received > self._limit:
            raise self._too_long()
        return message

    def _too_long(self) -> TooLargeError:
        return TooLargeError(f"the body is longer than {self._limit} bytes", max_bytes=self._limit)


def _limit_of(path: str) -> int:
    for pattern, limit in BODY_LIMITS:
        if pattern.fullmatch(path):
            return limit
    return MAX_BODY_BYTES


def _declared_length(scope: Scope) -> int:
    """Return the length that the request declares, 0 if none; the server has checked its form."""
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
