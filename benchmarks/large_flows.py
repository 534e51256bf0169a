"""What one task costs in a flow of 500, against one in a flow of ten."""

import sys
import time
from uuid import uuid4

from pydantic import JsonValue

from benchmarks.figures import Bound, Figure, paired
from benchmarks.flows import INPUT, KINDS, ended
from benchmarks.platform import Platform

PAIRS = 11
LARGE, SMALL = 500, 10
RUNS_OF_SMALL = 5
WIDTH = 5
BOUND = Bound(at_most=1.3)


async def measure(platform: Platform) -> list[Figure]:
    """Take both sides in turns, once for each kind of task."""
    figures = []
    for kind, (executor, parameter, _, _) in KINDS.items():
        large = await _flow(platform, kind, executor, parameter, LARGE)
        small = await _flow(platform, kind, executor, parameter, SMALL)
        await _ms_a_task(platform, small, SMALL, RUNS_OF_SMALL)
        pairs = []
        for turn in range(PAIRS):
            sys.stderr.write(f"large flows, {kind}: pair {turn + 1} of {PAIRS}\n")
            of_small = await _ms_a_task(platform, small, SMALL, RUNS_OF_SMALL)
            pairs.append((await _ms_a_task(platform, large, LARGE, 1), of_small))
        name = f"a task of {LARGE}, against one of {SMALL}: {kind}"
        figures.append(paired(name, "ms", pairs, BOUND))
    return figures


async def _ms_a_task(platform: Platform, flow_id: str, tasks: int, runs: int) -> float:
    """Return milliseconds per task, from the request to the end of the workflow."""
    began = time.perf_counter()
    for _ in range(runs):
        body: JsonValue = {"flow_id": flow_id, "input": INPUT}
        answer = await platform.api.post("/api/flow-executions", body)
        await ended(platform, answer.json()["id"])
    return (time.perf_counter() - began) * 1_000 / (runs * tasks)


async def _flow(platform: Platform, kind: str, executor: str, parameter: str, count: int) -> str:
    """Register chains side by side behind an input task, and return the flow's id."""
    tasks: list[JsonValue] = [
        {"name": "start", "task_executor_name": "custom_form_input", "parameters": {}}
    ]
    for at in range(count - 1):
        read = f"{{{{t{at - WIDTH}.output.value}}}}" if at >= WIDTH else "{{start.output.filename}}"
        shape: JsonValue = {"value": read} if kind == "instant" else read
        parameters: JsonValue = {parameter: shape}
        tasks.append({"name": f"t{at}", "task_executor_name": executor, "parameters": parameters})
    body: JsonValue = {
        "display_name": f"{count} {kind} {uuid4()}",
        "definition": {"name": f"{count} {kind}", "tasks": tasks},
    }
    answer = await platform.api.post("/api/flows", body)
    return str(answer.json()["id"])
