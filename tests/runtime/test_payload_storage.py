"""Payloads that leave the history, and how long they stay."""

import asyncio
from datetime import timedelta
from os import urandom

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from contracts.names import PAYLOADS
from runtime.payload_storage import MongoStorageDriver, PayloadLostError
from store.clock import now
from store.payloads import PayloadRepository
from tests.support.stores import Stores


def a_payload(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


def of(workflow_id: str | None) -> StorageDriverStoreContext:
    """Return the context of payloads for one workflow."""
    if workflow_id is None:
        return StorageDriverStoreContext()
    return StorageDriverStoreContext(
        target=StorageDriverWorkflowInfo(namespace="default", id=workflow_id)
    )


async def kept(driver: MongoStorageDriver, *claims: StorageDriverClaim) -> list[Payload]:
    return await driver.retrieve(StorageDriverRetrieveContext(), claims)


async def owners(stores: Stores) -> set[str]:
    return set(await stores.database[PAYLOADS].distinct("owner_id"))


@pytest.mark.parametrize("size", [0, 20_000, 9 * 1024 * 1024, 17 * 1024 * 1024])
async def test_a_payload_comes_back_as_it_was(stores: Stores, size: int) -> None:
    payload = a_payload(urandom(size))
    claims = await MongoStorageDriver(stores.database).store(of("flow-execution:e:1"), [payload])

    another_process = MongoStorageDriver(stores.database)

    assert await kept(another_process, *claims) == [payload]
    assert await kept(another_process, *claims) == [payload]


async def test_payloads_come_back_in_the_order_of_their_claims(stores: Stores) -> None:
    payloads = [a_payload(urandom(50)) for _ in range(20)]
    claims = await MongoStorageDriver(stores.database).store(of("w"), payloads)

    found = await kept(MongoStorageDriver(stores.database), *reversed(claims), claims[3])

    assert found == [*reversed(payloads), payloads[3]]


async def test_storing_the_same_again_stores_nothing(stores: Stores) -> None:
    payload = a_payload(b"x" * 20_000)
    for driver in (MongoStorageDriver(stores.database), MongoStorageDriver(stores.database)):
        first, second = await driver.store(of("flow-execution:e:1"), [payload, payload])
        assert first == second

    assert await stores.database[PAYLOADS].count_documents({}) == 1


async def test_two_processes_that_store_the_same_at_once_are_both_right(stores: Stores) -> None:
    payloads = [a_payload(bytes([number]) * 1_000) for number in range(40)]
    drivers = [MongoStorageDriver(stores.database) for _ in range(4)]

    claims = await asyncio.gather(*(driver.store(of("w"), payloads) for driver in drivers))

    assert claims[0] == claims[1] == claims[2] == claims[3]
    assert await stores.database[PAYLOADS].count_documents({}) == 40


@pytest.mark.parametrize(
    ("workflow_id", "owner"),
    [
        ("flow-execution:e:3", "e"),
        ("flow-execution:e:3:run-id:a task: with colons:0", "e"),
        ("workflow-run:5f0a3c8e9f574b0e8a550c6a", "workflow-run:5f0a3c8e9f574b0e8a550c6a"),
        ("perdure-reconciliation", "perdure-reconciliation"),
        (None, ""),
    ],
)
async def test_a_payload_belongs_to_the_execution_it_is_for(
    stores: Stores, workflow_id: str | None, owner: str
) -> None:
    await MongoStorageDriver(stores.database).store(of(workflow_id), [a_payload(b"x")])

    assert await owners(stores) == {owner}


async def test_a_payload_past_its_retention_is_told(stores: Stores) -> None:
    (claim,) = await MongoStorageDriver(stores.database).store(of("w"), [a_payload(b"x")])
    await stores.database[PAYLOADS].delete_many({})

    with pytest.raises(PayloadLostError):
        await kept(MongoStorageDriver(stores.database), claim)


async def test_payloads_stay_for_the_retention_that_follows_the_close(stores: Stores) -> None:
    ended, lately, running = [await stores.running() for _ in range(3)]
    driver = MongoStorageDriver(stores.database)
    for run in (ended, lately, running):
        await driver.store(of(f"flow-execution:{run.id}:1"), [a_payload(run.id.encode())])
    await driver.store(of(None), [a_payload(b"nobody's")])
    await driver.store(of("workflow-run:1"), [a_payload(b"another's")])
    await ended.settle()
    await lately.settle()
    long_ago = now() - timedelta(days=9)
    await stores.database[PAYLOADS].update_many({}, {"$set": {"created_at": long_ago}})
    await stores.database["flow_executions"].update_one(
        {"_id": ended.id}, {"$set": {"closed_at": now() - timedelta(days=8)}}
    )
    payloads = PayloadRepository(stores.database)

    assert await payloads.delete_expired(timedelta(days=7)) == 1
    assert await payloads.delete_expired(timedelta(days=7)) == 0

    assert await owners(stores) == {lately.id, running.id, "workflow-run:1"}


async def test_an_execution_that_runs_again_keeps_what_it_has(stores: Stores) -> None:
    run = await stores.running()
    driver = MongoStorageDriver(stores.database)
    await driver.store(of(f"flow-execution:{run.id}:1"), [a_payload(b"x")])
    await run.settle()
    await run.again()

    assert await PayloadRepository(stores.database).delete_expired(timedelta(0)) == 0
    assert await owners(stores) == {run.id}


async def test_all_payloads_of_one_execution_can_be_deleted(stores: Stores) -> None:
    driver = MongoStorageDriver(stores.database)
    for workflow_id in ("flow-execution:a:1", "flow-execution:a:2", "flow-execution:b:1"):
        await driver.store(of(workflow_id), [a_payload(workflow_id.encode())])

    assert await PayloadRepository(stores.database).delete("a") == 2

    assert await owners(stores) == {"b"}
