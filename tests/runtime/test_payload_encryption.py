"""Temporal sees no payload in the clear, and everything runs as it does without encryption."""

import base64
import os
from uuid import uuid4

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue, SecretStr
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Replayer

from contracts.messages import TaskCall
from contracts.names import PAYLOADS
from flows.errors import EncryptionKeyMissingError
from runtime.embedded import NAMESPACE
from runtime.encryption import Keyring
from runtime.history import HistoryReader
from runtime.payload_encryption import EncryptionCodec, codec_of
from runtime.payload_storage import MongoStorageDriver
from runtime.settings import Settings
from runtime.temporal import connect, data_converter, workflow_runner
from tests.support.engine import a_flow, effect, instant, running_engine
from tests.support.leaks import history_of, shows
from tests.support.recording_worker import failure
from worker import WORKFLOWS

KEY = base64.b64encode(os.urandom(32)).decode()
MARKED = "a value that nobody may read 7f3d"


@pytest.fixture
async def encrypting(temporal_address: str, database: AsyncIOMotorDatabase) -> Client:
    """A client that seals every payload and keeps large ones outside the history."""
    return await connect(
        temporal_address,
        NAMESPACE,
        storage_driver=MongoStorageDriver(database),
        codec=EncryptionCodec(Keyring([KEY])),
    )


async def test_a_history_shows_nothing_and_says_the_same(
    encrypting: Client, temporal_client: Client, database: AsyncIOMotorDatabase
) -> None:
    large = MARKED * 2_000
    flow = a_flow(
        instant("greet", f"{MARKED} {{{{start.name}}}}", title=f"say {MARKED}"),
        effect("send", {"small": "{{greet}}", "large": large}),
    )
    async with running_engine(encrypting, f"test-{uuid4().hex}") as engine:
        handle = await engine.start(flow, {"name": MARKED})
        result = await handle.result()
    history = await history_of(temporal_client, handle.id)
    blobs = [bytes(each["data"]) async for each in database[PAYLOADS].find()]

    assert not shows(history, MARKED)
    assert blobs
    assert not any(MARKED.encode() in blob for blob in blobs)
    assert MARKED in str(result.outputs)
    run = await HistoryReader(encrypting).read(handle.id)
    assert run is not None
    assert run.tasks["greet", None].reply is not None
    call = run.tasks["send", None].call
    assert call is not None
    assert call.parameters["body"] == {"small": {"value": f"{MARKED} {MARKED}"}, "large": large}


async def test_an_encrypted_history_replays_and_stores_no_blob_twice(
    encrypting: Client, database: AsyncIOMotorDatabase
) -> None:
    flow = a_flow(effect("send", MARKED * 2_000), effect("again", "{{send}}"))
    async with running_engine(encrypting, f"test-{uuid4().hex}") as engine:
        handle = await engine.start(flow)
        await handle.result()
    kept = await database[PAYLOADS].count_documents({})
    converter = data_converter(MongoStorageDriver(database), EncryptionCodec(Keyring([KEY])))
    replayer = Replayer(
        workflows=list(WORKFLOWS), workflow_runner=workflow_runner(), data_converter=converter
    )

    replayed = await replayer.replay_workflow(
        await handle.fetch_history(), raise_on_replay_failure=False
    )

    assert replayed.replay_failure is None, replayed.replay_failure
    assert await database[PAYLOADS].count_documents({}) == kept


async def test_what_a_failure_says_is_encrypted_too(
    encrypting: Client, temporal_client: Client
) -> None:
    async def fail(call: TaskCall) -> JsonValue:
        raise failure(f"refused because of {MARKED}")

    async with running_engine(encrypting, f"test-{uuid4().hex}") as engine:
        engine.recorder.behaviours["send"] = fail
        handle = await engine.start(a_flow(effect("send")))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    run = await HistoryReader(encrypting).read(handle.id)

    assert not shows(await history_of(temporal_client, handle.id), MARKED)
    assert run is not None
    assert MARKED in str(run.tasks["send", None].failure)


async def test_processes_can_be_switched_one_after_the_other(
    temporal_address: str, encrypting: Client, database: AsyncIOMotorDatabase
) -> None:
    reader = await connect(
        temporal_address,
        NAMESPACE,
        storage_driver=MongoStorageDriver(database),
        codec=codec_of(Settings(encryption_keys=(SecretStr(KEY),))),
    )
    queue = f"test-{uuid4().hex}"
    async with running_engine(encrypting, queue), running_engine(reader, queue) as plain:
        flow = a_flow(instant("greet", MARKED), effect("send", "{{greet}}"))
        for _ in range(4):
            assert (await plain.run(flow)).status == "completed"


async def test_another_key_reads_nothing() -> None:
    sealed = await EncryptionCodec(Keyring([KEY])).encode(
        await data_converter(None).encode([MARKED])
    )
    other = EncryptionCodec(Keyring([base64.b64encode(os.urandom(32)).decode()]))

    with pytest.raises(EncryptionKeyMissingError):
        await other.decode(sealed)


def test_without_keys_there_is_no_codec() -> None:
    assert codec_of(Settings(task_queue="any")) is None
    only_reading = codec_of(Settings(encryption_keys=(SecretStr(KEY),)))
    assert only_reading is not None
    assert not only_reading.seals
