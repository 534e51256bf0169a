"""Large flows, long iterations and big values complete, and cost per task does not grow."""

from collections.abc import AsyncIterator, Sequence

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType

from contracts.messages import TaskCall
from flows.model import Task
from runtime.embedded import NAMESPACE
from runtime.payload_storage import MongoStorageDriver
from runtime.temporal import connect
from tests.support.engine import Engine, Handle, a_flow, effect, instant, running_engine
from tests.support.histories import failed_workflow_tasks

pytestmark = pytest.mark.scale

SIBLING_BYTES = 60_000
MAX_EVENTS = 10_000


@pytest.fixture
async def stored(
    temporal_address: str, database: AsyncIOMotorDatabase, task_queue: str
) -> AsyncIterator[Engine]:
    """An engine whose large payloads live in the store, as in production."""
    client = await connect(temporal_address, NAMESPACE, storage_driver=MongoStorageDriver(database))
    async with running_engine(client, task_queue) as running:
        yield running


async def kinds_of(handle: Handle) -> list[EventType.ValueType]:
    """Return the types of a workflow's events."""
    return [event.event_type async for event in handle.fetch_history_events()]


async def completed(engine: Engine, tasks: Sequence[Task], input: dict[str, JsonValue]) -> Handle:
    """Run a flow that must complete without a workflow task that failed on the way."""
    handle = await engine.start(a_flow(*tasks), input)
    result = await handle.result()
    assert result.status == "completed"
    kinds = await kinds_of(handle)
    assert not await failed_workflow_tasks(handle)
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT not in kinds
    assert len(kinds) < MAX_EVENTS
    return handle


async def test_a_thousand_siblings_of_60_kb_run_as_activities(stored: Engine) -> None:
    siblings = [effect(f"t{at}", {"at": at, "data": "{{start.data}}"}) for at in range(999)]

    await completed(stored, siblings, {"data": "x" * SIBLING_BYTES})

    assert len(stored.recorder.calls) == 999


async def test_a_thousand_siblings_of_60_kb_run_as_local_activities(stored: Engine) -> None:
    siblings = [instant(f"t{at}", {"at": at, "data": "{{start.data}}"}) for at in range(999)]

    await completed(stored, siblings, {"data": "x" * SIBLING_BYTES})

    assert len(stored.recorder.calls) == 999


async def test_siblings_of_60_kb_survive_without_payload_storage(engine: Engine) -> None:
    siblings = [effect(f"t{at}", {"at": at, "data": "{{start.data}}"}) for at in range(120)]

    await completed(engine, siblings, {"data": "x" * SIBLING_BYTES})

    assert len(engine.recorder.calls) == 120


async def test_outputs_that_are_joined_may_be_large(stored: Engine) -> None:
    siblings = [instant(f"t{at}", {"data": "{{start.data}}"}) for at in range(100)]
    join = effect("join", [f"{{{{t{at}.data}}}}" for at in range(100)])

    await completed(stored, [*siblings, join], {"data": "x" * SIBLING_BYTES})

    (call,) = stored.recorder.called("join")
    assert call.parameters["body"] == ["x" * SIBLING_BYTES] * 100


async def test_an_output_of_3_mib_reaches_the_task_that_reads_it(stored: Engine) -> None:
    data = "y" * 3 * 1024 * 1024

    async def produce(call: TaskCall) -> JsonValue:
        return {"data": data}

    stored.recorder.behaviours = {"big": produce}

    await completed(stored, [effect("big"), instant("reader", {"got": "{{big.data}}"})], {})

    assert stored.recorder.called("reader")[0].parameters == {"template": {"got": data}}


async def test_an_iteration_over_large_items_is_cut_by_their_size(stored: Engine) -> None:
    each = effect("each", "{{start.items}}", reference_modes={"body": "single"})
    items: list[JsonValue] = [f"{at:04}" + "z" * SIBLING_BYTES for at in range(100)]

    handle = await completed(stored, [each], {"items": items})

    kinds = await kinds_of(handle)
    children = kinds.count(EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    assert children == 7
    bodies = {str(call.parameters["body"])[:4] for call in stored.recorder.calls}
    assert len(bodies) == 100


async def test_an_iteration_over_10_000_items_completes(stored: Engine) -> None:
    each = instant("each", {"n": "{{start.n}}"}, reference_modes={"template": "single"})
    numbers: list[JsonValue] = list(range(10_000))

    handle = await completed(stored, [each, instant("all", "{{each.n}}")], {"n": numbers})

    result = await handle.result()
    assert result.outputs == {"all": {"value": numbers}}
    assert len(stored.recorder.called("each")) == 10_000


@pytest.mark.parametrize("make", [instant, effect])
async def test_a_task_takes_no_more_events_in_a_large_flow(stored: Engine, make: object) -> None:
    """How long a task takes there is measured by ``make bench``.

    On a busy machine fewer ends of tasks share a workflow task, which adds events.
    """
    field = "body" if make is effect else "value"

    async def events_per_task(count: int) -> float:
        tasks = [
            make(f"t{at}", f"{{{{t{at - 5}.{field}}}}}" if at >= 5 else "{{start.n}}")  # type: ignore[operator]  # builder
            for at in range(count)
        ]
        handle = await completed(stored, tasks, {"n": 1})
        return len(await kinds_of(handle)) / count

    assert await events_per_task(500) <= 1.3 * await events_per_task(10)
