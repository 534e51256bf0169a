"""The store hears how a run ended, whatever state it is in."""

import asyncio

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from contracts.messages import TaskCall, TaskState
from flows.canonical import digest
from tests.support.engine import Engine, a_flow, effect, instant
from tests.support.recording_worker import failure


async def superseded(call: TaskCall) -> JsonValue:
    """Stop as an attempt does that finds a newer generation."""
    raise failure("a newer generation owns the execution", type="superseded")


async def test_outputs_are_not_sent_again_but_their_digests_are(engine: Engine) -> None:
    await engine.run(a_flow(instant("a", {"big": "{{start.text}}"})), {"text": "x" * 1000})

    (call,) = engine.recorder.closed
    word = next(word for word in call.tasks if word.task_name == "a")
    assert not word.has_output
    assert word.output is None
    assert word.output_digest == digest({"big": "x" * 1000})
    assert (word.state, word.attempt) == (TaskState.COMPLETED, 1)
    assert word.fingerprint


async def test_what_the_store_lacks_is_sent_with_its_values(engine: Engine) -> None:
    engine.recorder.lacks = {"a", "start"}

    await engine.run(a_flow(instant("a", {"n": "{{start.n}}"})), {"n": 3})

    word = engine.recorder.word_on("a")
    assert len(engine.recorder.closed) == 1
    assert {word.task_name for word in engine.recorder.settle_calls[0].tasks} == {"a", "start"}
    assert engine.recorder.settle_calls[0].tasks[1].output == {"n": 3}
    assert word.state is TaskState.COMPLETED


async def test_a_store_that_is_down_is_asked_until_it_answers(engine: Engine) -> None:
    engine.recorder.store_faults = 5

    result = await engine.run(a_flow(instant("a", "{{start}}")))

    assert result.status == "completed"
    assert engine.recorder.store_faults == 0
    assert [call.status for call in engine.recorder.closed] == ["completed"]


async def test_a_run_that_was_replaced_ends_without_touching_the_rows(engine: Engine) -> None:
    stopped = asyncio.Event()

    async def hang(call: TaskCall) -> JsonValue:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return None

    engine.recorder.behaviours = {"slow": hang, "t": superseded}

    with pytest.raises(WorkflowFailureError) as caught:
        await engine.run(a_flow(effect("slow"), effect("t")))

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "superseded"
    assert engine.recorder.settled == []
    assert engine.recorder.closed == []
    await asyncio.wait_for(stopped.wait(), 10)


async def test_an_iteration_that_was_replaced_ends_without_touching_the_rows(
    engine: Engine,
) -> None:
    engine.recorder.behaviours = {"t": superseded}
    flow = a_flow(effect("t", "{{start.n}}", reference_modes={"body": "single"}))

    with pytest.raises(WorkflowFailureError) as caught:
        await engine.run(flow, {"n": [1, 2, 3]})

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "superseded"
    assert engine.recorder.settled == []


async def test_a_store_that_knows_a_newer_generation_ends_the_run(engine: Engine) -> None:
    engine.recorder.supersedes = True

    with pytest.raises(WorkflowFailureError) as caught:
        await engine.run(a_flow(instant("a", "{{start}}")))

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "superseded"


async def test_many_tasks_are_settled_in_calls_of_bounded_size(engine: Engine) -> None:
    flow = a_flow(*(instant(f"t{at}", at) for at in range(620)))

    await engine.run(flow)

    calls = engine.recorder.settle_calls
    sizes = [len(call.tasks) for call in calls] + [len(engine.recorder.closed[0].tasks)]
    assert sum(sizes) == 621
    assert max(sizes) <= 500
