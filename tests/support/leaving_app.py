"""An application that answers everybody, and takes its leave as the API does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from api.draining import Draining, Farewell, drained_first


def create_app() -> FastAPI:
    """Return it."""
    draining = Draining()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with drained_first(draining, timedelta(seconds=0.2)):
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(Farewell, draining=draining)

    @app.get("/")
    async def answer() -> str:
        return "here"

    return app
