"""Creating executions: counter, record and idempotency key in one transaction.

Creations that arrive together share a transaction, so that runs of one flow do not fight over its
counter.

Source: docs/decisions/0010-run-numbers-and-idempotency.md.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flows.errors import IdempotencyConflictError
from store import collections
from store.clock import now
from store.documents import EXECUTION_VALUES, execution_document, execution_record
from store.group_commit import GroupCommit
from store.metadata import metadata_of, metadata_words
from store.models import ExecutionRecord
from store.tallies import Tallies, Word
from store.transactions import in_transaction
from store.values import Database, Document, Values

KEPT_FOR = timedelta(hours=24)
MAX_BATCH = 100

Idempotency = tuple[str, str]
"""The caller's key, and a digest of the request it came with."""


@dataclass(frozen=True, slots=True)
class _Request:
    record: ExecutionRecord
    idempotency: Idempotency | None


class Creation:
    """Writes new executions."""

    def __init__(self, database: Database, values: Values) -> None:
        """Borrow a database."""
        self._client = database.client
        self._executions: Any = database[collections.EXECUTIONS]
        self._counters: Any = database[collections.FLOW_COUNTERS]
        self._keys: Any = database[collections.IDEMPOTENCY_KEYS]
        self._values = values
        self._tallies = Tallies(database)
        self._group: GroupCommit[_Request, ExecutionRecord] = GroupCommit(
            self._flush, max_batch=MAX_BATCH
        )

    async def create(
        self, record: ExecutionRecord, idempotency: Idempotency | None
    ) -> ExecutionRecord:
        """Return the record as written, or the one that its key led to before.

        Raises:
            IdempotencyConflictError: The key came with another request before.
        """
        return await self._group.submit(_Request(record, idempotency))

    async def _flush(self, requests: Sequence[_Request]) -> list[ExecutionRecord | Exception]:
        """Write those without a key together, those with one each alone."""
        plain = [request.record for request in requests if request.idempotency is None]
        keyed = [self._keyed(request) for request in requests if request.idempotency is not None]
        written, *answers = await asyncio.gather(self._write(plain), *keyed, return_exceptions=True)
        without_key = iter(written if isinstance(written, list) else [written] * len(plain))
        with_key = iter(answers)
        return [
            _answer(next(without_key if request.idempotency is None else with_key))
            for request in requests
        ]

    async def _keyed(self, request: _Request) -> ExecutionRecord:
        """Write one execution with its key, unless the key is taken."""
        record, idempotency = request.record, request.idempotency
        if idempotency is None:
            raise TypeError("a request without a key")
        earlier = await self.earlier(record.organization_id, idempotency)
        if earlier is not None:
            return earlier
        try:
            return (await self._write([record], _key_document(record, idempotency)))[0]
        except DuplicateKeyError:
            earlier = await self.earlier(record.organization_id, idempotency)
            if earlier is None:
                raise
            return earlier

    async def earlier(
        self, organization_id: str, idempotency: Idempotency
    ) -> ExecutionRecord | None:
        """Return the execution that a key led to, if it still counts.

        Raises:
            IdempotencyConflictError: The key came with another request.
        """
        key_id = _key_id(organization_id, idempotency)
        key = await self._keys.find_one({"_id": key_id})
        if key is None or key["created_at"] < now() - KEPT_FOR:
            return None
        if key["body_digest"] != idempotency[1]:
            raise IdempotencyConflictError("this key came with another request before")
        document = await self._executions.find_one(
            {"_id": key["execution_id"], "organization_id": organization_id}
        )
        if document is None:
            return None
        await self._values.load([document], EXECUTION_VALUES)
        return execution_record(document)

    async def _write(
        self, records: Sequence[ExecutionRecord], key: Document | None = None
    ) -> list[ExecutionRecord]:
        """Write executions in one transaction, in order; all of them or none."""
        if not records:
            return []
        drafts = [await self._placed(record) for record in records]

        async def transact(session: AsyncIOMotorClientSession) -> list[int]:
            numbers = await self._take_numbers(records, session)
            for draft, number in zip(drafts, numbers, strict=True):
                draft["run_number"] = number
            if key is not None:
                expired = {"_id": key["_id"], "created_at": {"$lt": now() - KEPT_FOR}}
                await self._keys.delete_one(expired, session=session)
                await self._keys.insert_one(key, session=session)
            await self._executions.insert_many(drafts, session=session)
            await self._count_metadata(drafts, session)
            return numbers

        numbers = await in_transaction(self._client, transact)
        return [
            replace(record, run_number=number)
            for record, number in zip(records, numbers, strict=True)
        ]

    async def _placed(self, record: ExecutionRecord) -> Document:
        """Return the document, its large values moved out."""
        document = execution_document(record)
        document["input"] = await self._values.put(record.id, document["input"])
        metadata = metadata_of(record.input)
        if metadata:
            document["metadata"] = metadata
        return document

    async def _count_metadata(
        self, drafts: Sequence[Document], session: AsyncIOMotorClientSession
    ) -> None:
        """Count what executions are described by."""
        words: dict[str, list[Word]] = {}
        for draft in drafts:
            words.setdefault(draft["organization_id"], []).extend(metadata_words(draft))
        for organization_id, counted in words.items():
            await self._tallies.count(organization_id, counted, 1, session)

    async def _take_numbers(
        self, records: Sequence[ExecutionRecord], session: AsyncIOMotorClientSession
    ) -> list[int]:
        """Return run numbers in order, moving each flow's counter once."""
        versions: dict[str, list[int]] = {}
        for record in records:
            versions.setdefault(record.flow_id, []).append(record.flow_version)
        next_number: dict[str, int] = {}
        organizations = {record.flow_id: record.organization_id for record in records}
        for flow_id in sorted(versions):
            counts: Document = {
                "run_number": len(versions[flow_id]),
                "live": len(versions[flow_id]),
            }
            for version in versions[flow_id]:
                name = f"versions.{version}"
                counts[name] = counts.get(name, 0) + 1
            counter = await self._counters.find_one_and_update(
                {"_id": flow_id},
                {
                    "$inc": counts,
                    "$setOnInsert": {"organization_id": organizations[flow_id]},
                },
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            next_number[flow_id] = counter["run_number"] - len(versions[flow_id]) + 1
        numbers = []
        for record in records:
            numbers.append(next_number[record.flow_id])
            next_number[record.flow_id] += 1
        return numbers


def _answer(outcome: object) -> ExecutionRecord | Exception:
    """Return what one caller gets; what is neither record nor error is not for callers."""
    if isinstance(outcome, ExecutionRecord | Exception):
        return outcome
    if isinstance(outcome, BaseException):
        raise outcome
    raise TypeError(f"neither a record nor an error: {outcome!r}")


def _key_id(organization_id: str, idempotency: Idempotency) -> str:
    """Return the id of a key; keys of different organizations never meet."""
    return sha256(f"{organization_id}\x1f{idempotency[0]}".encode()).hexdigest()


def _key_document(record: ExecutionRecord, idempotency: Idempotency) -> Document:
    """Return what is remembered of a key."""
    return {
        "_id": _key_id(record.organization_id, idempotency),
        "organization_id": record.organization_id,
        "body_digest": idempotency[1],
        "execution_id": record.id,
        "created_at": now(),
    }
