import logging
from datetime import timedelta

import httpx
import pytest

from runtime.embedded import NAMESPACE
from runtime.metrics import Metrics
from runtime.metrics_server import serving_metrics
from runtime.mongo import Mongo
from runtime.mongo_pool import PoolListener
from runtime.readiness import free_port
from runtime.temporal import connect, worker_runtime
from tests.support.eventually import eventually


async def page(port: int | None) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return response.text


async def test_what_was_counted_is_served_on_a_port_of_its_own() -> None:
    metrics = Metrics()
    metrics.request_answered("GET", "/api/flows/{flow_id}", 200, timedelta(seconds=0.02))

    with serving_metrics(metrics, "127.0.0.1", 0) as port:
        shown = await page(port)

    labels = 'method="GET",route="/api/flows/{flow_id}",status="200"'
    assert f"perdure_http_request_duration_seconds_count{{{labels}}} 1.0" in shown
    assert f'perdure_http_request_duration_seconds_bucket{{le="0.025",{labels}}} 1.0' in shown
    assert "process_resident_memory_bytes" in shown


async def test_nothing_else_is_served_there() -> None:
    with serving_metrics(Metrics(), "127.0.0.1", 0) as port:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(f"http://127.0.0.1:{port}/")

    assert response.status_code == 404


async def test_the_metrics_of_the_sdk_stand_on_the_same_page(temporal_address: str) -> None:
    sdk_port = free_port()
    client = await connect(temporal_address, NAMESPACE, runtime=worker_runtime(sdk_port))
    await client.count_workflows()

    with serving_metrics(Metrics(), "127.0.0.1", 0, sdk_port=sdk_port) as port:
        shown = await page(port)

    assert "temporal_request{" in shown
    assert "perdure_open_flow_executions" in shown
    families = [line.split()[2] for line in shown.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


async def test_an_sdk_that_is_silent_hides_nothing() -> None:
    with serving_metrics(Metrics(), "127.0.0.1", 0, sdk_port=free_port()) as port:
        assert "perdure_open_flow_executions" in await page(port)


def test_a_taken_port_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        serving_metrics(Metrics(), "127.0.0.1", 0) as taken,
        serving_metrics(Metrics(), "127.0.0.1", taken or 0) as second,
    ):
        assert taken is not None
        assert second is None

    assert [vars(record)["port"] for record in caplog.records] == [taken]


async def test_the_pool_of_mongodb_connections_is_counted(mongo_uri: str) -> None:
    metrics = Metrics()
    mongo = Mongo(mongo_uri, "perdure", listeners=[PoolListener(metrics)])
    await mongo.database.command("ping")

    def value(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"perdure_mongodb_{name}")

    assert (value("connections") or 0) >= 1
    await eventually(lambda: value("connections_in_use") == 0, saying="given back")
    assert value("operations_waiting") == 0
    mongo.close()
    await eventually(lambda: value("connections") == 0, saying="closed")
