"""Whatever is killed, an execution ends, and what is shown of it is true."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.support.effect_flows import INPUT, Json, a_flow, a_note, an_effect
from tests.support.eventually import eventually
from tests.support.killing import (
    a_waiting_execution,
    an_execution,
    assert_all_is_true,
    assert_delivered,
    submitted,
    words,
)
from tests.support.limits import limit_platform_to, none_is_taken
from tests.support.platform_process import PARTS, Part, PlatformProcess, running_platform
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.xdist_group("kill")

# Less than the 30 s for which the drivers would wait by themselves.
UNASSISTED_SECONDS = 25


@pytest.fixture(scope="module")
async def processes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlatformProcess]:
    folder: Path = tmp_path_factory.mktemp("platform")
    async with running_platform(folder) as processes:
        yield processes


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_a_worker_killed_between_tasks_goes_on_where_it_was(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    flow = a_flow(an_effect("call", receiver, "/call", "form"), a_note("note", "call"))
    await processes.await_healthy()
    processes.freeze("worker")
    execution_id = await an_execution(processes, flow)
    killed = processes.kill("worker")

    execution = await processes.finished(execution_id)

    assert execution["status"] == "completed"
    assert len(receiver.keys["/call"]) == 1
    await processes.await_back("worker", killed)
    await assert_all_is_true(processes)


async def test_a_worker_killed_between_attempts_makes_the_next_one(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    retry: Json = {"max_attempts": 3, "initial_interval_seconds": 3}
    flow = a_flow(an_effect("call", receiver, "/call", "form", retry_policy=retry))
    receiver.failures_left["/call"] = 1
    await processes.await_healthy()
    execution_id = await an_execution(processes, flow)

    async def has_failed_once() -> bool:
        return words(await processes.rows(execution_id, "call")) == ["failed"]

    await eventually(has_failed_once)
    killed = processes.kill("worker")

    execution = await processes.finished(execution_id)

    assert execution["status"] == "completed"
    assert words(await processes.rows(execution_id, "call")) == ["failed", "completed"]
    assert len(set(receiver.keys["/call"])) == 1
    await processes.await_back("worker", killed)
    await assert_all_is_true(processes)


async def test_an_effect_killed_with_its_worker_runs_again_soon_with_the_same_key(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    flow = a_flow(an_effect("call", receiver, "/call", "form"), a_note("note", "call"))
    gate = receiver.gate("/call")
    await processes.await_healthy()
    execution_id = await an_execution(processes, flow)
    await eventually(lambda: receiver.arrived("/call"))

    killed = processes.kill("worker")
    await eventually(lambda: receiver.arrived("/call", 2), saying="the killed task runs again")
    gate.set()

    execution = await processes.finished(execution_id)
    assert execution["status"] == "completed"
    assert receiver.keys["/call"] == [f"{execution_id}/1/call/0"] * 2
    assert words(await processes.rows(execution_id, "call")) == ["failed", "completed"]
    await processes.await_back("worker", killed)
    await assert_all_is_true(processes)


async def test_an_effect_whose_end_temporal_never_heard_of_is_shown_as_lost(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    """The read model heard of the end; Temporal is down, and the worker dies before it is back."""
    flow = a_flow(an_effect("call", receiver, "/call", "form"))
    gate = receiver.gate("/call")
    await processes.await_healthy()
    execution_id = await an_execution(processes, flow)
    await eventually(lambda: receiver.arrived("/call"))
    async with processes.nothing_restarted():
        killed_server = processes.kill("temporal")
        gate.set()

        async def has_reported() -> bool:
            return words(await processes.rows(execution_id, "call")) == ["completed"]

        await eventually(has_reported)
        killed_worker = processes.kill("worker")

    execution = await processes.finished(execution_id)

    assert execution["status"] == "completed"
    assert words(await processes.rows(execution_id, "call")) == ["failed", "completed"]
    assert receiver.keys["/call"] == [f"{execution_id}/1/call/0"] * 2
    await processes.await_back("temporal", killed_server)
    await processes.await_back("worker", killed_worker)
    await assert_all_is_true(processes)


async def test_an_api_killed_between_record_and_start_has_started_it(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    """A frozen Temporal holds the API exactly there: the record is written, the start hangs."""
    flow = a_flow(an_effect("call", receiver, "/call", "form"))
    flow_id = await processes.create_flow(f"flow {uuid4()}", flow)
    key = str(uuid4())
    processes.freeze("temporal")
    try:
        request = asyncio.ensure_future(
            processes.http.post(
                "/api/flow-executions",
                json={"flow_id": flow_id, "input": INPUT},
                headers={"Idempotency-Key": key},
            )
        )
        async with processes.database() as database:

            async def recorded() -> str | None:
                found = await database["flow_executions"].find_one({"flow_id": flow_id})
                return None if found is None else str(found["_id"])

            execution_id = await eventually(recorded)
        killed = processes.kill("api")
        with pytest.raises(httpx.HTTPError):
            await request
    finally:
        processes.thaw("temporal")
    await processes.await_back("api", killed)

    execution = await processes.finished(execution_id)

    assert execution["status"] == "completed"
    assert len(receiver.keys["/call"]) == 1
    repeated = await processes.http.post(
        "/api/flow-executions",
        json={"flow_id": flow_id, "input": INPUT},
        headers={"Idempotency-Key": key},
    )
    assert repeated.json()["id"] == execution_id
    await assert_all_is_true(processes)


async def test_an_execution_created_while_temporal_is_down_runs_once_it_is_back(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    flow = a_flow(an_effect("call", receiver, "/call", "form"))
    flow_id = await processes.create_flow(f"flow {uuid4()}", flow)
    async with processes.nothing_restarted():
        killed = processes.kill("temporal")
        async with asyncio.timeout(UNASSISTED_SECONDS):
            execution_id = await processes.start(flow_id, INPUT)
        assert (await processes.execution(execution_id))["status"] == "queued"

    execution = await processes.finished(execution_id)

    assert execution["status"] == "completed"
    assert len(receiver.keys["/call"]) == 1
    await processes.await_back("temporal", killed)
    await assert_all_is_true(processes)


async def test_while_the_store_is_down_callers_are_told_so_quickly(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    flow_id = await processes.create_flow(f"flow {uuid4()}", a_flow(a_note("note", "form")))
    body: Json = {"flow_id": flow_id, "input": INPUT}
    async with processes.nothing_restarted():
        killed = processes.kill("mongod")
        async with asyncio.timeout(UNASSISTED_SECONDS):
            answer = await processes.http.post("/api/flow-executions", json=body)

    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.json()["error"]["code"] == "unavailable"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    await processes.await_back("mongod", killed)
    await processes.await_healthy()
    listed = await processes.http.get("/api/flow-executions", params={"flow_id": flow_id})
    assert listed.json() == []


async def test_while_the_store_hangs_callers_are_told_and_nothing_is_lost_or_doubled(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    """A frozen mongod takes connections and commands, and runs those once it goes on."""
    flow = a_flow(
        an_effect("first", receiver, "/first", "form"),
        an_effect("second", receiver, "/second", "first"),
    )
    flow_id = await processes.create_flow(f"flow {uuid4()}", flow)
    key, body = {"Idempotency-Key": str(uuid4())}, {"flow_id": flow_id, "input": INPUT}
    gate = receiver.gate("/first")
    await processes.await_healthy()
    execution_id = await processes.start(flow_id, INPUT)
    await eventually(lambda: receiver.arrived("/first"))
    processes.freeze("mongod")
    try:
        gate.set()
        async with asyncio.timeout(UNASSISTED_SECONDS):
            answer = await processes.http.post("/api/flow-executions", json=body, headers=key)
    finally:
        processes.thaw("mongod")
    await processes.await_healthy()
    repeated = await processes.http.post("/api/flow-executions", json=body, headers=key)

    assert (answer.status_code, repeated.status_code) == (503, 201)
    both = {execution_id, str(repeated.json()["id"])}
    for each in both:
        assert (await processes.finished(each))["status"] == "completed"
        for task in ("first", "second"):
            assert set(receiver.keys[f"/{task}"]) >= {f"{each}/1/{task}/0"}
    assert len({*receiver.keys["/first"], *receiver.keys["/second"]}) == 4
    listed = await processes.http.get("/api/flow-executions", params={"flow_id": flow_id})
    assert {each["id"] for each in listed.json()} == both
    await assert_all_is_true(processes)


@pytest.mark.parametrize("server", ["temporal", "mongod"])
async def test_a_killed_server_loses_nothing(
    processes: PlatformProcess, receiver: Receiver, server: Part
) -> None:
    flow = a_flow(
        an_effect("first", receiver, "/first", "form"),
        an_effect("second", receiver, "/second", "first"),
        a_note("note", "second"),
    )
    gate = receiver.gate("/first")
    await processes.await_healthy()
    execution_id = await an_execution(processes, flow)
    await eventually(lambda: receiver.arrived("/first"))

    killed = processes.kill(server)
    gate.set()
    await processes.await_back(server, killed)

    execution = await processes.finished(execution_id)
    assert execution["status"] == "completed"
    assert len(set(receiver.keys["/first"])) == 1
    assert len(set(receiver.keys["/second"])) == 1
    await assert_all_is_true(processes)


async def test_everything_killed_at_once_comes_back_and_goes_on(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    flow = a_flow(an_effect("call", receiver, "/call", "form"), a_note("note", "call"))
    gate = receiver.gate("/call")
    await processes.await_healthy()
    execution_id = await an_execution(processes, flow)
    await eventually(lambda: receiver.arrived("/call"))

    killed = {part: processes.kill(part) for part in PARTS}
    gate.set()
    for part, pid in killed.items():
        await processes.await_back(part, pid)

    execution = await processes.finished(execution_id)
    assert execution["status"] == "completed"
    assert len(set(receiver.keys["/call"])) == 1
    await assert_all_is_true(processes)


async def test_a_worker_killed_while_a_task_waits_hears_of_what_comes(
    processes: PlatformProcess,
) -> None:
    execution_id = await a_waiting_execution(processes)
    async with processes.nothing_restarted():
        killed = processes.kill("worker")
        assert (await submitted(processes, execution_id))["status"] == "received"

    await assert_delivered(processes, execution_id)
    await processes.await_back("worker", killed)
    await assert_all_is_true(processes)


async def test_data_taken_while_temporal_is_down_is_delivered_once_it_is_back(
    processes: PlatformProcess,
) -> None:
    execution_id = await a_waiting_execution(processes)
    async with processes.nothing_restarted():
        killed = processes.kill("temporal")
        assert (await submitted(processes, execution_id))["status"] == "received"

    await assert_delivered(processes, execution_id)
    await processes.await_back("temporal", killed)
    await assert_all_is_true(processes)


async def test_an_api_killed_between_storing_and_waking_has_delivered(
    processes: PlatformProcess,
) -> None:
    """A frozen Temporal holds the API exactly there: the data is stored, the signal hangs."""
    execution_id = await a_waiting_execution(processes)
    processes.freeze("temporal")
    try:
        request = asyncio.ensure_future(submitted(processes, execution_id))
        async with processes.database() as database:
            stored = {"execution_id": execution_id}
            await eventually(lambda: database["webhook_data"].find_one(stored))
        killed = processes.kill("api")
        with pytest.raises(httpx.HTTPError):
            await request
    finally:
        processes.thaw("temporal")
    await processes.await_back("api", killed)

    await assert_delivered(processes, execution_id)
    assert (await submitted(processes, execution_id))["status"] == "duplicate"
    await assert_all_is_true(processes)


async def test_no_slot_is_lost_whatever_is_killed(
    processes: PlatformProcess, receiver: Receiver
) -> None:
    """More than may run at once, some of which wait, while worker and API are killed."""
    await processes.await_healthy()
    flow = a_flow(an_effect("call", receiver, "/call", "form"), a_note("note", "call"))
    flow_id = await processes.create_flow(f"flow {uuid4()}", flow)
    await limit_platform_to(processes, 2)
    waiting = [await a_waiting_execution(processes) for _ in range(2)]
    gate = receiver.gate("/call")
    running = [await processes.start(flow_id, INPUT) for _ in range(6)]
    await eventually(lambda: receiver.arrived("/call", 2))
    for execution_id in waiting:
        await submitted(processes, execution_id)

    killed = {part: processes.kill(part) for part in PARTS[2:]}
    gate.set()
    await eventually(lambda: receiver.arrived("/call", 3))
    for part, pid in killed.items():
        await processes.await_back(part, pid)
    await eventually(lambda: receiver.arrived("/call", 5))
    killed_again = processes.kill("worker")
    for execution_id in running:
        assert (await processes.finished(execution_id))["status"] == "completed"
    for execution_id in waiting:
        await assert_delivered(processes, execution_id)
    await processes.await_back("worker", killed_again)
    async with processes.database() as database:
        await eventually(lambda: none_is_taken(database))
    await limit_platform_to(processes, None)

    async def is_all_true() -> bool:
        """A worker that dies after its last word leaves a workflow that has yet to end."""
        return (await processes.truth())["differences"] == []

    await eventually(is_all_true)
