"""Turns of interactive runs: beside a bare update, in many sessions at once, and in a long one."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence
from uuid import uuid4

from temporalio.client import WorkflowHandle

from benchmarks.baseline import BARE_TURNS, TAKE_TURN
from benchmarks.baseline import TASK_QUEUE as BASELINE_QUEUE
from benchmarks.batches import Run, latencies_ms
from benchmarks.figures import Bound, Figure, paired
from benchmarks.platform import Platform
from benchmarks.sessions import Session, a_workflow

PAIRS = 15
ONE_BY_ONE = 9
AT_ONCE = 200
PAIRS_AT_ONCE = 3
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
        await _many_at_once(platform, workflow_id),
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


async def _many_at_once(platform: Platform, workflow_id: str) -> Figure:
    """Let 200 sessions talk at the same time, each without a pause, and 200 bare workflows.

    The bound is there to notice changes: no figure was ever promised.
    """
    pairs = []
    for number in range(PAIRS_AT_ONCE):
        sys.stderr.write(f"turns: {AT_ONCE} at once, round {number + 1} of {PAIRS_AT_ONCE}\n")
        sessions: list[Run] = [Session(platform, workflow_id).turn for _ in range(AT_ONCE)]
        bare = [await _bare(platform) for _ in range(AT_ONCE)]
        taken = {}
        for is_ours in (True, False) if number % 2 else (False, True):
            taken[is_ours] = await _rate(sessions if is_ours else bare)
        pairs.append((taken[True], taken[False]))
    name = f"rate: {AT_ONCE} sessions at once"
    return paired(name, "turns/s", pairs, Bound(at_least=0.25))


async def _rate(sides: Sequence[Run]) -> float:
    """Return how many turns a second are answered to callers who do not pause."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as talks:
        for side in sides:
            talks.create_task(latencies_ms(side, count=TURNS_EACH))
    return len(sides) * TURNS_EACH / (time.perf_counter() - begun)


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
