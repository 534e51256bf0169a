"""A MongoDB that does not reach back as far as it did: its oplog loses its beginning."""

from pathlib import Path

from bson import Timestamp
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError

from runtime.binaries import mongod_binary
from runtime.process import ManagedProcess
from runtime.readiness import LOOPBACK, await_answer, free_port


async def forget_up_to(folder: Path, at: Timestamp) -> int:
    """Take entries up to a moment from the oplog of a ``mongod`` that is stopped.

    Members of a replica set refuse that, so one is started that is none, on the same files.

    Returns:
        How many entries are gone.
    """
    port = free_port()
    command = [str(mongod_binary(folder / "bin")), "--dbpath", str(folder / "mongodb")]
    command += ["--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket", "--quiet"]
    alone = ManagedProcess("mongod", command, folder / "logs" / "alone.log")
    client: AsyncIOMotorClient = AsyncIOMotorClient(
        f"mongodb://{LOOPBACK}:{port}/?directConnection=true", serverSelectionTimeoutMS=500
    )

    async def answers() -> bool:
        try:
            await client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    await alone.start()
    try:
        await await_answer(alone, answers)
        gone = await client["local"]["oplog.rs"].delete_many({"ts": {"$lte": at}})
    finally:
        client.close()
        await alone.stop()
    return int(gone.deleted_count)
