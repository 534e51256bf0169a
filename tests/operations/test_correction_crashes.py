"""A process that dies while it corrects a result and runs on: trying again mends all of it."""

from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue
from temporalio.client import Client

from contracts.messages import TaskState
from operations.corrections import Correction, Corrections
from operations.definitions import Definitions
from operations.reexecution import ReExecution
from operations.sealing import Sealing
from operations.starting import Starter
from operations.vault import Vault
from runtime.gateway import Gateway
from store.credentials import CredentialRepository
from store.edits import EditRepository
from store.executions import ExecutionRepository
from store.flows import FlowRepository
from store.models import ExecutionRecord, ExecutionStatus, TaskExecutionRecord
from store.task_executions import TaskExecutionRepository
from store.task_outputs import TaskOutputRepository
from tests.store.test_crashes import each_crash
from tests.support.effect_flows import INPUT, a_flow, a_note
from tests.support.operations import Operations
from tests.support.stores import Running, Stores, said


def corrections_on(database: AsyncIOMotorDatabase, client: Client, task_queue: str) -> Corrections:
    """Build the use case on a database and a Temporal client, as a process does."""
    flows, definitions = FlowRepository(database), Definitions()
    executions = ExecutionRepository(database)
    task_executions = TaskExecutionRepository(database)
    starter = Starter(
        flows=flows,
        executions=executions,
        task_executions=task_executions,
        gateway=Gateway(client, task_queue),
        definitions=definitions,
    )
    sealing = Sealing(Vault.over(database, ()), CredentialRepository(database))
    return Corrections(
        executions=executions,
        task_executions=task_executions,
        task_outputs=TaskOutputRepository(database),
        edits=EditRepository(database),
        again=ReExecution(
            flows=flows,
            executions=executions,
            definitions=definitions,
            sealing=sealing,
            starter=starter,
        ),
        definitions=definitions,
    )


async def rows_of(stores: Stores, record: ExecutionRecord) -> dict[str, TaskExecutionRecord]:
    rows = await stores.task_executions.list(record.organization_id, flow_execution_id=record.id)
    assert len({row.task_name for row in rows}) == len(rows)
    return {row.task_name: row for row in rows}


async def ended(stores: Stores, record: ExecutionRecord, a: JsonValue) -> None:
    """Close the current generation as its workflow would: a as it is, and b made from it."""
    run = stores.run_of(record)
    context = run.context.model_copy(update={"edits": record.edit_count})
    state = TaskState.COMPLETED if record.generation == 1 else TaskState.REUSED
    reply = await Running(stores, context).settle(
        said("form", output=dict(INPUT)),
        said("a", state, output=a, has_output=True, fingerprint=f"a of {record.id}"),
        said("b", output={"from": a}, has_output=True, fingerprint=f"b of {record.generation}"),
    )
    assert not reply.missing


async def test_a_correction_that_runs_on_is_begun_whole_and_finished_by_trying_again(
    database: AsyncIOMotorDatabase,
    temporal_client: Client,
    task_queue: str,
    operations: Operations,
    mongo_uri: str,
) -> None:
    stores = Stores(database)
    healthy = corrections_on(database, temporal_client, task_queue)
    made = await operations.an_execution(a_flow(a_note("a", "form"), a_note("b", "a")))
    await ended(stores, made, {"from": 0})
    number, generation = 0, 1

    async def corrected(by: Corrections) -> None:
        row = (await rows_of(stores, made))["a"]
        await by.correct(
            operations.caller,
            Correction(
                id=row.id,
                flow_execution_id=made.id,
                task_name="a",
                task_execution_idx=0,
                organization_id=made.organization_id,
                status="completed",
                output={"from": number},
                has_output=True,
            ),
            execute_flow=True,
        )

    async def correct(cut: Stores) -> None:
        nonlocal number, generation
        number += 1
        generation = (await operations.now(made)).generation
        await corrected(corrections_on(cut.database, temporal_client, task_queue))

    async def mended(_: Stores) -> None:
        record, rows = await operations.now(made), await rows_of(stores, made)
        is_there = rows["a"].output == {"from": number}
        has_begun = record.generation > generation
        assert record.generation == generation + int(has_begun)
        assert record.is_open is has_begun
        assert is_there or not has_begun
        if not has_begun:
            shown = ExecutionStatus.STALE if is_there else ExecutionStatus.COMPLETED
            assert record.status is shown
            assert rows["b"].stale_status == ("stale" if is_there else "consistent")
        await operations.reconcile()
        if has_begun:
            described = await operations.described(record)
            assert described is not None
            assert described.is_running

        await corrected(healthy)

        record = await operations.now(made)
        assert record.generation > generation
        assert (record.is_open, record.mode) == (True, "stale")
        assert (await rows_of(stores, made))["a"].output == {"from": number}
        await ended(stores, record, {"from": number})
        record = await operations.now(made)
        assert (record.status, record.is_open) == (ExecutionStatus.COMPLETED, False)

    assert await each_crash(mongo_uri, stores, correct, mended) >= 15
