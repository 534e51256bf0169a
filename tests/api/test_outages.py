"""What callers see while MongoDB or Temporal is down."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import JsonValue, SecretStr

from runtime.embedded import EmbeddedMongo
from runtime.readiness import free_port
from tests.fixtures.api import Api, bearer, running_api, settings_for
from tests.support.documents import a_flow, task
from tests.support.eventually import eventually
from tests.support.platform import Platform

Json = dict[str, JsonValue]

# Less than the 30 s for which the drivers would wait by themselves.
UNASSISTED_SECONDS = 25
GHOST = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
async def without_mongo(temporal_address: str) -> AsyncIterator[Api]:
    """An application whose MongoDB does not answer."""
    uri = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"
    async with running_api(settings_for(temporal_address, uri)) as api:
        # The document that answers are held against takes long to make, which is not to be timed.
        await (await api.client()).get("/health/live")
        yield api


@pytest.fixture(scope="module")
async def without_temporal(mongo_uri: str) -> AsyncIterator[Api]:
    """An application whose Temporal does not answer."""
    async with running_api(settings_for(f"127.0.0.1:{free_port()}", mongo_uri)) as api:
        client = await api.client()

        async def is_mongo_ready() -> bool:
            return silent_parts((await client.get("/health/ready")).json()) == ["Temporal"]

        await eventually(is_mongo_ready, saying="indexes exist")
        yield api


def silent_parts(body: Json) -> list[str]:
    error = body["error"]
    assert isinstance(error, dict)
    details = error["details"]
    assert isinstance(details, dict)
    return [str(name) for name in details["silent"]]  # type: ignore[union-attr]  # a list


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/flows", None),
        ("POST", "/api/flows", {"display_name": "x", "definition": a_flow()}),
        ("GET", f"/api/flows/{GHOST}", None),
        ("POST", "/api/flow-executions", {"flow_id": GHOST, "input": {}}),
        ("GET", f"/api/flow-executions/{GHOST}", None),
        ("POST", f"/api/flow-executions/{GHOST}/cancel", None),
        ("POST", f"/api/flow-executions/{GHOST}/execute", None),
        ("DELETE", f"/api/flow-executions/{GHOST}", None),
        ("GET", "/api/task-executions", None),
        ("GET", "/api/task-outputs", None),
    ],
)
@pytest.mark.parametrize("credential", ["key", "token"])
async def test_without_mongodb_every_call_is_a_quick_503(
    without_mongo: Api, method: str, path: str, body: Json | None, credential: str
) -> None:
    headers = (
        {"X_API_Key": "saf_org_x"}
        if credential == "key"
        else {"Authorization": f"Bearer {bearer(organization_id=GHOST)}"}
    )
    client = await without_mongo.client(**headers)

    async with asyncio.timeout(UNASSISTED_SECONDS):
        response = await client.request(method, path, json=body)

    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1


async def test_without_mongodb_even_many_calls_at_once_are_refused_quickly(
    without_mongo: Api,
) -> None:
    client = await without_mongo.client(X_API_Key="saf_org_x")
    await client.get("/api/flows")

    async with asyncio.timeout(UNASSISTED_SECONDS):
        answers = await asyncio.gather(*(client.get("/api/flows") for _ in range(100)))

    assert {answer.status_code for answer in answers} == {503}


async def test_a_store_that_comes_back_is_used_again(temporal_address: str, tmp_path: Path) -> None:
    server = EmbeddedMongo(tmp_path, free_port(), cache_mb=256)
    await server.start()
    try:
        async with running_api(settings_for(temporal_address, server.uri)) as api:
            platform = await api.organization()
            flow = await platform.flow(a_flow())
            path = f"/api/flows/{flow['id']}"
            await server.stop()
            down = await platform.client.get(path)
            await server.start()

            async def is_back() -> bool:
                return (await platform.client.get(path)).status_code == 200

            await eventually(is_back, saying="the flow is served again")
            assert down.status_code == 503
    finally:
        await server.stop()


async def test_health_names_what_does_not_answer(without_mongo: Api, without_temporal: Api) -> None:
    mongo = await (await without_mongo.client()).get("/health/ready")
    temporal = await (await without_temporal.client()).get("/health/ready")

    assert (mongo.status_code, temporal.status_code) == (503, 503)
    assert "MongoDB" in mongo.json()["error"]["message"]
    assert "MongoDB" in silent_parts(mongo.json())
    assert "Temporal" in temporal.json()["error"]["message"]
    assert silent_parts(temporal.json()) == ["Temporal"]


async def test_the_process_is_alive_whatever_is_down(
    without_mongo: Api, without_temporal: Api, api: Api
) -> None:
    for running in (without_mongo, without_temporal, api):
        response = await (await running.client()).get("/health/live")
        assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_ready_means_that_both_answer(api: Api) -> None:
    response = await (await api.client()).get("/health/ready")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_an_application_says_what_it_waits_for(
    temporal_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"mongodb://127.0.0.1:{free_port()}/"

    with caplog.at_level(logging.WARNING):
        async with running_api(settings_for(temporal_address, uri)):
            await eventually(lambda: _waited_for(caplog) >= {"MongoDB"}, saying="it says so")


def _waited_for(caplog: pytest.LogCaptureFixture) -> set[str]:
    return {vars(record).get("service", "") for record in caplog.records}


async def test_creating_is_201_while_temporal_is_down(without_temporal: Api) -> None:
    platform = await without_temporal.organization()
    flow = await platform.flow(a_flow(task("a")))

    async with asyncio.timeout(UNASSISTED_SECONDS):
        execution = await platform.started(flow["id"])

    shown = await execution.shown(include_run_number=True)
    assert shown["status"] == "queued"
    assert shown["run_number"] == 1


async def test_what_is_only_recorded_works_while_temporal_is_down(without_temporal: Api) -> None:
    platform = await without_temporal.organization()
    flow = await platform.flow(a_flow())
    first, second = await asyncio.gather(platform.started(flow["id"]), platform.started(flow["id"]))

    cancelled = await platform.client.post(f"{first.path}/cancel")
    again = await platform.client.post(f"{first.path}/execute")
    deleted = await platform.client.delete(second.path)

    assert (cancelled.status_code, again.status_code, deleted.status_code) == (204, 204, 204)
    assert (await first.shown())["status"] in ("queued", "running")


async def test_a_queued_execution_is_cancelled_on_the_spot(without_temporal: Api) -> None:
    platform = await without_temporal.organization()
    execution = await platform.started((await platform.flow(a_flow()))["id"])

    await platform.client.post(f"{execution.path}/cancel")

    assert (await execution.shown())["status"] == "cancelled"


async def test_an_execution_starts_once_temporal_is_back(
    without_temporal: Api, working: Platform, working_api: Api
) -> None:
    """The reconciler of a platform that shares the store starts what was only recorded."""
    del working
    waiting = settings_for(
        without_temporal.settings.temporal_address,
        working_api.settings.mongodb_uri.get_secret_value(),
        mongodb_database=working_api.settings.mongodb_database,
        task_queue=working_api.settings.task_queue,
    )
    async with running_api(waiting) as cut_off:
        platform = await cut_off.organization()
        flow = await platform.flow(a_flow(task("a")))
        execution = await platform.started(flow["id"])

        ended = await execution.until("completed")

    assert ended["status"] == "completed"


def test_secrets_of_settings_are_not_shown() -> None:
    settings = settings_for("a:1", "mongodb://user:sesame@host/", jwt_secret=SecretStr("hush"))

    assert "sesame" not in repr(settings)
    assert "hush" not in repr(settings)
