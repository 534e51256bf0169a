"""What callers see of a process that was told to stop."""

import httpx
import pytest
from fastapi import FastAPI

from api.draining import Draining, Farewell


@pytest.fixture
def draining() -> Draining:
    return Draining()


@pytest.fixture
def client(draining: Draining) -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(Farewell, draining=draining)

    @app.get("/health/ready")
    async def ready() -> str:
        return "ready"

    @app.get("/work")
    async def work() -> str:
        return "done"

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://leaving")


async def test_before_it_is_told_nothing_is_different(client: httpx.AsyncClient) -> None:
    answer = await client.get("/work")

    assert answer.status_code == 200
    assert "connection" not in answer.headers
    assert (await client.get("/health/ready")).status_code == 200


async def test_it_answers_on_and_each_answer_closes_its_connection(
    client: httpx.AsyncClient, draining: Draining
) -> None:
    draining.has_begun = True

    answer = await client.get("/work")

    assert (answer.status_code, answer.json()) == (200, "done")
    assert answer.headers["connection"] == "close"


async def test_it_is_not_ready_any_more(client: httpx.AsyncClient, draining: Draining) -> None:
    draining.has_begun = True

    answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"
    assert answer.headers["connection"] == "close"
