"""A Temporal worker in TypeScript, as a process of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "build" / "typescript_worker"
START_SECONDS = 40
STOP_SECONDS = 20


@asynccontextmanager
async def typescript_worker(address: str, namespace: str, task_queue: str) -> AsyncIterator[None]:
    """Run the worker for a while; skip the test where ``make test`` could not install it."""
    node = shutil.which("node")
    if node is None or not (FOLDER / ".installed").exists():
        pytest.skip("the worker in TypeScript is not installed: make test does it")
    process = await asyncio.create_subprocess_exec(
        *(node, "worker.js", address, namespace, task_queue),
        cwd=FOLDER,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
