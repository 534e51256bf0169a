"""What can be seen of each request from outside: a line, a count, a span."""

import logging
import re
import time
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

from runtime.logs import logging_facts
from runtime.metrics import Metrics
from runtime.tracing import Tracing, current_trace_id

UNMATCHED = "unmatched"
PROBES = ("/health/live", "/health/ready")

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

logger = logging.getLogger(__name__)


class Observation:
    """ASGI middleware outside of everything else.

    A request is named by its route's template, never by its path: ids and signatures stay out of
    metrics, spans and lines.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: "LateTracing") -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and say what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, str(ULID()))

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
            await send(message)

        with (
            self._metrics.requests_in_flight.track_inprogress(),
            logging_facts(request_id=request.id) as facts,
            self._tracing.current.tracer.start_as_current_span(
                request.method,
                context=propagate.extract(Headers(scope=scope)),
                kind=SpanKind.SERVER,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
        ):
            if trace_id := current_trace_id():
                facts["trace_id"] = trace_id
            scope["state"]["logging_facts"] = facts
            try:
                await self._app(scope, receive, sender)
            finally:
                self._told(request, span)

    def _told(self, request: "_Request", span: Span) -> None:
        """Write the line, count the request and complete its span."""
        took = request.took
        self._metrics.request_answered(request.method, request.route, request.status, took)
        span.update_name(f"{request.method} {request.route}")
        span.set_attributes(
            {
                "http.request.method": request.method,
                "http.route": request.route,
                "http.response.status_code": request.status,
                "perdure.request_id": request.id,
            }
        )
        if request.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        facts: dict[str, object] = {
            **request.ids,
            "method": request.method,
            "route": request.route,
            "status": request.status,
            "duration_ms": round(took.total_seconds() * 1000, 1),
        }
        level = logging.DEBUG if request.route in PROBES else logging.INFO
        logger.log(level, "request", extra=facts)


def tell_organization(request: Request, organization_id: str) -> None:
    """Name the caller's organization in every line about this request from now on."""
    facts = getattr(request.state, "logging_facts", None)
    if facts is not None:
        facts["organization_id"] = organization_id


class LateTracing:
    """Tracing that begins when the process does, after its middleware was put together."""

    def __init__(self) -> None:
        """Begin without."""
        self.current = Tracing.off()


class _Request:
    """What is known of a request, more and more of it.

    Attributes:
        status: What was answered; 499 while nothing was, as when the caller goes away first.
    """

    def __init__(self, scope: Scope, request_id: str) -> None:
        self._scope: MutableMapping[str, Any] = scope
        scope.setdefault("state", {})["request_id"] = request_id
        self._began = time.perf_counter()
        self.method = scope["method"] if scope["method"] in _METHODS else "other"
        self.id = request_id
        self.status = 499

    @property
    def route(self) -> str:
        """Return the template of the route, once the router has found it."""
        route = self._scope.get("route")
        return getattr(route, "path", UNMATCHED)

    @property
    def ids(self) -> dict[str, str]:
        """Return the ids that its path names; what is no UUID is whatever a caller wrote."""
        named: dict[str, object] = self._scope.get("path_params", {})
        texts = {name: str(value) for name, value in named.items() if name.endswith("_id")}
        return {name: text for name, text in texts.items() if _UUID.fullmatch(text)}

    @property
    def took(self) -> timedelta:
        """Return how long it has been served."""
        return timedelta(seconds=time.perf_counter() - self._began)
