"""A loopback HTTP service that effects call, and that remembers which key came with each call."""

import asyncio
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Receiver:
    """What was received, by path.

    Attributes:
        keys: The ``Idempotency-Key`` of each call, in order.
        trace_parents: The ``traceparent`` of each call, in order.
        failures_left: How many more calls are answered 503.
        gates: Calls to a path with a gate wait until it opens.
        slow: How many seconds an answer from a path takes.
        unreliable: Paths at which every third key is answered 503 the first time it comes.
        broken: Paths that always answer 503.
    """

    url: str = ""
    keys: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    trace_parents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failures_left: Counter[str] = field(default_factory=Counter)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    unreliable: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def gate(self, path: str) -> asyncio.Event:
        """Hold calls to a path until the event that is returned is set."""
        return self.gates.setdefault(path, asyncio.Event())

    def arrived(self, path: str, calls: int = 1) -> bool:
        """Return whether a path was called at least so often."""
        return len(self.keys[path]) >= calls

    def _fails(self, path: str, key: str) -> bool:
        if self.failures_left[path] > 0:
            self.failures_left[path] -= 1
            return True
        if path in self.unreliable and zlib.crc32(key.encode()) % 3 == 0:
            return self.keys[path].count(key) == 1
        return path in self.broken

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which carries one request."""
        try:
            path, headers = await _request(reader)
            self.keys[path].append(headers.get("idempotency-key", ""))
            self.trace_parents[path].append(headers.get("traceparent", ""))
            if path in self.gates:
                await self.gates[path].wait()
            await asyncio.sleep(self.slow.get(path, 0))
            fails = self._fails(path, headers.get("idempotency-key", ""))
            status = "503 Service Unavailable" if fails else "200 OK"
            _answer(writer, status, {"received": path})
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        for gate in receiver.gates.values():
            gate.set()
        server.close()


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    await reader.readexactly(int(headers.get("content-length", "0")))
    return first.split(" ")[1], headers


def _answer(writer: asyncio.StreamWriter, status: str, body: dict[str, str]) -> None:
    payload = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode("latin-1") + payload)
