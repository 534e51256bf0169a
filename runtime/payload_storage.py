"""Large Temporal payloads in MongoDB: histories keep a claim, this collection the bytes.

A payload's id is made of what it belongs to and of its content, so storing it again stores nothing,
and whatever belongs to one execution can be deleted together.

Source: docs/decisions/0012-payloads-outside-histories.md.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from bson.binary import Binary
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import BulkWriteError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverActivityInfo,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from contracts.names import PAYLOADS, payload_owner

Document = dict[str, Any]

CHUNK_BYTES = 8 * 1024 * 1024
MAX_BATCH_BYTES = 32 * 1024 * 1024
CACHE_BYTES = 32 * 1024 * 1024
DUPLICATE_KEY = 11_000


class PayloadLostError(RuntimeError):
    """A history refers to a payload whose bytes are no longer stored."""


class MongoStorageDriver(StorageDriver):
    """Stores payloads as plain documents, larger ones as several.

    What this process stored or fetched a moment ago comes from memory: an activity's result is
    usually read next by a workflow of the same worker.
    """

    def __init__(self, database: AsyncIOMotorDatabase) -> None:
        """Borrow a database."""
        self._payloads: Any = database[PAYLOADS]
        self._recent = _Recent(CACHE_BYTES)

    def name(self) -> str:
        """Return the name that claims in histories carry; never changes."""
        return "perdure-mongodb"

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[Payload]
    ) -> list[StorageDriverClaim]:
        """Store payloads; those that are stored already cost one refused insert."""
        owner = _owner(context.target)
        fresh: dict[str, bytes] = {}
        claims = []
        for payload in payloads:
            data = payload.SerializeToString(deterministic=True)
            payload_id = f"{owner}/{sha256(data).hexdigest()}"
            claims.append(StorageDriverClaim({"id": payload_id, "bytes": str(len(data))}))
            if payload_id not in self._recent:
                fresh[payload_id] = data
        at = datetime.now(UTC)
        await self._insert(
            [chunk for key, data in fresh.items() for chunk in _chunks(key, owner, data, at)]
        )
        for key, data in fresh.items():
            self._recent.put(key, data)
        return claims

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return payloads in the order of their claims.

        Raises:
            PayloadLostError: Bytes are missing: the execution's retention has passed.
        """
        sizes = {claim.claim_data["id"]: int(claim.claim_data["bytes"]) for claim in claims}
        found = {key: data for key in sizes if (data := self._recent.get(key)) is not None}
        for batch in _batches({key: size for key, size in sizes.items() if key not in found}):
            fetched = await self._fetch(batch)
            for key, data in fetched.items():
                self._recent.put(key, data)
            found |= fetched
        return [Payload.FromString(found[claim.claim_data["id"]]) for claim in claims]

    async def _insert(self, chunks: Sequence[Document]) -> None:
        """Insert what is not there yet."""
        if not chunks:
            return
        try:
            await self._payloads.insert_many(chunks, ordered=False)
        except BulkWriteError as error:
            faults = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(
                fault["code"] != DUPLICATE_KEY for fault in faults
            ):
                raise

    async def _fetch(self, sizes: Mapping[str, int]) -> dict[str, bytes]:
        """Return the bytes of several payloads, in one query."""
        ids = [chunk_id for key, size in sizes.items() for chunk_id in _chunk_ids(key, size)]
        cursor = self._payloads.find({"_id": {"$in": ids}}, {"data": 1})
        held = {chunk["_id"]: bytes(chunk["data"]) async for chunk in cursor}
        missing = [chunk_id for chunk_id in ids if chunk_id not in held]
        if missing:
            raise PayloadLostError(f"payload {missing[0]} is not stored any more")
        return {
            key: b"".join(held[chunk_id] for chunk_id in _chunk_ids(key, size))
            for key, size in sizes.items()
        }


class _Recent:
    """The payloads seen last, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._data: OrderedDict[str, bytes] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def get(self, key: str) -> bytes | None:
        data = self._data.get(key)
        if data is not None:
            self._data.move_to_end(key)
        return data

    def put(self, key: str, data: bytes) -> None:
        self.forget([key])
        self._data[key] = data
        self._size += len(data)
        while self._size > self._max_bytes:
            _, dropped = self._data.popitem(last=False)
            self._size -= len(dropped)

    def forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            data = self._data.pop(key, None)
            if data is not None:
                self._size -= len(data)


def _owner(target: StorageDriverActivityInfo | StorageDriverWorkflowInfo | None) -> str:
    """Return what a payload belongs to; empty where nobody said."""
    if isinstance(target, StorageDriverWorkflowInfo) and target.id is not None:
        return payload_owner(target.id)
    return ""


def _chunk_ids(payload_id: str, size: int) -> list[str]:
    """Return the ids of a payload's documents, in order."""
    count = max(1, -(-size // CHUNK_BYTES))
    return [f"{payload_id}/{number}" for number in range(count)]


def _chunks(payload_id: str, owner: str, data: bytes, at: datetime) -> list[Document]:
    """Return a payload's documents."""
    return [
        {
            "_id": chunk_id,
            "owner_id": owner,
            "created_at": at,
            "data": Binary(data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]),
        }
        for number, chunk_id in enumerate(_chunk_ids(payload_id, len(data)))
    ]


def _batches(sizes: Mapping[str, int]) -> list[dict[str, int]]:
    """Split payloads so that one query brings a bounded number of bytes."""
    batches: list[dict[str, int]] = []
    room = 0
    for key, size in sizes.items():
        if not batches or size > room:
            batches.append({})
            room = MAX_BATCH_BYTES
        batches[-1][key] = size
        room -= size
    return batches
