"""A process that is told to stop while many callers knock."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import httpx

from runtime.process import ManagedProcess
from runtime.readiness import free_port
from tests.support.eventually import eventually

CALLERS = 8
CLOSING = {"Connection": "close"}


async def test_whoever_got_a_connection_gets_an_answer(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "tests.support.leaving_app:create_app"]
    command += ["--port", str(port), "--no-access-log"]
    process = ManagedProcess("leaving", command, tmp_path / "log", {"PYTHONPATH": "."})
    url = f"http://127.0.0.1:{port}/"
    seen: Counter[str] = Counter()

    async def knock(client: httpx.AsyncClient) -> None:
        """Connect anew for each call, until nobody is there any more."""
        while not seen["ConnectError"]:
            try:
                answer = await client.get(url, headers=CLOSING)
            except httpx.HTTPError as error:
                seen[type(error).__name__] += 1
            else:
                seen[str(answer.status_code)] += 1

    await process.start()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def is_there() -> bool:
            try:
                return (await client.get(url)).status_code == httpx.codes.OK
            except httpx.ConnectError:
                return False

        await eventually(is_there, saying="it answers")
        callers = [asyncio.create_task(knock(client)) for _ in range(CALLERS)]
        await eventually(lambda: seen["200"] > CALLERS, saying="it is busy")
        await process.stop()
        await asyncio.gather(*callers)

    assert set(seen) == {"200", "ConnectError"}, seen
    assert process.exit_status == 0
