"""The local Temporal server and mongod: real binaries, started, awaited and stopped.

``perdure up`` and the tests share this. Both servers listen on the loopback interface only and keep
their state in a folder, so it survives restarts and ``kill -9``.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import OperationFailure, PyMongoError
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.service import RPCError

from runtime.binaries import mongod_binary, temporal_binary
from runtime.gateway import SEARCH_ATTRIBUTES
from runtime.process import ManagedProcess
from runtime.readiness import LOOPBACK, await_answer
from runtime.temporal import connect

REPLICA_SET = "rs0"
NAMESPACE = "default"
RETENTION = timedelta(days=7)
OPLOG_RETENTION = timedelta(hours=24)

_NOT_INITIALIZED = 94
_DRIVER_PATIENCE_MS = 500

_SQLITE_PRAGMAS = ("journal_mode=wal", "synchronous=full")
# An idle server polls its queues 20 times a second by default, so it answers in steps of 50 ms.
_DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "100000",
    "history.timerProcessorMaxPollRPS": "100000",
    "history.visibilityProcessorMaxPollRPS": "100000",
    # A timer is pushed out by up to this much, to allow for hosts whose clocks differ; one process
    # has one clock, and the default of a second delays every short timer and retry.
    "history.timerProcessorMaxTimeShift": '"1ms"',
    "matching.enableFairness": "true",
}


class EmbeddedTemporal:
    """A Temporal server of one process, with Web UI, on a database file."""

    def __init__(self, data_dir: Path, port: int, ui_port: int | None) -> None:
        """Prepare it; ``ui_port`` None leaves the Web UI out.

        Raises:
            StartUpError: There is no ``temporal`` binary.
        """
        self.address = f"{LOOPBACK}:{port}"
        self._data_dir = data_dir
        command = [str(temporal_binary()), "server", "start-dev", *self._options(port, ui_port)]
        self.process = ManagedProcess("temporal", command, data_dir / "logs" / "temporal.log")

    async def start(self) -> None:
        """Start it and wait until its namespace answers.

        Raises:
            StartUpError: It ended or stayed silent.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        await self.process.start()
        await await_answer(self.process, self._is_ready)

    async def stop(self) -> None:
        """Stop it; its state stays."""
        await self.process.stop()

    async def _is_ready(self) -> bool:
        """Return whether the namespace answers; sets its retention, which defaults to a day."""
        try:
            client = await connect(self.address, NAMESPACE)
            retention = Duration()
            retention.FromTimedelta(RETENTION)
            await client.workflow_service.update_namespace(
                UpdateNamespaceRequest(
                    namespace=NAMESPACE,
                    config=NamespaceConfig(workflow_execution_retention_ttl=retention),
                ),
                timeout=timedelta(seconds=2),
            )
        except (RPCError, RuntimeError):
            return False
        return True

    def _options(self, port: int, ui_port: int | None) -> list[str]:
        """Return the arguments of ``start-dev``."""
        options = ["--ip", LOOPBACK, "--port", str(port)]
        options += ["--db-filename", str(self._data_dir / "temporal.db")]
        options += ["--log-format", "json", "--log-level", "warn"]
        if ui_port is None:
            options.append("--headless")
        else:
            options += ["--ui-ip", LOOPBACK, "--ui-port", str(ui_port), "--ui-disable-news-fetch"]
        for pragma in _SQLITE_PRAGMAS:
            options += ["--sqlite-pragma", pragma]
        options += _assignments("--search-attribute", _search_attribute_types())
        return options + _assignments("--dynamic-config-value", _DYNAMIC_CONFIG)


class EmbeddedMongo:
    """A mongod that is a replica set of its own, so that transactions work."""

    def __init__(self, data_dir: Path, port: int, *, cache_mb: int = 512) -> None:
        """Prepare it.

        Raises:
            StartUpError: There is no ``mongod`` for this platform.
        """
        self.uri = f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"
        self._member = f"{LOOPBACK}:{port}"
        self._data_dir = data_dir
        binary = mongod_binary(data_dir / "bin")
        command = [str(binary), *self._options(port, cache_mb)]
        self.process = ManagedProcess("mongod", command, data_dir / "logs" / "mongod.log")

    async def start(self) -> None:
        """Start it and wait until it accepts writes.

        Raises:
            StartUpError: It ended or stayed silent.
        """
        (self._data_dir / "mongodb").mkdir(parents=True, exist_ok=True)
        await self.process.start()
        client: AsyncIOMotorClient = AsyncIOMotorClient(
            f"mongodb://{self._member}/",
            directConnection=True,
            serverSelectionTimeoutMS=_DRIVER_PATIENCE_MS,
            connectTimeoutMS=_DRIVER_PATIENCE_MS,
        )

        async def is_ready() -> bool:
            return await self._is_ready(client)

        try:
            await await_answer(self.process, is_ready)
        finally:
            client.close()

    async def stop(self) -> None:
        """Stop it; its state stays."""
        await self.process.stop()

    async def _is_ready(self, client: AsyncIOMotorClient) -> bool:
        """Return whether it accepts writes; makes it a replica set where it is none yet."""
        try:
            if (await client.admin.command("hello")).get("isWritablePrimary"):
                return True
            await self._form_replica_set(client)
        except PyMongoError:
            return False
        return False

    async def _form_replica_set(self, client: AsyncIOMotorClient) -> None:
        """Initiate the replica set, or move an existing one to the port of today."""
        member = {"_id": 0, "host": self._member}
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code != _NOT_INITIALIZED:
                raise
            initial = {"_id": REPLICA_SET, "members": [member]}
            await client.admin.command("replSetInitiate", initial)
            return
        if config["members"][0]["host"] != self._member:
            moved = config | {"members": [member], "version": config["version"] + 1}
            await client.admin.command("replSetReconfig", moved, force=True)

    def _options(self, port: int, cache_mb: int) -> list[str]:
        """Return the arguments of ``mongod``."""
        return [
            *("--dbpath", str(self._data_dir / "mongodb")),
            *("--bind_ip", LOOPBACK),
            *("--port", str(port)),
            *("--replSet", REPLICA_SET),
            *("--wiredTigerCacheSizeGB", f"{cache_mb / 1024:g}"),
            *("--oplogSize", "512"),
            # Whoever follows a flow may be away for a day and miss nothing: docs/operations.md.
            *("--oplogMinRetentionHours", str(OPLOG_RETENTION // timedelta(hours=1))),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # What a killed process had begun is rolled back soon, and not after a minute: until
            # then nobody else can write what it had written.
            *("--setParameter", "transactionLifetimeLimitSeconds=3"),
            "--nounixsocket",
            "--quiet",
        ]


def _search_attribute_types() -> dict[str, str]:
    """Return the type of each of our search attributes, in the command's spelling."""
    names = {name: IndexedValueType.Name(value) for name, value in SEARCH_ATTRIBUTES.items()}
    return {name: kind.removeprefix("INDEXED_VALUE_TYPE_").title() for name, kind in names.items()}


def _assignments(option: str, values: Mapping[str, str]) -> list[str]:
    """Return ``option key=value`` for each value."""
    return [part for key, value in values.items() for part in (option, f"{key}={value}")]
