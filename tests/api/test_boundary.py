"""What is answered when something goes wrong that no route foresaw."""

import logging

import httpx
import pytest
from fastapi import FastAPI

import flows.errors
from api.boundary import Boundary
from api.errors import install_error_handlers, status_of
from flows.errors import EngineError, RateLimitedError


def test_every_error_of_the_tree_has_a_status() -> None:
    tree = [EngineError]
    for cls in tree:
        tree.extend(cls.__subclasses__())
    ours = [cls for cls in tree if cls.__module__ == flows.errors.__name__]

    told = {cls.__name__: status_of(cls.__new__(cls)) for cls in ours}

    without = {name for name, status in told.items() if status == 500}
    assert without <= {"EngineError", "SealBrokenError", "StartUpError"}
    assert told["FlowNotFoundError"] == 404
    assert told["StoreUnavailableError"] == 503
    assert told["TaskFailedError"] == 422


@pytest.fixture
async def broken() -> httpx.AsyncClient:
    """An application whose routes fail in ways that ours should not."""
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(Boundary)

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError("a secret detail")

    @app.get("/limited")
    async def limited() -> None:
        raise RateLimitedError("too many")

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://broken")


async def test_what_nobody_foresaw_is_a_plain_500_and_logged_once(
    broken: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        response = await broken.get("/bug")

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ZeroDivisionError" in caplog.text
    assert response.headers["X-Request-ID"] == vars(caplog.records[0])["request_id"]


async def test_too_many_requests_say_when_to_come_back(broken: httpx.AsyncClient) -> None:
    response = await broken.get("/limited")

    assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limited")
    assert response.headers["Retry-After"] == "1"
