"""Readers of events as outside clients are: over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

DEADLINE_SECONDS = 60.0

Message = dict[str, Any]


class EndedError(Exception):
    """The server ended the stream."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass
class Follower:
    """Somebody who follows a flow.

    Attributes:
        position: Where to go on from.
        keep_alives: How often nothing was told.
    """

    position: str
    messages: list[Message] = field(default_factory=list)
    keep_alives: int = 0

    async def next(self) -> Message:
        """Return the next message; EndedError if there is none."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            message = await self._next()
        self.position = message["id"]
        self.messages.append(message)
        return message

    async def until(self, type: str, **wanted: str) -> Message:
        """Return the first message from now on that fits."""
        while True:
            message = await self.next()
            if message["type"] == type and wanted.items() <= message.items():
                return message

    async def end(self) -> EndedError:
        """Read until the server ends the stream, and return how."""
        try:
            while True:
                await self.next()
        except EndedError as error:
            return error

    async def _next(self) -> Message:
        raise NotImplementedError


@dataclass
class SocketFollower(Follower):
    """Over a WebSocket."""

    socket: ClientConnection = field(kw_only=True)

    async def _next(self) -> Message:
        try:
            return dict(json.loads(await self.socket.recv()))
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise
            raise EndedError(closed.rcvd.code, closed.rcvd.reason) from None


@dataclass
class SentFollower(Follower):
    """Over server-sent events."""

    lines: AsyncIterator[str] = field(kw_only=True)

    async def _next(self) -> Message:
        while True:
            block = await self._block()
            self.position = block.get("id", self.position)
            if block.get("event") == "close":
                said = json.loads(block["data"])
                raise EndedError(said["code"], said["reason"])
            if "data" in block:
                message = dict(json.loads(block["data"]))
                assert message["id"] == block["id"]
                return message
            self.keep_alives += 1

    async def _block(self) -> dict[str, str]:
        """Return the fields up to the next blank line; a comment has no name."""
        found: dict[str, str] = {}
        async for line in self.lines:
            if not line:
                return found
            name, _, value = line.partition(": ")
            found[name] = value
        raise AssertionError("the stream broke")


@asynccontextmanager
async def socket(
    url: str, path: str, headers: dict[str, str] | None = None
) -> AsyncIterator[SocketFollower]:
    """Follow over a WebSocket; ``path`` with its query."""
    address = url.replace("http", "ws", 1) + path
    async with connect(address, additional_headers=headers, proxy=None) as made:
        assert made.response is not None
        yield SocketFollower(made.response.headers.get("X-Last-Event-ID", ""), socket=made)


@asynccontextmanager
async def sent(
    url: str, path: str, headers: dict[str, str] | None = None
) -> AsyncIterator[SentFollower]:
    """Follow server-sent events; ``path`` with its query."""
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=DEADLINE_SECONDS) as client,
        client.stream("GET", path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        follower = SentFollower("", lines=aiter(answer.aiter_lines()))
        first = await follower._block()
        follower.position = first["id"]
        yield follower
