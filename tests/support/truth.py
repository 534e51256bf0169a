"""Where the read model and Temporal's histories disagree, as the truth check finds it."""

from collections.abc import Collection

from motor.motor_asyncio import AsyncIOMotorClient

from operations.truth import TruthCheck
from runtime.gateway import Gateway
from runtime.payload_storage import MongoStorageDriver
from runtime.temporal import connect
from store.audit import Audit
from tests.fixtures.api import Api
from tests.support.eventually import eventually
from tests.support.platform import Execution

HAS_YET_TO_END = "but its workflow runs"


async def differences(api: Api, executions: Collection[Execution]) -> list[str]:
    """Return where the read model and the histories disagree about these executions.

    A workflow has yet to end when its last write tells callers how it ended: that is awaited.
    """
    settings = api.settings
    mongo: AsyncIOMotorClient = AsyncIOMotorClient(
        settings.mongodb_uri.get_secret_value(), tz_aware=True
    )
    database = mongo[settings.mongodb_database]
    client = await connect(
        settings.temporal_address,
        settings.temporal_namespace,
        storage_driver=MongoStorageDriver(database),
    )
    check = TruthCheck(Audit(database), Gateway(client, settings.task_queue))

    async def of_what_ended() -> tuple[list[str]] | None:
        verdict = await check.run({execution.id for execution in executions})
        found = [difference.what for difference in verdict.differences]
        return None if any(HAS_YET_TO_END in what for what in found) else (found,)

    try:
        (found,) = await eventually(of_what_ended, saying="the workflows end")
    finally:
        mongo.close()
    return found
