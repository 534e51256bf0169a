"""A task that runs once per item of a list."""

import asyncio

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from contracts.messages import TaskCall, TaskState
from flows.model import RetryPolicy, Task
from tests.support.engine import Engine, a_flow, effect, instant
from tests.support.recording_worker import failure


def per_item(name: str, reads: JsonValue, **options: object) -> Task:
    """Return an instant task that runs once per item of what it reads."""
    return instant(name, reads, reference_modes={"template": "single"}, **options)


async def test_results_stand_in_item_order_whatever_order_they_came_in(engine: Engine) -> None:
    async def later_first(call: TaskCall) -> JsonValue:
        assert call.item is not None
        await asyncio.sleep(0.02 * (5 - call.item))
        return {"was": call.parameters["body"]}

    engine.recorder.behaviours = {"each": later_first}
    flow = a_flow(
        effect("each", "{{start.n}}", reference_modes={"body": "single"}),
        instant("all", "{{each.was}}"),
    )

    result = await engine.run(flow, {"n": ["a", "b", "c", "d", "e"]})

    assert result.outputs == {"all": {"value": ["a", "b", "c", "d", "e"]}}
    calls = sorted(engine.recorder.called("each"), key=lambda call: call.item or 0)
    assert [call.item for call in calls] == [0, 1, 2, 3, 4]
    assert {call.item_count for call in calls} == {5}
    assert len({call.effect_key for call in calls}) == 5


async def test_every_item_is_settled_by_itself_and_the_whole_without_output(
    engine: Engine,
) -> None:
    await engine.run(a_flow(per_item("each", "{{start.n}}")), {"n": [1, 2]})

    items = [engine.recorder.word_on("each", item) for item in range(2)]
    whole = engine.recorder.word_on("each")
    assert [word.state for word in items] == [TaskState.COMPLETED] * 2
    assert [word.attempt for word in items] == [1, 1]
    assert (whole.state, whole.item_count, whole.has_output) == (TaskState.COMPLETED, 2, False)


async def test_a_list_for_a_parameter_that_takes_one_value_iterates_unasked(
    engine: Engine,
) -> None:
    task = Task(
        name="each",
        executor="http_request",
        parameters={"url": "{{start.urls}}", "method": "GET", "body": "{{start.urls}}"},
    )

    await engine.run(a_flow(task), {"urls": ["http://a", "http://b"]})

    calls = sorted(engine.recorder.called("each"), key=lambda call: call.item or 0)
    assert [call.parameters["url"] for call in calls] == ["http://a", "http://b"]
    assert [call.parameters["body"] for call in calls] == [["http://a", "http://b"]] * 2


async def test_a_list_for_a_parameter_that_takes_any_value_is_handed_over_whole(
    engine: Engine,
) -> None:
    result = await engine.run(a_flow(instant("t", "{{start.n}}")), {"n": [1, 2]})

    assert result.outputs == {"t": {"value": [1, 2]}}


@pytest.mark.parametrize("value", [7, None, {"a": 1}, "text"])
async def test_what_is_no_list_runs_once(engine: Engine, value: JsonValue) -> None:
    result = await engine.run(a_flow(per_item("t", {"n": "{{start.n}}"})), {"n": value})

    assert result.outputs == {"t": {"n": value}}
    assert engine.recorder.called("t")[0].item is None


async def test_an_empty_list_runs_nothing_and_gives_an_empty_list(engine: Engine) -> None:
    flow = a_flow(per_item("each", "{{start.n}}"), instant("after", "{{each}}"))

    result = await engine.run(flow, {"n": []})

    assert result.outputs == {"after": {"value": []}}
    assert engine.recorder.called("each") == []
    assert engine.recorder.word_on("each").item_count == 0
    assert engine.recorder.word_on("each").state is TaskState.COMPLETED


async def test_lists_of_equal_length_are_taken_pairwise(engine: Engine) -> None:
    flow = a_flow(per_item("each", {"a": "{{start.a}}", "b": "{{start.b}}"}))

    result = await engine.run(flow, {"a": [1, 2], "b": ["x", "y"]})

    assert result.outputs == {"each": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}


async def test_lists_of_different_lengths_fail_the_task(engine: Engine) -> None:
    flow = a_flow(per_item("each", {"a": "{{start.a}}", "b": "{{start.b}}"}))

    with pytest.raises(WorkflowFailureError) as caught:
        await engine.run(flow, {"a": [1, 2], "b": ["x"]})

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "LengthMismatch"
    assert engine.recorder.word_on("each").state is TaskState.FAILED


@pytest.mark.parametrize("window", [1, 3])
async def test_no_more_items_are_in_flight_than_the_author_allowed(
    engine: Engine, window: int
) -> None:
    is_full = asyncio.Event()

    async def meet_the_others(call: TaskCall) -> JsonValue:
        if engine.recorder.in_flight["each"] == window:
            is_full.set()
        await is_full.wait()
        await asyncio.sleep(0.02)
        return None

    engine.recorder.behaviours = {"each": meet_the_others}
    flow = a_flow(
        effect("each", "{{start.n}}", reference_modes={"body": "single"}, concurrency=window)
    )

    await engine.run(flow, {"n": list(range(12))})

    assert engine.recorder.most_at_once["each"] == window


async def test_children_share_the_window_of_their_task(engine: Engine) -> None:
    flow = a_flow(per_item("each", "{{start.n}}", concurrency=60))

    handle = await engine.start(flow, {"n": list(range(1200))})
    result = await handle.result()

    children = [
        event.start_child_workflow_execution_initiated_event_attributes
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
    ]
    assert result.outputs == {"each": [{"value": n} for n in range(1200)]}
    assert len(children) == 3
    assert len(engine.recorder.calls) == 1200
    assert engine.recorder.most_at_once["each"] <= 60
    assert {word.item for word in engine.recorder.settled if word.task_name == "each"} == {
        None,
        *range(1200),
    }


async def test_one_item_that_fails_for_good_fails_the_task(engine: Engine) -> None:
    async def fail_on_two(call: TaskCall) -> JsonValue:
        if call.item == 2:
            raise failure("bad item", type="BadItem")
        await asyncio.sleep(0.2 if call.item == 3 else 0)
        return call.item

    engine.recorder.behaviours = {"each": fail_on_two}
    flow = a_flow(
        effect("each", "{{start.n}}", reference_modes={"body": "single"}, concurrency=2),
        instant("after", "{{each}}"),
    )

    with pytest.raises(WorkflowFailureError) as caught:
        await engine.run(flow, {"n": list(range(20))})

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "BadItem"
    assert "task 'each' failed" in caught.value.cause.message
    assert engine.recorder.word_on("each", 2).state is TaskState.FAILED
    assert engine.recorder.word_on("each").state is TaskState.FAILED
    assert len(engine.recorder.calls) < 6
    assert not engine.recorder.called("after")


async def test_an_item_is_retried_by_itself(engine: Engine) -> None:
    async def fail_once(call: TaskCall) -> JsonValue:
        seen = [other for other in engine.recorder.called("each") if other.item == call.item]
        if call.item == 1 and len(seen) == 1:
            raise failure("not yet", retryable=True)
        return call.item

    engine.recorder.behaviours = {"each": fail_once}
    policy = RetryPolicy(max_attempts=2, initial_interval_seconds=0.01)
    flow = a_flow(
        effect("each", "{{start.n}}", reference_modes={"body": "single"}, retry_policy=policy)
    )

    result = await engine.run(flow, {"n": [0, 1, 2]})

    assert result.outputs == {"each": [0, 1, 2]}
    assert [engine.recorder.word_on("each", item).attempt for item in range(3)] == [1, 2, 1]


async def test_an_iteration_over_an_iteration(engine: Engine) -> None:
    flow = a_flow(per_item("one", {"n": "{{start.n}}"}), per_item("two", {"m": "{{one.n}}"}))

    result = await engine.run(flow, {"n": [1, 2, 3]})

    assert result.outputs == {"two": [{"m": 1}, {"m": 2}, {"m": 3}]}
