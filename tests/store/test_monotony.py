"""Whatever order reports arrive in, what readers see never goes backwards."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.messages import TaskState
from flows.errors import ExecutionSupersededError, FlowExecutionNotFoundError
from store.models import ExecutionStatus, ProcessingStatus, TaskExecutionRecord
from store.rows import REPORTED, SETTLED
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said

PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
TASKS = ("t", "u")
ORDER = [
    ExecutionStatus.QUEUED,
    ExecutionStatus.RUNNING,
    ExecutionStatus.IN_PROGRESS,
    ExecutionStatus.CANCEL_REQUESTED,
]
ENDS = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)


@dataclass(frozen=True)
class Step:
    """One thing that happens; ``lag`` is how many generations late its sender is."""

    what: str
    task: str = "t"
    item: int | None = None
    attempt: int = 1
    lag: int = 0
    value: int = 0


STEPS = st.builds(
    Step,
    what=st.sampled_from(
        [
            *("open", "open", "open", "complete", "complete", "fail"),
            *("cancel", "settle", "again", "start", "delete"),
        ]
    ),
    task=st.sampled_from(TASKS),
    item=st.sampled_from([None, None, 0, 1]),
    attempt=st.integers(1, 3),
    lag=st.sampled_from([0, 0, 0, 1]),
    value=st.integers(0, 2),
)


async def happen(step: Step, run: Running, generations: list[Running]) -> None:
    """Do one step; being superseded or deleted is an answer."""
    where: Any = {"attempt": step.attempt, "item": step.item, "item_count": 2}
    executions = run.stores.executions
    try:
        match step.what:
            case "open":
                await run.open(step.task, **where)
            case "complete":
                await run.close(step.task, output=step.value, **where)
            case "fail":
                await run.close(step.task, error=f"error {step.value}", **where)
            case "cancel":
                await executions.request_cancel(ORGANIZATION, run.id, AUTHOR)
            case "settle":
                word = said(step.task, output=step.value, attempt=step.attempt, has_output=True)
                status = ("completed", "failed", "cancelled")[step.value]
                await run.settle(said("x", TaskState.PENDING), word, status=status)
            case "again":
                if (await run.record()).status is not ExecutionStatus.DELETED:
                    mode = "stale" if step.value else "full"
                    generations.append(await generations[-1].again(mode))
            case "start":
                generation = run.context.generation
                at = (await run.record()).created_at
                await executions.mark_started(ORGANIZATION, run.id, generation, "run", at)
            case "delete":
                await executions.delete(ORGANIZATION, run.id, AUTHOR)
    except (ExecutionSupersededError, FlowExecutionNotFoundError):
        pass


def was_unheard(after: TaskExecutionRecord, rows: list[TaskExecutionRecord]) -> bool:
    """Return whether an attempt's end was taken back: another one followed, so nobody heard it."""
    return (
        after.error is not None
        and after.error["type"] == "WorkerLost"
        and any(
            (row.task_name, row.item) == (after.task_name, after.item)
            and row.attempt > after.attempt
            for row in rows
        )
    )


def check_row(
    before: TaskExecutionRecord, after: TaskExecutionRecord, rows: list[TaskExecutionRecord]
) -> None:
    """Check that one row only went forward."""
    if before.processing_status is ProcessingStatus.COMPLETED and was_unheard(after, rows):
        return
    assert after.rank >= before.rank
    assert after.created_at == before.created_at
    if after.rank == before.rank and before.rank >= REPORTED:
        assert (after.processing_status, after.output, after.error) == (
            before.processing_status,
            before.output,
            before.error,
        )
    if before.rank == SETTLED:
        assert after == before or after.task_execution_idx != before.task_execution_idx


async def check_whole(run: Running, rows: list[TaskExecutionRecord]) -> None:
    """Check what must hold at any moment."""
    numbers = [(row.task_name, row.task_execution_idx) for row in rows]
    assert len(numbers) == len(set(numbers))
    for row in rows:
        assert (row.output is None) or row.processing_status is ProcessingStatus.COMPLETED
        assert (row.error is None) or row.processing_status is ProcessingStatus.FAILED
    for output in await run.stores.task_outputs.of_execution(ORGANIZATION, run.id):
        if output.processing_status is ProcessingStatus.COMPLETED:
            assert output.output is not None


@settings(
    max_examples=25,
    phases=PHASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=5, max_size=25))
async def test_the_read_model_never_goes_backwards(stores: Stores, steps: list[Step]) -> None:
    generations = [await stores.running()]
    rows: dict[str, TaskExecutionRecord] = {}
    record = await generations[-1].record()
    for step in steps:
        run = generations[max(0, len(generations) - 1 - step.lag)]
        await happen(step, run, generations)
        latest = await run.record()
        found = await run.rows()
        await check_whole(run, found)
        for row in found:
            if row.id in rows:
                check_row(rows[row.id], row, found)
            rows[row.id] = row
        if record.status is ExecutionStatus.DELETED:
            assert latest.status is ExecutionStatus.DELETED
        if latest.generation == record.generation:
            assert record.is_open or not latest.is_open
            if record.status in ENDS:
                revised = ENDS if step.what == "settle" else (record.status,)
                assert latest.status in (*revised, ExecutionStatus.DELETED)
            elif latest.status in ORDER and record.status in ORDER:
                assert ORDER.index(latest.status) >= ORDER.index(record.status)
        record = latest


@settings(
    max_examples=12,
    phases=PHASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=5, max_size=25))
async def test_nothing_is_left_open_whatever_happened_at_once(
    stores: Stores, steps: list[Step]
) -> None:
    generations = [await stores.running()]
    harmless = [step for step in steps if step.what not in ("again", "settle", "delete")]
    await asyncio.gather(*(happen(step, generations[0], generations) for step in harmless))

    await generations[0].settle(status="failed")

    await check_whole(generations[0], await generations[0].rows())
    for row in await generations[0].rows():
        assert row.rank >= REPORTED
    for step in harmless:
        await happen(step, generations[0], generations)
    assert all(row.rank >= REPORTED for row in await generations[0].rows())
