"""The truth check finds every kind of lie, and nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from contracts.names import flow_workflow_id
from flows.errors import FlowExecutionNotFoundError
from operations.truth import TruthCheck
from store.models import ExecutionRecord
from store.slots import slot_key
from store.values import encode
from tests.support.effect_flows import Json, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.operations import Operations
from tests.support.receiver import Receiver

Lie = Callable[[AsyncIOMotorDatabase, str], Awaitable[Any]]


async def ended(operations: Operations, record: ExecutionRecord) -> None:
    """Wait until an execution has been settled, and its workflow has closed."""

    async def is_closed() -> bool:
        described = await operations.described(record)
        is_running = described is None or described.is_running
        return not is_running and not (await operations.now(record)).is_open

    await eventually(is_closed)


async def an_ended_execution(operations: Operations, receiver: Receiver) -> ExecutionRecord:
    """Run a note, and an effect that fails once."""
    receiver.failures_left["/call"] = 1
    retry: Json = {"max_attempts": 2, "initial_interval_seconds": 0.01}
    flow = a_flow(
        a_note("note", "form"), an_effect("call", receiver, "/call", "note", retry_policy=retry)
    )
    record = await operations.an_execution(flow)
    await ended(operations, record)
    return record


def of_execution(**changes: object) -> Lie:
    """Return a lie about the execution itself."""

    async def tell(database: AsyncIOMotorDatabase, execution_id: str) -> None:
        changed = await database["flow_executions"].update_one(
            {"_id": execution_id}, {"$set": changes}
        )
        assert changed.modified_count == 1

    return tell


def of_row(task_name: str, attempt: int = 1, **changes: object) -> Lie:
    """Return a lie about one attempt."""

    async def tell(database: AsyncIOMotorDatabase, execution_id: str) -> None:
        changed = await database["task_executions"].update_one(
            {"execution_id": execution_id, "task_name": task_name, "attempt": attempt},
            {"$set": changes},
        )
        assert changed.modified_count == 1

    return tell


async def without_row(database: AsyncIOMotorDatabase, execution_id: str) -> None:
    """Lose a task's rows."""
    await database["task_executions"].delete_many(
        {"execution_id": execution_id, "task_name": "note"}
    )


async def with_a_row_too_many(database: AsyncIOMotorDatabase, execution_id: str) -> None:
    """Show a task that never ran."""
    row = await database["task_executions"].find_one(
        {"execution_id": execution_id, "task_name": "note"}
    )
    assert row is not None
    await database["task_executions"].insert_one({**row, "_id": "other", "task_name": "ghost"})


LIES: dict[str, tuple[Lie, str]] = {
    "status": (of_execution(status="failed"), "status failed, but its workflow is completed"),
    "open": (of_execution(is_open=True), "open, but its workflow is completed"),
    "run number": (of_execution(run_number=7), "run number 7, but it ran as 1"),
    "version": (of_execution(flow_version=2), "version 2, but version 1 ran"),
    "input": (of_execution(input=encode({"text": "x"})), "the input shown is not the one that ran"),
    "output": (of_row("note", output=encode({"from": 1})), "note: another output is shown"),
    "task input": (of_row("call", 2, input=encode({})), "call: another input is shown"),
    "row status": (of_row("note", status="failed", rank=3), "note: shown failed, but completed"),
    "left open": (of_row("call", 2, status="running"), "call: left running"),
    "attempts": (of_row("call", 1, status="completed"), "call: attempt 1 shown completed"),
    "position": (of_row("call", 2, idx=5), "call: attempt 2 has index 5"),
    "lost row": (without_row, "note: completed, but not shown"),
    "extra row": (with_a_row_too_many, "ghost: shown, but it did not run"),
    "flow input": (of_row("form", output=encode({})), "form: shows another input"),
}


async def test_what_ran_is_shown_as_it_was(at_work: Operations, receiver: Receiver) -> None:
    await an_ended_execution(at_work, receiver)

    assert await at_work.differences() == []


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_found(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase, name: str
) -> None:
    lie, expected = LIES[name]
    record = await an_ended_execution(at_work, receiver)

    await lie(database, record.id)

    found = await at_work.differences()
    assert any(difference.startswith(expected) for difference in found), found


async def test_only_the_executions_that_are_named_are_looked_at(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase
) -> None:
    named, other = [await an_ended_execution(at_work, receiver) for _ in range(2)]
    held = [slot_key(each.id, each.generation) for each in (named, other)]
    for each in (named, other):
        await of_row("note", output=encode({"from": 1}))(database, each.id)
    await database["execution_slots"].insert_one(
        {"_id": named.organization_id, "limit": 9, "held": held}
    )

    verdict = await TruthCheck(at_work.audit, at_work.gateway).run([named.id])

    assert verdict.checked == 1
    assert {found.flow_execution_id for found in verdict.differences} == {named.id}
    assert {"holds a slot, but does not run", "note: another output is shown"} <= {
        found.what for found in verdict.differences
    }


async def test_an_unknown_execution_cannot_be_checked(operations: Operations) -> None:
    with pytest.raises(FlowExecutionNotFoundError):
        await TruthCheck(operations.audit, operations.gateway).run([str(uuid4())])


async def test_a_deleted_execution_is_checked_as_well(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase
) -> None:
    record = await an_ended_execution(at_work, receiver)
    await at_work.executions.delete(at_work.caller, record.id)
    assert await at_work.differences() == []

    await of_row("note", output=encode({"from": 1}))(database, record.id)

    assert "note: another output is shown" in await at_work.differences()


async def test_a_slot_that_a_closed_execution_holds_is_found(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase
) -> None:
    closed = await an_ended_execution(at_work, receiver)
    keys = [slot_key(closed.id, generation) for generation in (1, 2)]

    await database["execution_slots"].insert_one(
        {"_id": closed.organization_id, "limit": 9, "held": keys}
    )

    assert await at_work.differences() == ["holds a slot, but does not run"] * 2


async def test_a_slot_of_what_is_open_is_no_difference(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    record = await operations.an_execution()

    await database["execution_slots"].insert_one(
        {"_id": record.organization_id, "limit": 9, "held": [slot_key(record.id, 1)]}
    )

    assert await operations.differences() == []


async def test_closed_while_its_workflow_runs_is_a_lie(
    operations: Operations, database: AsyncIOMotorDatabase
) -> None:
    record = await operations.an_execution()

    await of_execution(is_open=False, status="completed")(database, record.id)

    assert "closed as completed, but its workflow runs" in await operations.differences()


async def test_a_stamped_start_of_which_temporal_knows_nothing_is_a_lie(
    operations: Operations, cut_off: Operations, database: AsyncIOMotorDatabase
) -> None:
    record = await cut_off.an_execution()

    await of_execution(started_generation=1, status="running")(database, record.id)

    assert await operations.differences() == ["open, but Temporal knows no workflow"]


async def test_a_failed_run_and_its_error_are_compared(
    at_work: Operations, receiver: Receiver, database: AsyncIOMotorDatabase
) -> None:
    receiver.broken.add("/broken")
    once: Json = {"max_attempts": 1}
    flow = a_flow(an_effect("call", receiver, "/broken", "form", retry_policy=once))
    record = await at_work.an_execution(flow)
    await ended(at_work, record)
    assert await at_work.differences() == []

    other: Json = {"message": "m", "type": "Other", "traceback": None}
    await of_row("call", error=encode(other))(database, record.id)

    assert "call: error Other shown, but it was HttpStatus" in await at_work.differences()


async def test_a_running_execution_is_counted_and_left_alone(operations: Operations) -> None:
    record = await operations.an_execution()

    assert await operations.differences() == []
    await operations.gateway.terminate(flow_workflow_id(record.id, 1), "test")
    assert await operations.differences() == ["open, but its workflow is terminated"]
