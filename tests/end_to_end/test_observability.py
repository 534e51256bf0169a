"""What a whole platform lets people see of itself, and what it keeps to itself."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Replayer

from contracts.names import flow_workflow_id
from runtime.embedded import NAMESPACE
from runtime.temporal import connect, data_converter, workflow_runner
from tests.support.collector import Collector, Received, collecting
from tests.support.effect_flows import Json, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.platform_process import PlatformProcess, running_platform
from tests.support.receiver import Receiver, receiving
from worker import WORKFLOWS

PATH = "/called"
SECRET = "zyzzyva-of-the-caller"
FAILING_CODE = "raise ValueError('no good: ' + str(input_data))"


@dataclass(frozen=True, slots=True)
class Scene:
    """A platform on which a flow completed and another one failed.

    Attributes:
        trace_parent: What the receiver was told by the flow that completed.
    """

    platform: PlatformProcess
    collector: Collector
    completed_id: str
    trace_parent: str

    def lines(self, part: str) -> list[dict[str, object]]:
        """Return what a part logged; every line must be a JSON object."""
        text = (self.platform.data_dir / "logs" / f"{part}.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    async def metrics(self, part: str) -> str:
        """Return what Prometheus would read from a part."""
        said = next(line for line in self.lines(part) if line["message"] == "serving metrics")
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{said['port']}/metrics")).text


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("observed")
    async with collecting() as collector, receiving() as receiver:
        receiver.failures_left[PATH] = 1
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "PERDURE_SANDBOX_WORKFLOWS": "1",
            "PERDURE_LOG_LEVEL": "DEBUG",
        }
        async with running_platform(folder, variables) as platform:
            completed_id = await a_completed_execution(platform, receiver)
            await a_failed_execution(platform)
            await platform.http.get("/api/flows", params={"name": SECRET})
            yield Scene(platform, collector, completed_id, receiver.trace_parents[PATH][-1])


async def a_completed_execution(platform: PlatformProcess, receiver: Receiver) -> str:
    effect = an_effect("call", receiver, f"{PATH}", reads="form")
    effect["retry_policy"] = {"max_attempts": 3, "initial_interval_seconds": 0.1}
    flow_id = await platform.create_flow("seen", a_flow(effect, a_note("note", "call")))
    execution_id = await platform.start(flow_id, {"text": SECRET})
    assert (await platform.finished(execution_id))["status"] == "completed"
    return execution_id


async def a_failed_execution(platform: PlatformProcess) -> None:
    broken: Json = {
        "name": "broken",
        "task_executor_name": "python_code",
        "parameters": {"code": FAILING_CODE, "input_data": "{{form.output}}"},
    }
    flow_id = await platform.create_flow("broken", a_flow(broken))
    execution_id = await platform.start(flow_id, {"text": SECRET})
    assert (await platform.finished(execution_id))["status"] == "failed"


@pytest.mark.parametrize("part", ["api", "worker"])
async def test_logs_hold_neither_flow_data_nor_credentials(scene: Scene, part: str) -> None:
    text = (scene.platform.data_dir / "logs" / f"{part}.log").read_text()

    assert len(scene.lines(part)) > 5
    assert SECRET not in text
    assert str(scene.platform.facts["api_key"]) not in text
    assert str(scene.platform.facts["jwt_secret"]) not in text


async def test_lines_of_the_api_name_request_and_organization(scene: Scene) -> None:
    requests = [line for line in scene.lines("api") if line["message"] == "request"]

    created = next(line for line in requests if line["route"] == "/api/flow-executions")
    assert (created["method"], created["status"]) == ("POST", 201)
    assert created["organization_id"] == scene.platform.facts["organization_id"]
    request_id = created["request_id"]
    said = [line for line in scene.lines("api") if line.get("request_id") == request_id]
    assert scene.completed_id in {line.get("flow_execution_id") for line in said}


async def test_lines_of_the_worker_name_execution_task_and_organization(scene: Scene) -> None:
    ended = [line for line in scene.lines("worker") if line["message"] == "attempt ended"]

    calls = [line for line in ended if line["task_name"] == "call"]
    assert [line["outcome"] for line in calls] == ["failed", "completed"]
    for line in calls:
        assert line["flow_execution_id"] == scene.completed_id
        assert line["organization_id"] == scene.platform.facts["organization_id"]
    assert "execution ended" in {line["message"] for line in scene.lines("worker")}


async def test_both_processes_serve_their_metrics(scene: Scene) -> None:
    api, worker = await scene.metrics("api"), await scene.metrics("worker")

    assert 'route="/api/flow-executions",status="201"' in api
    assert "perdure_flow_executions_created_total 2.0" in api
    assert 'perdure_flow_executions_settled_total{status="completed"} 1.0' in worker
    assert 'perdure_flow_executions_settled_total{status="failed"} 1.0' in worker
    attempts = "perdure_task_attempt_duration_seconds_count"
    assert f'{attempts}{{executor="http_request",outcome="failed"}} 1.0' in worker
    assert f'{attempts}{{executor="http_request",outcome="completed"}} 1.0' in worker
    assert "temporal_workflow_completed{" in worker

    async def has_reconciled() -> bool:
        shown = await scene.metrics("worker")
        return 'perdure_reconciler_findings_total{finding="looked_at"}' in shown

    await eventually(has_reconciled, saying="a round ended")
    assert (await scene.platform.http.get("/metrics")).status_code == 404


async def test_one_trace_leads_from_the_request_to_the_outgoing_call(scene: Scene) -> None:
    _, trace_id, span_id, _ = scene.trace_parent.split("-")

    def outgoing() -> Received | None:
        spans = scene.collector.trace(trace_id)
        found = (each for each in spans if each.span.span_id.hex() == span_id)
        return next((each for each in found if len(scene.collector.parents(each)) >= 4), None)

    call = await eventually(outgoing, saying="the whole trace is exported")
    chain = scene.collector.parents(call)
    assert call.service == "perdure-worker"
    assert call.attributes["http.response.status_code"] == 200
    assert [each.span.name for each in chain] == [
        "RunActivity:http_request",
        "StartActivity:http_request",
        "StartWorkflow:FlowExecution",
        "POST /api/flow-executions",
    ]
    assert chain[-1].service == "perdure-api"
    logged = [line for line in scene.lines("worker") if line.get("trace_id") == trace_id]
    assert {line["flow_execution_id"] for line in logged} == {scene.completed_id}


@pytest.mark.parametrize("is_traced", [True, False])
async def test_a_traced_history_replays_with_tracing_and_without(
    scene: Scene, is_traced: bool
) -> None:
    client = await connect(str(scene.platform.facts["temporal_address"]), NAMESPACE)
    history = await client.get_workflow_handle(
        flow_workflow_id(scene.completed_id, 1)
    ).fetch_history()
    assert "_tracer-data" in history.to_json()

    replayed = await Replayer(
        workflows=list(WORKFLOWS),
        workflow_runner=workflow_runner(),
        data_converter=data_converter(None),
        interceptors=[TracingInterceptor()] if is_traced else [],
    ).replay_workflow(history, raise_on_replay_failure=False)

    assert replayed.replay_failure is None
