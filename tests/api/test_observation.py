"""What a request leaves behind: a line and a count, both without what its caller wrote."""

import logging
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware

from api.observation import Observation
from runtime.metrics import Metrics
from tests.fixtures.api import Api
from tests.support.effect_flows import a_flow, a_note
from tests.support.platform import Platform

COUNT = "perdure_http_request_duration_seconds_count"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="api.observation")
    return caplog


def registry_of(api: Api) -> CollectorRegistry:
    observation: Middleware = next(each for each in api.app.user_middleware if of_ours(each))
    metrics: Any = observation.kwargs["metrics"]
    assert isinstance(metrics, Metrics)
    return metrics.registry


def of_ours(middleware: Any) -> bool:
    return bool(middleware.cls is Observation)


def counted(api: Api, **labels: str) -> float:
    return registry_of(api).get_sample_value(COUNT, labels) or 0.0


async def test_a_request_is_one_line_of_its_template_status_and_ids(
    platform: Platform, lines: pytest.LogCaptureFixture
) -> None:
    flow = await platform.flow(a_flow(a_note("note", "form")))
    lines.clear()

    response = await platform.client.get(f"/api/flows/{flow['id']}", params={"x": "hidden"})

    (line,) = [record for record in lines.records if record.name == "api.observation"]
    facts = vars(line)
    assert line.getMessage() == "request"
    assert (facts["method"], facts["route"]) == ("GET", "/api/flows/{flow_id}")
    assert (facts["status"], facts["flow_id"]) == (200, flow["id"])
    assert facts["duration_ms"] > 0
    assert response.headers["X-Request-ID"]
    assert "hidden" not in str(facts)


async def test_a_path_that_is_no_route_is_not_repeated(
    api: Api, platform: Platform, lines: pytest.LogCaptureFixture
) -> None:
    before = counted(api, method="GET", route="unmatched", status="404")

    await platform.client.get(f"/nowhere/{uuid4()}")

    assert counted(api, method="GET", route="unmatched", status="404") == before + 1
    assert vars(lines.records[-1])["route"] == "unmatched"


async def test_an_id_that_is_none_is_not_repeated(
    platform: Platform, lines: pytest.LogCaptureFixture
) -> None:
    await platform.client.get("/api/flow-executions/hello-there")

    assert "hello-there" not in str(vars(lines.records[-1]))


async def test_requests_are_counted_by_route_and_status(api: Api, platform: Platform) -> None:
    labels = {"method": "POST", "route": "/api/flows", "status": "201"}
    before = counted(api, **labels)

    await platform.flow(a_flow(a_note("note", "form")))

    assert counted(api, **labels) == before + 1
    in_flight = registry_of(api).get_sample_value("perdure_http_requests_in_flight")
    assert in_flight == 0


async def test_an_execution_is_counted_once_for_its_idempotency_key(
    api: Api, platform: Platform
) -> None:
    name = "perdure_flow_executions_created_total"
    flow = await platform.flow(a_flow(a_note("note", "form")))
    before = registry_of(api).get_sample_value(name) or 0.0

    for _ in range(2):
        await platform.started(flow["id"], key="once")

    assert registry_of(api).get_sample_value(name) == before + 1
