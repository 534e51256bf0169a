"""Whatever outside workers report, and whenever: it takes nothing back, least of all our own."""

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from flows.errors import ExecutionSupersededError
from store.models import ProcessingStatus, TaskExecutionRecord
from store.outside import is_earlier
from store.posted_outputs import PostedOutput, PostedOutputRepository
from store.reported_tasks import TaskWord
from store.rows import SETTLED
from store.task_reports import TaskReport, TaskReportRepository
from store.task_statuses import TaskStatusRepository
from tests.support.stores import AUTHOR, ORGANIZATION, Running, Stores, said

WORDS = [status for status in ProcessingStatus if status is not ProcessingStatus.DELETED]


@dataclass(frozen=True)
class Step:
    """One thing that happens; ``value`` is an output, ``lag`` how late its sender is."""

    what: str
    task: str = "t"
    idx: int = 0
    word: ProcessingStatus = ProcessingStatus.RUNNING
    value: int = 0
    lag: int = 0


STEPS = st.builds(
    Step,
    what=st.sampled_from(
        [*["report"] * 6, "report last", "word", "word", "post", "open", "end", "settle", "again"]
    ),
    task=st.sampled_from(["t", "u"]),
    idx=st.integers(0, 1),
    word=st.sampled_from(WORDS),
    value=st.integers(0, 2),
    lag=st.sampled_from([0, 0, 1]),
)


def a_report(run: Running, step: Step, **changes: Any) -> TaskReport:
    fields: dict[str, Any] = {
        "flow_execution_id": run.id,
        "task_name": step.task,
        "task_execution_idx": step.idx,
        "status": step.word,
        "told": frozenset({"output", "error"}),
        "may_iterate": False,
        "output": f"outside {step.value}",
        "error": {"message": "outside"},
        "generation": run.context.generation,
    }
    return TaskReport(**{**fields, **changes})


async def happen(step: Step, run: Running, generations: list[Running]) -> None:
    """Do one step; being too late is an answer."""
    database = run.stores.database
    reports = TaskReportRepository(database)
    try:
        match step.what:
            case "report":
                await reports.write(ORGANIZATION, a_report(run, step), "worker")
            case "report last":
                last = a_report(run, step, ends_task=ProcessingStatus.COMPLETED)
                await reports.write(ORGANIZATION, last, "worker")
            case "word":
                word = TaskWord(step.task, step.word.value, step.word)
                await TaskStatusRepository(database).add(ORGANIZATION, run.id, [word], "worker")
            case "post":
                post = PostedOutput(
                    flow_execution_id=run.id,
                    task_name=step.task,
                    summary=step.value,
                    processing_status=step.word,
                    output=f"outside {step.value}",
                )
                await PostedOutputRepository(database).put(ORGANIZATION, post, "worker")
            case "open":
                await run.open(step.task, attempt=step.idx + 1)
            case "end":
                await run.close(step.task, attempt=step.idx + 1, output=step.value)
            case "settle":
                await run.settle(said(step.task, output=step.value, has_output=True))
            case "again":
                generations.append(await generations[-1].again("stale" if step.value else "full"))
    except ExecutionSupersededError:
        pass


def check(step: Step, before: TaskExecutionRecord, after: TaskExecutionRecord) -> None:
    """Check that one row only went forward, and that no report touched what is ours."""
    is_report = step.what in ("report", "report last", "word", "post")
    if not before.is_outside:
        assert not after.is_outside
        assert after == before or not is_report
    elif after.is_outside and is_report:
        assert not is_earlier(after.processing_status, before.processing_status)
        if before.rank == SETTLED:
            assert after == before
    if after.is_outside:
        assert after.output is None or after.processing_status is ProcessingStatus.COMPLETED
        assert after.error is None or after.processing_status is ProcessingStatus.FAILED


async def outputs(run: Running) -> dict[str, tuple[bool, ProcessingStatus, JsonValue]]:
    """Return what is shown of each task: who says so, its status and its output."""
    found = await run.stores.task_outputs.of_execution(ORGANIZATION, run.id)
    return {
        each.task_name: (each.is_outside, each.processing_status, each.output) for each in found
    }


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=16))
async def test_reports_take_nothing_back(stores: Stores, steps: list[Step]) -> None:
    generations = [await stores.running()]
    rows: dict[str, TaskExecutionRecord] = {}
    shown = await outputs(generations[0])
    for step in steps:
        run = generations[max(0, len(generations) - 1 - step.lag)]
        await happen(step, run, generations)
        found = await run.rows()
        places = [(row.task_name, row.task_execution_idx) for row in found]
        assert len(places) == len(set(places))
        for row in found:
            if row.id in rows:
                check(step, rows[row.id], row)
            rows[row.id] = row
        latest = await outputs(run)
        for task_name, (is_outside, status, output) in latest.items():
            was_completed = task_name in shown and shown[task_name][1] is status
            if is_outside and status is ProcessingStatus.COMPLETED and step.what == "word":
                assert was_completed or output is not None
            if not is_outside and step.what in ("report", "report last", "word", "post"):
                assert shown[task_name] == (is_outside, status, output)
        shown = latest

    if not any(step.what in ("open", "end", "settle") for step in steps):
        await generations[-1].settle(said("t", output="true", has_output=True))
        assert (await outputs(generations[-1]))["t"] == (False, ProcessingStatus.COMPLETED, "true")


async def test_the_workflow_takes_over_the_row_that_was_reported(run: Running) -> None:
    reports = TaskReportRepository(run.stores.database)
    step = Step("report", word=ProcessingStatus.COMPLETED)
    reported = await reports.write(ORGANIZATION, a_report(run, step), "worker")

    await run.settle(said("t", output=7, has_output=True))

    row = await run.row("t")
    assert (row.id, row.output, row.is_outside) == (reported.id, 7, False)
    assert (await reports.write(ORGANIZATION, a_report(run, step), "worker")) == row


async def test_a_row_at_our_place_makes_way(run: Running) -> None:
    reports = TaskReportRepository(run.stores.database)
    report = a_report(run, Step("report"), may_iterate=True)
    reported = await reports.write(ORGANIZATION, report, "worker")

    await run.close("t", output=7)

    row = await run.row("t")
    assert row.id != reported.id
    assert (row.task_execution_idx, row.output, row.is_outside) == (0, 7, False)


async def test_what_a_person_edited_takes_no_report(run: Running) -> None:
    reports = TaskReportRepository(run.stores.database)
    report = a_report(run, Step("report", word=ProcessingStatus.COMPLETED))
    row = await reports.write(ORGANIZATION, report, "worker")
    edited = {"$set": {"edited_status": "edited_not_reexecuted", "modified_by": AUTHOR}}
    await run.stores.database["task_executions"].update_one({"_id": row.id}, edited)

    after = await reports.write(ORGANIZATION, report, "worker")

    assert after.modified_by == AUTHOR


async def test_skipped_and_unreached_tasks_keep_what_was_reported(run: Running) -> None:
    reports = TaskReportRepository(run.stores.database)
    for task in ("t", "u"):
        step = Step("report", task=task, word=ProcessingStatus.COMPLETED)
        await reports.write(ORGANIZATION, a_report(run, step), "worker")

    await run.settle(status="failed", skipped=["t"], unreached=["u"])

    assert {(row.task_name, row.output) for row in await run.rows() if row.is_outside} == {
        ("t", "outside 0"),
        ("u", "outside 0"),
    }
    assert (await outputs(run))["u"] == (True, ProcessingStatus.COMPLETED, "outside 0")
