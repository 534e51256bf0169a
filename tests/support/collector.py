"""A loopback OpenTelemetry collector: OTLP over HTTP, decoded and kept."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class Received:
    """One span and the service that made it."""

    service: str
    span: Span

    @property
    def trace_id(self) -> str:
        """Return the trace it belongs to."""
        return self.span.trace_id.hex()

    @property
    def attributes(self) -> dict[str, str | int]:
        """Return its attributes."""
        return {
            pair.key: pair.value.string_value or pair.value.int_value
            for pair in self.span.attributes
        }


@dataclass(slots=True)
class Collector:
    """What was received so far."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Decode one export."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [Received(named["service.name"], span) for span in scope.spans]

    def trace(self, trace_id: str) -> list[Received]:
        """Return the spans of one trace."""
        return [each for each in self.spans if each.trace_id == trace_id]

    def parents(self, received: Received) -> list[Received]:
        """Return what lies around a span, from the inside to the outside."""
        by_id = {each.span.span_id: each for each in self.trace(received.trace_id)}
        chain: list[Received] = []
        parent = by_id.get(received.span.parent_span_id)
        while parent is not None:
            chain.append(parent)
            parent = by_id.get(parent.span.parent_span_id)
        return chain


class _Server(ThreadingHTTPServer):
    collector: Collector


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            self.server.collector.take(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector on a free port, in a thread: exporters call it from theirs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
