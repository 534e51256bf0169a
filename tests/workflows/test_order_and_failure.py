"""Which tasks run when, and what one failure does to a flow."""

import asyncio

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from contracts.messages import TaskCall, TaskState
from flows.model import RetryPolicy
from tests.support.engine import Engine, a_flow, effect, instant, pure
from tests.support.recording_worker import failure


async def failure_of(engine: Engine, *args: object, **kwargs: object) -> ApplicationError:
    """Run a flow that must fail, and return what its workflow failed with."""
    with pytest.raises(WorkflowFailureError) as caught:
        await engine.run(*args, **kwargs)  # type: ignore[arg-type]  # passed through
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_a_chain_runs_in_order_and_hands_values_on(engine: Engine) -> None:
    flow = a_flow(
        instant("a", {"n": "{{start.n}}"}),
        effect("b", {"got": "{{a.n}}"}),
        instant("c", "{{b.output.body}}"),
    )

    result = await engine.run(flow, {"n": 7})

    assert [call.task_name for call in engine.recorder.calls] == ["a", "b", "c"]
    assert result.outputs == {"c": {"got": 7}}
    assert engine.recorder.states() == dict.fromkeys(["start", "a", "b", "c"], "completed")


async def test_three_instant_tasks_and_the_settlement_are_one_workflow_task(engine: Engine) -> None:
    flow = a_flow(instant("a", "{{start.n}}"), instant("b", "{{a}}"), instant("c", "{{b}}"))

    handle = await engine.start(flow, {"n": 1})
    await handle.result()

    kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 1
    assert kinds.count(EventType.EVENT_TYPE_MARKER_RECORDED) == 4
    assert kinds.count(EventType.EVENT_TYPE_TIMER_STARTED) == 0


async def test_independent_tasks_run_at_the_same_time(engine: Engine) -> None:
    both = asyncio.Barrier(2)

    async def meet(call: TaskCall) -> JsonValue:
        await asyncio.wait_for(both.wait(), 20)
        return call.task_name

    engine.recorder.behaviours = {"left": meet, "right": meet}
    flow = a_flow(
        effect("left", "{{start}}"),
        effect("right", "{{start}}"),
        instant("join", ["{{left}}", "{{right}}"]),
    )

    result = await engine.run(flow)

    assert result.outputs == {"join": {"value": ["left", "right"]}}


async def test_a_failure_stops_the_flow_and_names_what_failed(engine: Engine) -> None:
    stopped = asyncio.Event()

    async def hang(call: TaskCall) -> JsonValue:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return None

    async def fail(call: TaskCall) -> JsonValue:
        raise failure("no luck", type="Unlucky")

    engine.recorder.behaviours = {"slow": hang, "bad": fail}
    flow = a_flow(
        effect("slow", "{{start}}"), effect("bad", "{{start}}"), instant("after", "{{bad}}")
    )

    error = await failure_of(engine, flow)

    assert (error.type, error.message) == ("Unlucky", "task 'bad' failed: no luck")
    assert engine.recorder.states() == {
        "start": "completed",
        "slow": "cancelled",
        "bad": "failed",
    }
    told = engine.recorder.word_on("bad").error
    assert told is not None
    assert (told.message, told.type, told.traceback) == (
        "no luck",
        "Unlucky",
        "Traceback of Unlucky",
    )
    closed = engine.recorder.closed[-1]
    assert (closed.status, closed.failed_task, closed.error) == ("failed", "bad", told)
    await asyncio.wait_for(stopped.wait(), 10)


@pytest.mark.parametrize("make", [effect, instant])
async def test_a_task_is_retried_until_it_succeeds(engine: Engine, make: object) -> None:
    async def fail_twice(call: TaskCall) -> JsonValue:
        if len(engine.recorder.called("shaky")) < 3:
            raise failure("not yet", retryable=True)
        return "done"

    engine.recorder.behaviours = {"shaky": fail_twice}
    policy = RetryPolicy(max_attempts=5, initial_interval_seconds=0.05)
    flow = a_flow(make("shaky", "{{start}}", retry_policy=policy))  # type: ignore[operator]  # builder

    result = await engine.run(flow)

    calls = engine.recorder.called("shaky")
    assert result.outputs == {"shaky": "done"}
    assert len(calls) == 3
    assert len({call.effect_key for call in calls}) == 1
    assert engine.recorder.word_on("shaky").attempt == 3


async def test_attempts_end_where_the_author_said(engine: Engine) -> None:
    async def fail(call: TaskCall) -> JsonValue:
        raise failure("never", retryable=True)

    engine.recorder.behaviours = {"bad": fail}
    policy = RetryPolicy(max_attempts=2, initial_interval_seconds=0.01)

    await failure_of(engine, a_flow(effect("bad", retry_policy=policy)))

    assert len(engine.recorder.called("bad")) == 2


async def test_an_error_type_that_must_not_be_retried_is_not(engine: Engine) -> None:
    async def fail(call: TaskCall) -> JsonValue:
        raise failure("bad request", type="HttpStatus", retryable=True)

    engine.recorder.behaviours = {"bad": fail}
    policy = RetryPolicy(max_attempts=9, non_retryable_error_types=("HttpStatus",))

    error = await failure_of(engine, a_flow(effect("bad", retry_policy=policy)))

    assert error.type == "HttpStatus"
    assert len(engine.recorder.called("bad")) == 1


@pytest.mark.parametrize("make", [effect, pure])
async def test_an_attempt_that_takes_too_long_fails_as_a_timeout(
    engine: Engine, make: object
) -> None:
    async def hang(call: TaskCall) -> JsonValue:
        await asyncio.sleep(60)
        return None

    engine.recorder.behaviours = {"slow": hang}
    policy = RetryPolicy(max_attempts=1)
    task = make("slow", timeout_seconds=0.3, retry_policy=policy)  # type: ignore[operator]  # builder

    error = await failure_of(engine, a_flow(task))

    assert error.type == "Timeout"
    assert len(engine.recorder.called("slow")) == 1
    assert engine.recorder.word_on("slow").state is TaskState.FAILED


async def test_a_fault_of_the_engine_fails_the_execution_and_not_its_workflow_task(
    engine: Engine,
) -> None:
    error = await failure_of(engine, a_flow(instant("a")), input_task_name="nobody")

    assert error.type == "UnknownInputTask"
    assert [call.status for call in engine.recorder.closed] == ["failed"]


async def test_values_that_nest_too_deeply_fail_the_task_that_reads_them(engine: Engine) -> None:
    deep: JsonValue = 1
    for _ in range(100):
        deep = [deep]
    around: JsonValue = "{{start.deep}}"
    for _ in range(60):
        around = [around]

    error = await failure_of(engine, a_flow(effect("reader", around)), {"deep": deep})

    assert error.type == "TooDeeplyNested"
    assert engine.recorder.calls == []
    assert engine.recorder.closed[0].failed_task == "reader"


async def test_an_output_that_nests_too_deeply_fails_its_task(engine: Engine) -> None:
    async def dig(call: TaskCall) -> JsonValue:
        deep: JsonValue = 1
        for _ in range(int(str(call.parameters["body"]))):
            deep = [deep]
        return deep

    engine.recorder.behaviours = {"digger": dig}

    for depth in (160, 230):
        error = await failure_of(engine, a_flow(effect("digger", depth)))

        assert error.type in ("TooDeeplyNested", "UnreadableOutput")
    assert [call.status for call in engine.recorder.closed] == ["failed", "failed"]


async def test_parameters_that_are_too_large_to_encode_fail_the_task(engine: Engine) -> None:
    flow = a_flow(effect("t", ["{{start.data}}"] * 20))

    error = await failure_of(engine, flow, {"data": "x" * 1_000_000})

    assert error.type == "ParametersTooLarge"
    assert engine.recorder.calls == []


async def test_nothing_is_begun_after_a_failure_that_came_during_a_pause(engine: Engine) -> None:
    async def fail(call: TaskCall) -> JsonValue:
        raise failure("no luck")

    first = [instant(f"t{at}", at) for at in range(200)]
    engine.recorder.behaviours = {"t0": fail}
    flow = a_flow(*first, *(effect(f"late{at}", "{{t199}}") for at in range(3)))

    await failure_of(engine, flow)

    assert not [call for call in engine.recorder.calls if call.task_name.startswith("late")]
    assert engine.recorder.closed[0].unreached[-3:] == ["late0", "late1", "late2"]
