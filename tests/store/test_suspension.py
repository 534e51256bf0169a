"""Which tasks wait for the outside, and what their execution is shown as."""

import asyncio
import threading
from contextlib import closing

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from contracts.messages import RunContext, TaskCall, TaskState
from contracts.names import flow_workflow_id
from store.clock import now
from store.models import ExecutionStatus, ProcessingStatus
from store.parking import Parking
from store.suspension import Suspension
from tests.support.eventually import eventually
from tests.support.stores import ORGANIZATION, Running, Stores, said

STATUS = ExecutionStatus


def a_call(run: Running, task_name: str, item: int | None = None) -> TaskCall:
    return run.call(task_name, item, executor="webhook_receiver")


async def begin(run: Running, task_name: str, item: int | None = None, run_id: str = "run") -> None:
    """Let a task wait."""
    call = a_call(run, task_name, item)
    await run.stores.projection.await_input(call, run_id, now(), "a workflow")


async def end(run: Running, task_name: str, item: int | None = None) -> None:
    """Let a task that waits complete."""
    await run.close(task_name, item=item, executor="webhook_receiver", was_opened=True)


async def status(run: Running) -> ExecutionStatus:
    return (await run.record()).status


async def test_an_execution_waits_as_long_as_one_of_its_tasks_does(run: Running) -> None:
    await begin(run, "a")
    await begin(run, "b")
    assert await status(run) is STATUS.AWAITING_INPUT

    await end(run, "a")
    assert await status(run) is STATUS.AWAITING_INPUT

    await end(run, "b")
    assert await status(run) is STATUS.IN_PROGRESS


async def test_many_that_begin_and_end_at_once_leave_the_right_status(run: Running) -> None:
    other = Running(Stores(run.stores.database), run.context)

    async def wait_and_end(at: int) -> None:
        await begin((run, other)[at % 2], "each", at)
        await end((other, run)[at % 2], "each", at)

    for _ in range(3):
        await asyncio.gather(*(wait_and_end(at) for at in range(30)))
        assert await status(run) is STATUS.IN_PROGRESS

    await asyncio.gather(*(wait_and_end(at) for at in range(30, 60)), begin(run, "last"))
    assert await status(run) is STATUS.AWAITING_INPUT


class Holding(CommandListener):
    """Holds the first write to an execution back."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self.is_holding = threading.Event()
        self.let_go = threading.Event()

    def started(self, event: CommandStartedEvent) -> None:
        """Hold it, in the driver's thread."""
        if event.command.get("update") == "flow_executions":
            self.is_holding.set()
            self.let_go.wait(10)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


async def test_a_wait_that_begins_while_the_last_one_ends_is_seen(
    run: Running, mongo_uri: str
) -> None:
    holding = Holding()
    client: AsyncIOMotorClient = AsyncIOMotorClient(
        mongo_uri, tz_aware=True, event_listeners=[holding]
    )
    with closing(client):
        slow = Running(Stores(client[run.stores.database.name]), run.context)
        await begin(run, "a")

        ending = asyncio.create_task(end(slow, "a"))
        await eventually(holding.is_holding.is_set)
        await begin(run, "b")
        holding.let_go.set()
        await ending

    assert await status(run) is STATUS.AWAITING_INPUT


async def test_a_wait_names_whom_to_signal_until_it_is_woken(run: Running) -> None:
    suspension = Suspension(run.stores.database)
    await begin(run, "a")
    await begin(run, "b", 3)

    found = await suspension.of_executions([run.id, "another"])
    assert {(wait.task_name, wait.item) for wait in found} == {("a", None), ("b", 3)}
    assert {(wait.awaits, wait.workflow_id) for wait in found} == {("webhook_data", "a workflow")}

    await suspension.note_woken(a_call(run, "a"))
    assert [wait.task_name for wait in await suspension.of_executions([run.id])] == ["b"]
    assert await suspension.of_executions([run.id], task_name="a") == []


async def test_beginning_again_changes_nothing(run: Running) -> None:
    await begin(run, "a")
    before = await run.row("a")

    await begin(run, "a")

    assert await run.row("a") == before
    assert before.processing_status is ProcessingStatus.AWAITING_INPUT


async def test_an_execution_that_is_to_stop_is_not_shown_as_waiting(run: Running) -> None:
    await run.stores.executions.request_cancel(ORGANIZATION, run.id, "somebody")

    await begin(run, "a")

    assert await status(run) is STATUS.CANCEL_REQUESTED


async def test_a_wait_of_a_settled_generation_is_let_through_without_a_trace(run: Running) -> None:
    await begin(run, "a")
    await end(run, "a")
    await run.settle(said("a"))
    before = await run.row("a")

    await begin(run, "a")

    assert await run.row("a") == before
    assert await status(run) is STATUS.COMPLETED


async def test_a_cancelled_wait_is_shown_as_cancelled(run: Running) -> None:
    await begin(run, "a")

    await run.settle(said("a", TaskState.CANCELLED), status="cancelled")

    assert (await run.row("a")).processing_status is ProcessingStatus.CANCELLED
    assert await Suspension(run.stores.database).of_executions([run.id]) == []


async def test_an_iteration_waits_while_one_of_its_items_does(run: Running) -> None:
    await begin(run, "each", 0)
    await begin(run, "each", 1)
    await end(run, "each", 0)

    output = await run.output("each")

    assert output.processing_status is ProcessingStatus.AWAITING_INPUT


def own(context: RunContext) -> str:
    return flow_workflow_id(context.flow_execution_id, context.generation)


async def test_all_of_an_execution_waits_once_all_its_workflows_do(run: Running) -> None:
    parking, context = Parking(run.stores.database), run.context
    children = [f"{own(context)}:each:{first}" for first in (0, 500)]

    said_so = [
        await parking.park(context, children[0], []),
        await parking.park(context, own(context), children),
        await parking.park(context, children[1], []),
    ]
    again = await parking.park(context, own(context), children)
    woken = [await parking.unpark(context, child) for child in children]

    assert said_so == [False, False, True]
    assert again is True
    assert woken == [True, False]


async def test_what_an_older_generation_noted_does_not_count(run: Running) -> None:
    parking = Parking(run.stores.database)
    child = f"{own(run.context)}:each:0"
    await parking.park(run.context, child, [])
    newer = await run.again()

    assert await parking.park(run.context, own(run.context), []) is False
    assert await parking.park(newer.context, own(newer.context), [child]) is False
    assert await parking.park(newer.context, own(newer.context), []) is True
