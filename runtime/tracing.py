"""OpenTelemetry traces, from a request through the workflow to the outgoing call.

Source: docs/operations.md, "Traces".
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracer, SpanKind, Status, StatusCode, Tracer
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor

from runtime.logs import passed

_SCOPE = "perdure"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Tracing:
    """What makes spans in this process.

    Attributes:
        tracer: Does nothing where tracing is off.
        interceptors: Of the Temporal client; empty where tracing is off, so that histories carry
            nothing of it.
    """

    tracer: Tracer
    interceptors: tuple[Interceptor, ...] = ()

    @classmethod
    def off(cls) -> "Tracing":
        """Return what makes no spans."""
        return cls(NoOpTracer())


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the standard variables name a collector, and do not switch traces off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


@asynccontextmanager
async def tracing(
    service: str, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[Tracing]:
    """Trace for a while, if a collector is configured; what was not sent yet is sent in the end.

    Endpoint, headers, sampling and limits come from the standard ``OTEL_*`` variables of this
    process. Spans travel as OTLP over HTTP.

    Args:
        service: Name of the service, unless the variables give one.
    """
    if not is_wanted(environment):
        yield Tracing.off()
        return
    provider = TracerProvider(resource=_resource(service, environment))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer(_SCOPE)
    try:
        yield Tracing(tracer, (TracingInterceptor(tracer),))
    finally:
        await asyncio.to_thread(provider.shutdown)


def _resource(service: str, environment: Mapping[str, str]) -> Resource:
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return Resource.create({} if named else {SERVICE_NAME: service})


class TracedTransport(httpx.AsyncBaseTransport):
    """Wraps each outgoing request into a span, and tells the receiver about it.

    A span holds the address without its query and without user information: both may be secret.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, tracer: Tracer) -> None:
        """Wrap a transport; it is closed with this one."""
        self._transport = transport
        self._tracer = tracer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; a ``traceparent`` that its author set is left alone."""
        attributes = {
            "http.request.method": request.method,
            "server.address": passed(request.url.host),
            "url.full": passed(_shown(request.url)),
        }
        with self._tracer.start_as_current_span(
            request.method,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if "traceparent" not in request.headers:
                propagate.inject(request.headers)
            try:
                response = await self._transport.handle_async_request(request)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= httpx.codes.BAD_REQUEST:
                span.set_status(Status(StatusCode.ERROR))
            return response

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def traced(client: httpx.AsyncClient, tracing: Tracing) -> httpx.AsyncClient:
    """Return the client, its requests in spans if tracing is on."""
    if tracing.interceptors:
        client._transport = TracedTransport(client._transport, tracing.tracer)
    return client


def current_trace_id() -> str | None:
    """Return the id of the trace that goes on, as collectors show it."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(query=None, fragment=None, username="", password=""))
