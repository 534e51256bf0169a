"""Files by their keys: who owns them, what they are called, and where their bytes are kept.

A file is announced, then stored once. Each upload writes to a place of its own, which is noted here
before its first byte; the one that ends first becomes the file. What else was noted is leftovers.

Source: docs/decisions/0019-files.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flows.errors import FileStoredError, StoredFileNotFoundError
from store import collections, indexes
from store.clock import now
from store.faults import guarded
from store.models import FileRecord
from store.values import Database, Document

SWEEP_AFTER = timedelta(hours=3)
"""Counted from the end of the time in which uploads may begin; longer than any of them takes."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Places of one file's uploads that did not become the file."""

    organization_id: str
    file_key: str
    content_ids: tuple[str, ...]


class FileRepository:
    """Reads and writes what is known of files, of one organization at a time."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._files: Any = database[collections.FILES]

    @guarded
    async def announce(self, record: FileRecord) -> None:
        """Note that a file may be uploaded."""
        await self._files.insert_one(
            {
                **_pending(record.organization_id, record.id),
                **_announced(record),
                "upload_until": record.upload_until,
                "sweep_at": record.upload_until + SWEEP_AFTER,
            }
        )

    @guarded
    async def announce_again(self, record: FileRecord) -> None:
        """Note that a file may be uploaded under a key that says what it holds.

        Whoever was interrupted does it again; a file that is stored by then stays as it is.
        """
        until = {
            "upload_until": record.upload_until,
            "sweep_at": record.upload_until + SWEEP_AFTER,
        }
        try:
            await self._files.update_one(
                _pending(record.organization_id, record.id),
                {"$set": until, "$setOnInsert": _announced(record)},
                upsert=True,
            )
        except DuplicateKeyError:
            return

    @guarded
    async def begin(self, organization_id: str, file_key: str, content_id: str) -> FileRecord:
        """Note where an upload is about to put its bytes.

        Raises:
            StoredFileNotFoundError: No such upload was announced, or its time is over.
            FileStoredError: The file is stored already.
        """
        wanted = {**_pending(organization_id, file_key), "upload_until": {"$gt": now()}}
        found = await self._files.find_one_and_update(
            wanted,
            {"$addToSet": {"uploads": content_id}},
            return_document=ReturnDocument.AFTER,
        )
        return _record(found or await self._refusal(organization_id, file_key))

    @guarded
    async def complete(
        self,
        organization_id: str,
        file_key: str,
        content_id: str,
        *,
        content_type: str,
        size: int,
        sha256: str,
    ) -> FileRecord:
        """Make what an upload wrote the file, unless another one came first.

        Raises:
            StoredFileNotFoundError: The announcement was swept away meanwhile.
            FileStoredError: Another upload came first.
        """
        stored = {
            "is_stored": True,
            "content_id": content_id,
            "content_type": content_type,
            "size": size,
            "sha256": sha256,
            "created_at": now(),
        }
        found = await self._files.find_one_and_update(
            _pending(organization_id, file_key),
            {"$set": stored, "$pull": {"uploads": content_id}},
            return_document=ReturnDocument.AFTER,
        )
        return _record(found or await self._refusal(organization_id, file_key))

    @guarded
    async def forget_upload(self, organization_id: str, file_key: str, content_id: str) -> None:
        """Note that nothing is left of an upload."""
        await self._files.update_one(
            {"_id": file_key, "organization_id": organization_id},
            {"$pull": {"uploads": content_id}},
        )

    @guarded
    async def get(self, organization_id: str, file_key: str) -> FileRecord:
        """Return a stored file.

        Raises:
            StoredFileNotFoundError: None by this key in the organization.
        """
        found = await self._files.find_one(
            {"_id": file_key, "organization_id": organization_id, "is_stored": True}
        )
        if found is None:
            raise _unknown(file_key)
        return _record(found)

    @guarded
    async def list(self, organization_id: str, flow_id: str) -> Sequence[FileRecord]:
        """Return the stored files of a flow, newest first; ties are broken by key."""
        cursor = (
            self._files.find(
                {"organization_id": organization_id, "flow_id": flow_id, "is_stored": True}
            )
            .sort([("created_at", -1), ("_id", -1)])
            .hint(indexes.FILES_BY_FLOW)
        )
        return [_record(found) async for found in cursor]

    @guarded
    async def leftovers(self, at: datetime, limit: int) -> Sequence[Leftovers]:
        """Return what nobody can be uploading any more, across organizations."""
        cursor = (
            self._files.find({"sweep_at": {"$lte": at}}, {"organization_id": 1, "uploads": 1})
            .sort("sweep_at", 1)
            .limit(limit)
            .hint(indexes.FILES_UNSWEPT)
        )
        return [
            Leftovers(found["organization_id"], found["_id"], tuple(found["uploads"]))
            async for found in cursor
        ]

    @guarded
    async def swept(self, organization_id: str, file_key: str) -> None:
        """Forget an announcement that led to nothing; of a stored file, forget its leftovers."""
        await self._files.delete_one(_pending(organization_id, file_key))
        await self._files.update_one(
            {"_id": file_key, "organization_id": organization_id},
            {"$set": {"uploads": []}, "$unset": {"sweep_at": ""}},
        )

    async def _refusal(self, organization_id: str, file_key: str) -> Document:
        """Say why an upload is not wanted."""
        known = await self._files.find_one(
            {"_id": file_key, "organization_id": organization_id, "is_stored": True}, {"_id": 1}
        )
        if known is None:
            raise _unknown(file_key)
        raise FileStoredError("the file was uploaded already", file_key=file_key)


def _pending(organization_id: str, file_key: str) -> Document:
    return {"_id": file_key, "organization_id": organization_id, "is_stored": False}


def _announced(record: FileRecord) -> Document:
    """Return what never changes until the file is stored."""
    return {
        "flow_id": record.flow_id,
        "filename": record.filename,
        "content_type": record.content_type,
        "created_at": record.created_at,
        "created_by": record.created_by,
        "uploads": [],
    }


def _unknown(file_key: str) -> StoredFileNotFoundError:
    return StoredFileNotFoundError("no such file", file_key=file_key)


def _record(document: Document) -> FileRecord:
    return FileRecord(
        id=document["_id"],
        organization_id=document["organization_id"],
        flow_id=document["flow_id"],
        filename=document["filename"],
        content_type=document["content_type"],
        created_at=document["created_at"],
        created_by=document["created_by"],
        upload_until=document["upload_until"],
        content_id=document.get("content_id"),
        size=document.get("size", 0),
        sha256=document.get("sha256", ""),
    )
