"""The outside service that the desk asks: a register of policies and claims on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Json = dict[str, object]

POLICIES: dict[str, Json] = {
    "104212": {"holder": "Ada Quill", "status": "active", "covers": ["fire", "water"]},
    "204410": {"holder": "Ines Moor", "status": "lapsed", "until": "31 March 2024", "covers": []},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    method: str
    path: str
    idempotency_key: str


@dataclass
class Register:
    """Knows policies, and opens claims: one for each idempotency key, however often it comes.

    Attributes:
        url: Where it listens.
        calls: Everything that arrived, in order.
        claims: Numbers of claims by idempotency key.
    """

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, call: Call, body: object) -> tuple[int, Json]:
        """Return status and body of the answer."""
        with self._lock:
            self.calls.append(call)
            folder, _, number = call.path.removeprefix("/").partition("/")
            if (call.method, folder) == ("GET", "policies") and number in POLICIES:
                return 200, {"number": number, **POLICIES[number]}
            if (call.method, folder) == ("POST", "claims") and isinstance(body, dict):
                key = call.idempotency_key
                self.claims.setdefault(key, f"C-{7001 + len(self.claims)}")
                return 201, {"number": self.claims[key], "policy": body.get("policy")}
        return 404, {"error": "nothing of that name"}


@contextmanager
def register(port: int = 0) -> Iterator[Register]:
    """Serve on the loopback address for a while; port 0 takes a free one."""
    desk = Register()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Show a policy."""
            self._answer(None)

        def do_POST(self) -> None:
            """Open a claim."""
            length = int(self.headers.get("Content-Length") or 0)
            self._answer(json.loads(self.rfile.read(length) or b"null"))

        def _answer(self, body: object) -> None:
            key = self.headers.get("Idempotency-Key") or ""
            status, said = desk.answer(Call(self.command, self.path, key), body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Leave the terminal to the conversation."""

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
