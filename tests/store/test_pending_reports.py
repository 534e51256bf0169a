"""Rows of instant work may wait a moment; nothing is lost by it, and settling takes them along."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from contracts.messages import SettleTasksCall, TaskState
from store import pending_reports
from store.models import ProcessingStatus
from store.rows import REPORTED, SETTLED
from tests.support.eventually import eventually
from tests.support.stores import Running, Stores, said

COMPLETED, FAILED = ProcessingStatus.COMPLETED, ProcessingStatus.FAILED


async def noted(run: Running, task_name: str, *, attempt: int = 1, **more: Any) -> None:
    """Report the end of an attempt of instant work."""
    await run.close(task_name, attempt, waits=True, **more)


async def facts(run: Running) -> list[tuple[str, int, ProcessingStatus, JsonValue, int]]:
    """Return what is shown of everything but the input task."""
    return [
        (row.task_name, row.attempt, row.processing_status, row.output, row.rank)
        for row in await run.rows()
        if row.task_name != "in"
    ]


async def test_what_nobody_settles_is_shown_soon(run: Running) -> None:
    await noted(run, "t", output=1)

    async def is_shown() -> bool:
        return bool(await run.rows(task_name="t"))

    await eventually(is_shown)
    assert await facts(run) == [("t", 1, COMPLETED, 1, REPORTED)]
    assert (await run.output("t")).output == 1


async def test_settling_takes_along_what_waits(run: Running) -> None:
    await noted(run, "t", output={"a": 1})
    await noted(run, "u", output=2)
    assert await facts(run) == []

    reply = await run.settle(said("t", output={"a": 1}, attempt=1), said("u", output=2, attempt=1))

    assert reply.missing == []
    assert await facts(run) == [
        ("t", 1, COMPLETED, {"a": 1}, SETTLED),
        ("u", 1, COMPLETED, 2, SETTLED),
    ]
    assert {(await run.output(name)).processing_status for name in ("t", "u")} == {COMPLETED}


async def test_failures_before_the_end_are_written_too(run: Running) -> None:
    await noted(run, "t", error="not yet")
    await noted(run, "t", attempt=2, output="at last")

    await run.settle(said("t", output="at last", attempt=2))

    assert [(attempt, status) for _, attempt, status, _, _ in await facts(run)] == [
        (1, FAILED),
        (2, COMPLETED),
    ]


async def test_what_the_workflow_says_otherwise_counts(run: Running) -> None:
    """The report is of a workflow task that Temporal threw away; the one that counts failed."""
    await noted(run, "t", output="discarded")

    await run.settle(said("t", TaskState.FAILED, attempt=1), status="failed")

    assert [(status, output) for _, _, status, output, _ in await facts(run)] == [(FAILED, None)]


async def test_what_was_given_up_is_not_shown_as_completed(run: Running) -> None:
    await noted(run, "t", output=1)

    await run.settle(said("t", TaskState.CANCELLED), status="cancelled")

    row = await run.row("t")
    assert (row.processing_status, row.output) == (ProcessingStatus.CANCELLED, None)


async def test_a_process_that_dies_first_costs_one_question(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_reports, "LINGER", timedelta(hours=1))
    await noted(run, "t", output=1)
    survivor = Running(Stores(run.stores.database), run.context)

    asked = await survivor.settle(said("t", output=1, attempt=1))

    assert asked.missing == [0]
    assert (await survivor.record()).is_open
    word = said("t", output=1, attempt=1).model_copy(update={"has_output": True, "output": 1})
    call = SettleTasksCall(context=run.context, tasks=[word])
    await survivor.stores.projection.settle_tasks(call)
    assert (await survivor.settle(said("t", output=1, attempt=1))).missing == []
    assert await facts(survivor) == [("t", 1, COMPLETED, 1, SETTLED)]


async def test_what_waits_when_a_newer_generation_begins_is_dropped(run: Running) -> None:
    await noted(run, "t", output=1)
    newer = await run.again()

    assert await newer.shown("t") == []


async def test_what_comes_after_the_close_is_dropped(run: Running) -> None:
    await run.settle(said("t", TaskState.CANCELLED), status="cancelled")

    await noted(run, "t", output="late")

    assert await run.shown("t") == []
