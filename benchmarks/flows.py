"""Flows per second and latency, against a hand-written workflow on the same server."""

import sys
from collections.abc import Awaitable, Callable
from uuid import uuid4

from pydantic import JsonValue

from benchmarks.baseline import TASK_QUEUE as BASELINE_QUEUE
from benchmarks.baseline import WORKFLOW
from benchmarks.batches import Run, latencies_ms, runs_per_second
from benchmarks.figures import Bound, Figure, paired
from benchmarks.platform import TASK_QUEUE, Platform
from contracts.names import flow_workflow_id
from operations.caller import Caller, Role
from operations.definitions import Definitions
from operations.executions import Executions
from operations.sealing import Sealing
from operations.starting import Starter
from operations.vault import Vault
from runtime.gateway import Gateway
from store.credentials import CredentialRepository
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.task_executions import TaskExecutionRepository

PAIRS = 11
AT_ONCE = 16
BATCH = 64
ONE_BY_ONE = 9

INPUT: dict[str, JsonValue] = {
    "filename": "note.txt",
    "mime_type": "text/plain",
    "document_url": "https://example.com/note.txt",
}

KINDS = {
    "instant": ("format_data", "template", Bound(at_least=1.5), Bound(at_most=0.8)),
    "effect": ("no_op_effect", "value", Bound(at_least=0.8), Bound(at_most=1.3)),
}


async def measure(platform: Platform) -> list[Figure]:
    """Take every figure of flows in interleaved rounds: each side once a round, order rotating."""
    baseline = _baseline(platform)
    sides: dict[str, Run] = {"baseline": baseline}
    for kind, (executor, parameter, _, _) in KINDS.items():
        flow_id = await _flow(platform, kind, executor, parameter)
        sides[f"{kind}, direct"] = _direct(platform, flow_id)
        sides[f"{kind}, POST"] = _through_post(platform, flow_id)
    for run in sides.values():
        await runs_per_second(run, count=AT_ONCE, at_once=AT_ONCE)
    rates = await _rounds(sides, _rate)
    latencies = await _rounds(sides, _latency)
    figures = []
    for name in sides:
        if name == "baseline":
            continue
        _, _, rate, latency = KINDS[name.split(",")[0]]
        figures.append(paired(f"rate: three {name}", "flows/s", _pairs(rates, name), rate))
        figures.append(paired(f"latency p50: three {name}", "ms", _pairs(latencies, name), latency))
    return figures


async def _rate(run: Run) -> float:
    return await runs_per_second(run, count=BATCH, at_once=AT_ONCE)


async def _latency(run: Run) -> float:
    samples = sorted(await latencies_ms(run, count=ONE_BY_ONE))
    return samples[len(samples) // 2]


async def _rounds(
    sides: dict[str, Run], take: Callable[[Run], Awaitable[float]]
) -> dict[str, list[float]]:
    """Measure every side once a round; each round starts with another side."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(PAIRS):
        sys.stderr.write(f"flows: round {turn + 1} of {PAIRS}\n")
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(await take(sides[name]))
    return taken


def _pairs(taken: dict[str, list[float]], name: str) -> list[tuple[float, float]]:
    return list(zip(taken[name], taken["baseline"], strict=True))


def _baseline(platform: Platform) -> Run:
    async def run() -> None:
        await platform.temporal.execute_workflow(
            WORKFLOW, {"value": "x"}, id=f"baseline-{uuid4()}", task_queue=BASELINE_QUEUE
        )

    return run


def _direct(platform: Platform, flow_id: str) -> Run:
    """Record and start without HTTP, as the API itself does."""
    database = platform.mongo.database
    flows, executions = FlowRepository(database), ExecutionRepository(database)
    gateway, definitions = Gateway(platform.temporal, TASK_QUEUE), Definitions()
    starter = Starter(
        flows=flows,
        executions=executions,
        task_executions=TaskExecutionRepository(database),
        gateway=gateway,
        definitions=definitions,
    )
    use_cases = Executions(
        flows=flows,
        executions=executions,
        starter=starter,
        gateway=gateway,
        definitions=definitions,
        sealing=Sealing(Vault.over(database, ()), CredentialRepository(database)),
    )
    caller = Caller(
        organization_id=platform.organization_id, user_id=str(uuid4()), role=Role.ORG_ADMIN
    )

    async def run() -> None:
        record = await use_cases.create(caller, flow_id, INPUT)
        await ended(platform, record.id)

    return run


def _through_post(platform: Platform, flow_id: str) -> Run:
    async def run() -> None:
        answer = await platform.api.post(
            "/api/flow-executions", {"flow_id": flow_id, "input": INPUT}
        )
        await ended(platform, answer.json()["id"])

    return run


async def ended(platform: Platform, flow_execution_id: str) -> None:
    """Wait as the baseline's caller does: on the workflow's own result."""
    workflow_id = flow_workflow_id(flow_execution_id, 1)
    await platform.temporal.get_workflow_handle(workflow_id).result()


async def _flow(platform: Platform, kind: str, executor: str, parameter: str) -> str:
    """Register a chain of three tasks behind an input task, and return its flow's id."""
    tasks: list[JsonValue] = [
        {"name": "start", "task_executor_name": "custom_form_input", "parameters": {}}
    ]
    before = "start"
    for name in ("first", "second", "third"):
        tasks.append(
            {
                "name": name,
                "task_executor_name": executor,
                "parameters": {parameter: f"{{{{{before}.output}}}}"},
            }
        )
        before = name
    answer = await platform.api.post(
        "/api/flows",
        {"display_name": f"three {kind}", "definition": {"name": kind, "tasks": tasks}},
    )
    flow_id: str = answer.json()["id"]
    return flow_id
