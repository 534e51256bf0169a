"""What one API process takes in at once, over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from temporalio.client import Client

from tests.fixtures.api import ready_api, settings_for
from tests.support.eventually import eventually
from tests.support.served import served
from tests.support.uploads import Folder, a_folder

LIMIT = 3
PATIENCE = timedelta(seconds=1)
SECONDS = 20.0
BODY = b'{"display_name": "x", "definition": {"tasks": []}}'


@dataclass(frozen=True, slots=True)
class Server:
    """An application of few resources behind a socket, and a caller of it."""

    url: str
    key: str
    folder: Folder

    @asynccontextmanager
    async def began(
        self, method: str = "POST", path: str = "/api/flows", length: int = len(BODY)
    ) -> AsyncIterator["Connection"]:
        """Open a connection and send the head of a request that has a body."""
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: api\r\nX-API-Key: {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
        writer.write(head.encode())
        await writer.drain()
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()

    async def status(self, path: str = "/api/flows") -> int:
        """Return how a read is answered."""
        async with httpx.AsyncClient(base_url=self.url, headers={"X-API-Key": self.key}) as client:
            return (await client.get(path)).status_code


@dataclass(frozen=True, slots=True)
class Connection:
    """A request that is under way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return status, headers and body of the answer."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body)


@pytest.fixture(scope="module")
async def server(
    temporal_address: str, temporal_client: Client, mongo_uri: str
) -> AsyncIterator[Server]:
    settings = settings_for(
        temporal_address, mongo_uri, max_requests_in_flight=LIMIT, body_patience=PATIENCE
    )
    async with ready_api(settings, temporal_client) as api, served(api.app) as url:
        platform = await api.organization()
        key = platform.client.headers["X-API-Key"]
        yield Server(url, key, await a_folder(platform))


async def test_one_request_too_many_is_refused_and_health_is_not(server: Server) -> None:
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(server.began()) for _ in range(LIMIT)]

        async def is_full() -> bool:
            return await server.status() == 503

        await eventually(is_full, SECONDS, saying="bodies on their way count")
        surplus = await stack.enter_async_context(server.began())
        status, headers, body = await surplus.answer()
        alive = await server.status("/health/live")
        for connection in slow:
            await connection.send(BODY)
        answers = [(await connection.answer())[0] for connection in slow]

    assert status == 503
    assert headers["retry-after"] == "1"
    assert body["error"]["code"] == "unavailable"
    assert body["request_id"] == headers["x-request-id"]
    assert alive == 200
    assert sorted(answers) == [201, 409, 409]

    async def has_room() -> bool:
        return await server.status() == 200

    await eventually(has_room, SECONDS, saying="answered requests count no more")


async def test_callers_who_go_away_count_no_more(server: Server) -> None:
    for _ in range(2 * LIMIT):
        async with server.began() as connection:
            await connection.send(BODY[:5])

    async def has_room() -> bool:
        return await server.status() == 200

    await eventually(has_room, SECONDS, saying="requests broken off count no more")


async def test_a_body_that_does_not_come_is_given_up(server: Server) -> None:
    async with server.began() as connection:
        await connection.send(BODY[:5])
        status, _, body = await connection.answer()

    assert status == 408
    assert body["error"]["code"] == "bad_request"


async def test_a_body_that_trickles_is_given_up_however_often_it_moves(server: Server) -> None:
    answered = asyncio.Event()

    async with server.began(length=1_000) as connection:

        async def trickle() -> None:
            while not answered.is_set():
                await connection.send(b" ")
                try:
                    async with asyncio.timeout(PATIENCE.total_seconds() / 10):
                        await answered.wait()
                except TimeoutError:
                    continue

        trickling = asyncio.create_task(trickle())
        status, _, _ = await connection.answer()
        answered.set()
        await trickling

    assert status == 408


async def test_an_upload_that_stalls_is_given_up_and_leaves_nothing(server: Server) -> None:
    url, _ = await server.folder.announced()
    parts = urlsplit(url)
    async with server.began("PUT", f"{parts.path}?{parts.query}", 5_000_000) as connection:
        await connection.send(bytes(10_000))
        status, _, _ = await connection.answer()

    assert status == 408
    assert await server.folder.files() == []
    assert (await server.folder.client.put(url, content=b"again")).status_code == 200
