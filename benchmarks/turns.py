"""Turns of interactive runs: beside a bare update, in many sessions at once, and in a long one."""

import asyncio
import os
import statistics
import sys
import time
from uuid import uuid4

from temporalio.client import WorkflowHandle

from benchmarks.baseline import BARE_TURNS, TAKE_TURN
from benchmarks.baseline import TASK_QUEUE as BASELINE_QUEUE
from benchmarks.batches import Run, latencies_ms
from benchmarks.figures import Bound, Figure, absolute, paired
from benchmarks.platform import Platform
from benchmarks.sessions import Session, a_workflow

PAIRS = 15
ONE_BY_ONE = 9
AT_ONCE = 200
TURNS_EACH = 10
EARLY = 5
LATE = 5_000
LATE_VARIABLE = "PERDURE_BENCH_TURNS"
"""How long the long session is, where 5,000 turns take too long."""
LATE_PAIRS = 31


async def measure(platform: Platform) -> list[Figure]:
    """Take every figure of turns; an answer that is wrong ends the measurement."""
    workflow_id = await a_workflow(platform)
    return [
        await _beside_a_bare_update(platform, workflow_id),
        *await _many_at_once(platform, workflow_id),
        await _late_beside_early(platform, workflow_id),
    ]


async def _beside_a_bare_update(platform: Platform, workflow_id: str) -> Figure:
    """Compare a turn with an update whose handler waits for one local activity, nothing else."""
    session = Session(platform, workflow_id)
    bare = await _bare(platform)
    await latencies_ms(session.turn, count=ONE_BY_ONE)
    await latencies_ms(bare, count=ONE_BY_ONE)
    pairs = []
    for turn in range(PAIRS):
        sys.stderr.write(f"turns: round {turn + 1} of {PAIRS}\n")
        sides: list[Run] = [session.turn, bare]
        taken = {}
        for side in sides if turn % 2 else reversed(sides):
            taken[side] = statistics.median(await latencies_ms(side, count=ONE_BY_ONE))
        pairs.append((taken[session.turn], taken[bare]))
    return paired("latency p50: a turn over HTTP", "ms", pairs, Bound(at_most=2))


async def _bare(platform: Platform) -> Run:
    handle: WorkflowHandle[object, None] = await platform.temporal.start_workflow(
        BARE_TURNS, id=f"bare-{uuid4()}", task_queue=BASELINE_QUEUE
    )

    async def run() -> None:
        await handle.execute_update(TAKE_TURN, {"value": "x"})

    return run


async def _many_at_once(platform: Platform, workflow_id: str) -> list[Figure]:
    """Let 200 sessions talk at the same time, each without a pause."""
    sessions = [Session(platform, workflow_id) for _ in range(AT_ONCE)]
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as talks:
        held = [
            talks.create_task(latencies_ms(session.turn, count=TURNS_EACH)) for session in sessions
        ]
    rate = AT_ONCE * TURNS_EACH / (time.perf_counter() - begun)
    samples = [sample for talk in held for sample in talk.result()]
    return [
        absolute(f"rate: {AT_ONCE} sessions at once", "turns/s", [rate], Bound(at_least=100)),
        absolute(
            f"latency p50: {AT_ONCE} sessions at once",
            "ms",
            samples,
            Bound(at_most=2_000),
            of=statistics.median,
        ),
    ]


async def _late_beside_early(platform: Platform, workflow_id: str) -> Figure:
    """Compare late turns of a long session with the fifth turns of fresh ones."""
    late = int(os.environ.get(LATE_VARIABLE, LATE))
    long = Session(platform, workflow_id)
    while long.turns < late - 1:
        await long.turn()
        if long.turns % 500 == 0:
            sys.stderr.write(f"turns: the long session is at turn {long.turns}\n")
    pairs = []
    for number in range(LATE_PAIRS):
        fresh = Session(platform, workflow_id)
        await latencies_ms(fresh.turn, count=EARLY - 1)
        sides = [long, fresh] if number % 2 else [fresh, long]
        taken = {side is long: (await latencies_ms(side.turn, count=1))[0] for side in sides}
        pairs.append((taken[True], taken[False]))
    return paired(f"latency: turn {late:,} beside turn {EARLY}", "ms", pairs, Bound(at_most=1.2))
