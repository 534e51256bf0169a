"""A task that waits: a durable timer that can be cancelled, alone, in branches and per item."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowFailureError

from contracts.messages import TaskState
from flows.model import Task
from tests.support.engine import Engine, a_flow, instant, wait
from tests.support.eventually import eventually
from tests.workflows.test_cancellation import cancel_and_wait


def until(name: str, instant_text: str) -> Task:
    """Return a task that waits until an instant."""
    return Task(name=name, executor="wait", parameters={"until": instant_text})


async def test_what_depends_on_a_wait_runs_after_it(engine: Engine) -> None:
    await engine.run(a_flow(wait("pause", 0.3), instant("after", "{{pause}}")))

    pause, after = engine.recorder.word_on("pause"), engine.recorder.word_on("after")
    assert pause.state is TaskState.COMPLETED
    assert pause.started_at is not None
    assert after.started_at is not None
    assert after.started_at - pause.started_at >= timedelta(seconds=0.3)


async def test_it_is_shown_as_begun_before_it_ends(engine: Engine) -> None:
    handle = await engine.start(a_flow(wait("pause", 3_600)))

    await eventually(lambda: engine.recorder.opened)

    assert engine.recorder.opened[0].call.task_name == "pause"
    assert engine.recorder.called("pause") == []
    await handle.terminate()


async def test_an_instant_that_has_passed_ends_the_wait_at_once(engine: Engine) -> None:
    result = await engine.run(a_flow(until("pause", "2020-01-01T00:00:00+02:00")))

    assert result.outputs["pause"] == {"waited_until": "2019-12-31T22:00:00+00:00"}


async def test_parallel_branches_do_not_wait_for_each_other(engine: Engine) -> None:
    flow = a_flow(wait("pause", 3_600), instant("other", "{{start}}"), instant("b", "{{other}}"))
    handle = await engine.start(flow)

    await eventually(lambda: engine.recorder.called("b"))

    assert engine.recorder.begun("pause")
    await handle.terminate()


@pytest.mark.parametrize("items", [1, 40])
async def test_cancelling_is_prompt_during_a_wait(engine: Engine, items: int) -> None:
    each = {"reference_modes": {"seconds": "single"}} if items > 1 else {}
    flow = a_flow(wait("pause", "{{start.n}}" if items > 1 else 3_600, **each))
    handle = await engine.start(flow, {"n": [3_600] * items})
    await eventually(lambda: engine.recorder.opened)

    await cancel_and_wait(handle)

    assert engine.recorder.closed[-1].status == "cancelled"
    assert engine.recorder.word_on("pause").state is TaskState.CANCELLED


async def test_items_wait_side_by_side(engine: Engine) -> None:
    flow = a_flow(wait("each", "{{start.n}}", reference_modes={"seconds": "single"}))

    result = await engine.run(flow, {"n": [0.4] * 20})

    outputs = result.outputs["each"]
    assert isinstance(outputs, list)
    assert len(outputs) == 20
    begun = [opening.began_at for opening in engine.recorder.opened]
    assert max(begun) - min(begun) < timedelta(seconds=0.4) * 20


async def test_a_store_that_is_down_does_not_lose_a_wait(engine: Engine) -> None:
    engine.recorder.store_faults = 3

    await engine.run(a_flow(wait("pause", 0.1)))

    assert engine.recorder.word_on("pause").state is TaskState.COMPLETED
    assert len(engine.recorder.opened) == 1


async def test_a_run_that_was_replaced_stops_before_it_waits(engine: Engine) -> None:
    engine.recorder.supersedes = True
    handle = await engine.start(a_flow(wait("pause", 3_600)))

    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()

    assert getattr(caught.value.cause, "type", "") == "superseded"


async def test_an_instant_too_far_ahead_fails_the_task(engine: Engine) -> None:
    far = (datetime.now(UTC) + timedelta(days=367)).isoformat()

    with pytest.raises(WorkflowFailureError):
        await engine.run(a_flow(until("pause", far)))

    error = engine.recorder.word_on("pause").error
    assert error is not None
    assert error.type == "InvalidParameters"
    assert "366 days" in error.message
