"""An application behind real sockets, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from runtime.readiness import LOOPBACK, free_port
from tests.support.eventually import eventually


@asynccontextmanager
async def served(app: FastAPI, port: int | None = None) -> AsyncIterator[str]:
    """Serve an application that has started already; yields its URL.

    Args:
        port: Where it was served before; a free one unless given.
    """
    port = port or free_port()
    config = uvicorn.Config(app, host=LOOPBACK, port=port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    # Signals stay with the test process.
    serving = asyncio.create_task(server._serve())
    try:

        async def has_started() -> bool:
            return server.started

        await eventually(has_started, saying="the server listens")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        await serving
