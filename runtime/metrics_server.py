"""Serving Prometheus, on a port of its own and in a thread of its own.

A busy event loop is one of the things that somebody wants to see, so it must not be what answers.
"""

import http.client
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import generate_latest

from runtime.metrics import CONTENT_TYPE, Metrics
from runtime.readiness import LOOPBACK

PATH = "/metrics"

_POLL_SECONDS = 0.1
_SDK_TIMEOUT_SECONDS = 2.0

logger = logging.getLogger(__name__)


class _Server(ThreadingHTTPServer):
    """Answers scrapes until it is shut down."""

    daemon_threads = True

    def __init__(self, host: str, port: int, metrics: Metrics, sdk_port: int | None) -> None:
        super().__init__((host, port), _Handler)
        self.metrics = metrics
        self.sdk_port = sdk_port

    def page(self) -> bytes:
        """Return our metrics, and after them those of Temporal's SDK, whose names differ."""
        return generate_latest(self.metrics.registry) + self._sdk_page()

    def _sdk_page(self) -> bytes:
        if self.sdk_port is None:
            return b""
        connection = http.client.HTTPConnection(
            LOOPBACK, self.sdk_port, timeout=_SDK_TIMEOUT_SECONDS
        )
        try:
            connection.request("GET", PATH)
            return connection.getresponse().read()
        except OSError as error:
            logger.warning("the SDK serves no metrics", extra={"reason": type(error).__name__})
            return b""
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    """Knows one path."""

    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        """Answer a scrape."""
        is_known = self.path.partition("?")[0] == PATH
        body = self.server.page() if is_known else b"only /metrics is served here\n"
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Type", CONTENT_TYPE if is_known else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape is not worth a line."""


@contextmanager
def serving_metrics(
    metrics: Metrics, host: str, port: int, *, sdk_port: int | None = None
) -> Iterator[int | None]:
    """Serve metrics for a while.

    A taken port is a warning, not a stop: two processes on one machine are ordinary.

    Args:
        port: 0 picks a free one; the log says which.
        sdk_port: Where Temporal's SDK serves its own, on the loopback interface.

    Yields:
        The port, None if it was taken.
    """
    try:
        server = _Server(host, port, metrics, sdk_port)
    except OSError as error:
        facts = {"host": host, "port": port, "reason": error.strerror}
        logger.warning("cannot listen on the metrics port, serving no metrics", extra=facts)
        yield None
        return
    bound: int = server.server_address[1]
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True
    )
    thread.start()
    logger.info("serving metrics", extra={"host": host, "port": bound})
    try:
        yield bound
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
