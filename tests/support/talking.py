"""Clients of a run's socket and of its server-sent events, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.platform import Platform

DEADLINE_SECONDS = 20.0
SOCKET = "/v1/workflow-runs/ws"
AT_A_PAUSE = ("workflow_ready_for_input", "end_workflow", "workflow_error")

Json = dict[str, Any]


def says(text: str, **more: Any) -> Json:
    """Return the frame of somebody who says something."""
    message = {"type": "human", "content": text}
    inputs = {"node_run_inputs": [{"type": "llm", "messages": [message]}]}
    return {"command": "data", "thread_to_node_inputs": {"0": inputs}, **more}


def key_of(platform: Platform) -> dict[str, str]:
    """Return the headers with a platform's key, as clients of interactive workflows send it."""
    return {"Authorization": f"Bearer {platform.client.headers['X-API-Key']}"}


class HungUpError(Exception):
    """The server closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass
class Talker:
    """Somebody who talks to a run.

    Attributes:
        told: Every event so far; what is not counted is in ``deltas``.
    """

    socket: ClientConnection
    told: list[Json] = field(default_factory=list)
    deltas: list[Json] = field(default_factory=list)

    async def say(self, frame: Json) -> None:
        """Send a frame."""
        await self.socket.send(json.dumps(frame))

    async def frame(self) -> Json:
        """Return the next frame; HungUpError if there is none."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return dict(json.loads(await self.socket.recv()))
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise
            raise HungUpError(closed.rcvd.code, closed.rcvd.reason) from None

    async def next(self) -> Json:
        """Return the next event or delta."""
        frame = await self.frame()
        is_delta = frame["type"] == "assistant_response_delta"
        (self.deltas if is_delta else self.told).append(frame)
        return frame

    async def until(self, *types: str) -> list[Json]:
        """Return what is told from now on, up to an event of one of these types."""
        told = [await self.next()]
        while told[-1]["type"] not in types:
            told.append(await self.next())
        return told

    async def turn(self) -> list[Json]:
        """Return what is told up to the end of a turn."""
        return await self.until(*AT_A_PAUSE)

    async def end(self) -> HungUpError:
        """Read until the server closes the socket, and return how."""
        try:
            while True:
                await self.next()
        except HungUpError as error:
            return error


@asynccontextmanager
async def talking(url: str, headers: dict[str, str], path: str = SOCKET) -> AsyncIterator[Talker]:
    """Open a socket."""
    address = url.replace("http", "ws", 1) + path
    async with connect(address, additional_headers=headers, proxy=None, max_size=None) as made:
        yield Talker(made)


@dataclass
class Sent:
    """What came as server-sent events.

    Attributes:
        last_id: As a browser keeps it.
        closing: What the server said when it ended the stream.
    """

    lines: AsyncIterator[str]
    last_id: str = ""
    closing: Json | None = None

    async def next(self) -> Json | None:
        """Return the next event; None at the end."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                block = await self._block()
                self.last_id = block.get("id", self.last_id)
                if block.get("event") == "close":
                    self.closing = json.loads(block["data"])
                    return None
                if "data" in block:
                    return dict(json.loads(block["data"]))

    async def until(self, type: str) -> list[Json]:
        """Return what is told from now on, up to an event of this type."""
        told: list[Json] = []
        while not told or told[-1]["type"] != type:
            event = await self.next()
            assert event is not None, f"ended before {type}: {self.closing}"
            told.append(event)
        return told

    async def rest(self) -> list[Json]:
        """Return what is told up to the end."""
        told: list[Json] = []
        while (event := await self.next()) is not None:
            told.append(event)
        return told

    async def _block(self) -> dict[str, str]:
        found: dict[str, str] = {}
        async for line in self.lines:
            if not line:
                return found
            name, _, value = line.partition(": ")
            found[name] = value
        raise AssertionError("the stream broke")


@asynccontextmanager
async def listening(
    url: str, run_id: str, headers: dict[str, str], **query: Any
) -> AsyncIterator[Sent]:
    """Listen to server-sent events."""
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=DEADLINE_SECONDS) as client,
        client.stream(
            "GET", f"/v1/workflow-runs/{run_id}/events", headers=headers, params=query
        ) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Sent(aiter(answer.aiter_lines()))
