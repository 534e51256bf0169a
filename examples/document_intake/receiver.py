"""The outside service that the example reports to: a small HTTP server on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UNAVAILABLE_AT_FIRST = 2


@dataclass(frozen=True, slots=True)
class Report:
    """One report as it arrived."""

    path: str
    idempotency_key: str
    body: object
    status: int


@dataclass
class Receiver:
    """Takes reports; the first two to ``/register`` find it not ready yet.

    Attributes:
        url: Where it listens.
        reports: Everything that arrived, refused reports included, in order.
    """

    url: str = ""
    reports: list[Report] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, key: str, body: object) -> tuple[int, object]:
        """Take one report and return status and body of the answer."""
        status, said = 404, {"error": "no such desk"}
        with self._lock:
            earlier = [report for report in self.reports if report.path == path]
            if path == "/register" and len(earlier) < UNAVAILABLE_AT_FIRST:
                status, said = 503, {"error": "the register is starting, try again"}
            elif path in {"/register", "/review"}:
                status, said = 201, {"number": f"R-{1000 + len(self.reports)}"}
            self.reports.append(Report(path, key, body, status))
        return status, said


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Serve on the loopback address for a while; port 0 takes a free one."""
    desk = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a report."""
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            key = self.headers.get("Idempotency-Key") or ""
            status, said = desk.answer(self.path, key, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Leave the terminal to the flow."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    desk.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
