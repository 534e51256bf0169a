"""Requests that go on and on before they say anything, over real connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api.request_heads import MAX_UNTOLD_BYTES, BoundedHeads
from runtime.readiness import LOOPBACK, free_port
from tests.support.eventually import eventually

PIECE_BYTES = 16 * 1024
MOST_BYTES = 64 * MAX_UNTOLD_BYTES
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer how many bytes the body and the headers have."""
    request = Request(scope, receive)
    headers = sum(len(value) for _, value in request.headers.raw)
    answer = PlainTextResponse(f"{len(await request.body())} {headers > PIECE_BYTES}")
    await answer(scope, receive, send)


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    """Serve ``count``."""
    port = free_port()
    config = uvicorn.Config(
        count, host=LOOPBACK, port=port, lifespan="off", log_config=None, http=BoundedHeads
    )
    server = uvicorn.Server(config)
    # Signals stay with the test process.
    serving = asyncio.create_task(server._serve())

    async def has_started() -> bool:
        return server.started

    await eventually(has_started, saying="the server listens")
    yield port
    server.should_exit = True
    await serving


async def endless(streams: Streams, begin: bytes, piece: bytes) -> bytes:
    """Send a beginning, then one piece after the other until the server has had enough.

    Returns:
        What it said.
    """
    reader, writer = streams
    writer.write(begin)
    try:
        for _ in range(MOST_BYTES // len(piece)):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    else:
        pytest.fail(f"{MOST_BYTES} bytes were taken")
    finally:
        writer.close()
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nX-Long: ", b"a" * PIECE_BYTES, id="one header"),
        pytest.param(b"GET / HTTP/1.1\r\n", b"X-Many: a\r\n" * 1_000, id="many headers"),
        pytest.param(b"GET /", b"a" * PIECE_BYTES, id="path"),
        pytest.param(CHUNKED + b"0\r\nX-Long: ", b"a" * PIECE_BYTES, id="one trailer"),
        pytest.param(CHUNKED + b"0\r\n", b"X-Many: a\r\n" * 1_000, id="many trailers"),
        pytest.param(CHUNKED + b"1;", b"a" * PIECE_BYTES, id="chunk extension"),
    ],
)
async def test_what_goes_on_without_a_word_to_us_is_closed(
    port: int, begin: bytes, piece: bytes
) -> None:
    said = await endless(await asyncio.open_connection(LOOPBACK, port), begin, piece)

    # Nothing where the connection broke over what was still on its way.
    assert said == b"" or said.startswith(b"HTTP/1.1 400 "), said


async def test_one_connection_may_carry_any_number_of_long_requests(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nX-Long: "
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    answers = []
    for _ in range(5):
        for part in (head, b"a" * PIECE_BYTES, b"a" * PIECE_BYTES, b"\r\n\r\n"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"b" * 1_000_000)
        await writer.drain()
        answers.append(await reader.readuntil(b"1000000 True"))
    writer.close()

    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)


async def test_chunks_of_a_body_are_not_counted(port: int) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(CHUNKED)
    for _ in range(64):
        writer.write(b"1000\r\n" + b"b" * 0x1000 + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")

    assert (await reader.readuntil(b"262144 False")).startswith(b"HTTP/1.1 200 OK")
    writer.close()
