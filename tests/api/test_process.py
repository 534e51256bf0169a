"""The application as a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from runtime.readiness import LOOPBACK, free_port
from tests.support.eventually import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 30.0


@asynccontextmanager
async def served(**variables: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run the application under uvicorn on a free port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app"),
        *("--port", str(port)),
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def lines_of(
    process: asyncio.subprocess.Process, until: frozenset[str] | None = None
) -> list[str]:
    """Return what the process says from now on until it named these services, or ended."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(STOP_SECONDS):
        async for line in process.stdout:
            lines.append(line.decode().rstrip())
            if until is not None and until <= {said.get("service") for said in told(lines)}:
                break
        else:
            await process.wait()
    return lines


def told(lines: list[str]) -> list[dict[str, str]]:
    """Return the lines of the log."""
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_it_starts_while_its_stores_are_down_says_so_and_stops_cleanly(
    how: signal.Signals,
) -> None:
    dead = f"127.0.0.1:{free_port()}"
    variables = {
        "PERDURE_MONGODB_URI": f"mongodb://{dead}/",
        "PERDURE_TEMPORAL_ADDRESS": dead,
        "PERDURE_LOG_FORMAT": "json",
    }
    async with served(**variables) as (process, url), httpx.AsyncClient(base_url=url) as client:

        async def is_alive() -> bool:
            try:
                return (await client.get("/health/live")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(is_alive, START_SECONDS, saying="the process serves")
        ready = await client.get("/health/ready")
        lines = await lines_of(process, until=frozenset({"MongoDB", "Temporal"}))
        process.send_signal(how)
        lines += await lines_of(process)

    assert ready.status_code == 503
    assert ready.json()["error"]["details"] == {"silent": ["MongoDB", "Temporal"]}
    assert not any("Traceback" in line for line in lines), lines
    assert len(told(lines)) == len(lines), lines
    assert any("shutdown complete" in line["message"] for line in told(lines))
    assert process.returncode == 0


async def test_a_head_that_does_not_end_is_refused() -> None:
    dead = f"127.0.0.1:{free_port()}"
    variables = {
        "PERDURE_MONGODB_URI": f"mongodb://{dead}/",
        "PERDURE_TEMPORAL_ADDRESS": dead,
    }
    async with served(**variables) as (_, url):
        port = urlsplit(url).port

        async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
            try:
                return await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                return None

        reader, writer = await eventually(connected, START_SECONDS, saying="the process listens")
        writer.write(b"GET / HTTP/1.1\r\nX-Long: ")
        for _ in range(3):
            writer.write(b"a" * 32 * 1024)
            await writer.drain()
            await asyncio.sleep(0.05)
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"The head of the request is too long.")


async def test_a_malformed_setting_ends_it_with_one_line() -> None:
    async with served(PERDURE_LOG_LEVEL="chatty") as (process, _):
        lines = await lines_of(process)

    assert process.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith("perdure: PERDURE_LOG_LEVEL")
