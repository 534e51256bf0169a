"""How processes reach MongoDB: one client a process, quick to say that the store is down.

Beside it stand two that use the driver's own asynchronous client. Change streams: whoever waits on
one through Motor holds one of its few threads. And the question whether the store answers: whoever
asks it must not stand in line behind the calls that it is about.

Source: docs/decisions/0057-a-store-that-hangs.md.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.monitoring import ConnectionPoolListener

from runtime.payload_storage import MongoStorageDriver

SERVER_SELECTION_TIMEOUT = timedelta(seconds=1)
CONNECT_TIMEOUT = timedelta(seconds=1.5)
HEARTBEAT = timedelta(seconds=0.5)
SOCKET_TIMEOUT = timedelta(seconds=30)
HEALTH_TIMEOUT = timedelta(seconds=1)
MAX_CONNECTIONS = 64
PROBE_CONNECTIONS = 4

_MILLISECOND = timedelta(milliseconds=1)


_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "retryReads": True,
    "maxPoolSize": MAX_CONNECTIONS,
    "serverSelectionTimeoutMS": SERVER_SELECTION_TIMEOUT // _MILLISECOND,
    "connectTimeoutMS": CONNECT_TIMEOUT // _MILLISECOND,
    # A server that misses a heartbeat is given up, and with it all calls that wait for it. So this
    # and the time to connect bound how long a frozen server holds us, and no call that works has
    # a limit of its own.
    "heartbeatFrequencyMS": HEARTBEAT // _MILLISECOND,
    "socketTimeoutMS": SOCKET_TIMEOUT // _MILLISECOND,
}


class Mongo:
    """The client of one process, and the database that the platform lives in.

    Writes are acknowledged by a majority, out of their journals. Nothing connects before first
    use, so a process can start while MongoDB is down.
    """

    def __init__(
        self,
        uri: str,
        database_name: str,
        *,
        listeners: Sequence[ConnectionPoolListener] = (),
    ) -> None:
        """Prepare a client; options in the URI win over ours.

        Args:
            uri: Connection string; names a replica set, or transactions do not work.
            listeners: Of its connection pools.
        """
        ours = _options(uri)
        self.client: AsyncIOMotorClient = AsyncIOMotorClient(
            uri, tz_aware=True, tzinfo=UTC, appname="perdure", event_listeners=[*listeners], **ours
        )
        self.database: AsyncIOMotorDatabase = self.client[database_name]

    def storage_driver(self) -> MongoStorageDriver:
        """Return where Temporal payloads live that are too large for a history."""
        return MongoStorageDriver(self.database)

    def close(self) -> None:
        """Close every connection; calls under way fail."""
        self.client.close()


class MongoProbe:
    """Finds out whether MongoDB answers, however busy the process's other client is."""

    def __init__(self, uri: str) -> None:
        """Prepare a client; nothing connects before first use."""
        self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            uri, appname="perdure-probe", **(_options(uri) | {"maxPoolSize": PROBE_CONNECTIONS})
        )

    async def is_healthy(self) -> bool:
        """Return whether a primary answers, within a second."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT.total_seconds()):
                hello = await self._client.admin.command("hello")
        except (PyMongoError, TimeoutError):
            return False
        return bool(hello.get("isWritablePrimary"))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


@asynccontextmanager
async def watching_mongo(
    uri: str, database_name: str
) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """Give the database to whoever watches its changes; nothing connects before first use."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        uri, tz_aware=True, tzinfo=UTC, appname="perdure-events", **_options(uri)
    )
    try:
        yield client[database_name]
    finally:
        await client.close()


def _options(uri: str) -> dict[str, Any]:
    """Return our options, without those that the URI has its own word on."""
    return {
        name: value for name, value in _OPTIONS.items() if f"{name.lower()}=" not in uri.lower()
    }
