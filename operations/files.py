"""Use cases of files: announce an upload, store it, list, link, read.

Source: docs/api.md, "Files"; docs/decisions/0019-files.md.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from flows.errors import FileStoredError, InvalidError, StoredFileNotFoundError, UnavailableError
from operations.access import FlowAccess
from operations.caller import Caller
from operations.file_links import LINK_LIFETIME, FileLinks, Link
from store.clock import now
from store.files import FileRepository
from store.flows import FlowRepository
from store.models import FileRecord

MAX_FILENAME_CHARS = 255
MAX_CONTENT_TYPE_CHARS = 255
MAX_FILE_KEY_CHARS = 255
UPLOAD_TIMEOUT = timedelta(hours=2)
DEFAULT_CONTENT_TYPE = "application/octet-stream"

_FORM = "application/x-www-form-urlencoded"
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  # a pattern, not a secret
_MEDIA_TYPE = re.compile(
    rf'{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"))*',
    re.ASCII,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class FileContents(Protocol):
    """Where the bytes of files are kept: MongoDB, or any store of objects."""

    async def write(self, content_id: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep all that the iterator yields, without holding it in memory."""

    def read(self, content_id: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from one position up to another; LookupError if they are gone."""

    async def delete(self, content_id: str) -> None:
        """Delete what was written under this id, whole or not; harmless when repeated."""


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A token for one file in one direction."""

    file_key: str
    token: str
    expires_at: datetime


class Files:
    """What callers, and whoever holds a link, may do with files."""

    def __init__(
        self,
        *,
        flows: FlowRepository,
        files: FileRepository,
        contents: FileContents,
        links: FileLinks,
    ) -> None:
        """Borrow everything."""
        self._flows = flows
        self._access = FlowAccess(flows)
        self._files = files
        self._contents = contents
        self._links = links

    async def announce(
        self, caller: Caller, flow_id: str, filename: str | None, content_type: str | None
    ) -> SignedLink:
        """Return a link by which one file can be uploaded, once, within the hour.

        Raises:
            FlowNotFoundError: No such flow in the caller's organization.
            InvalidError: The file name or the content type cannot be one.
        """
        await self._access.latest(caller, flow_id, tells_foreign=False)
        if filename is not None and (not filename or _CONTROL.search(filename)):
            raise InvalidError("filename is empty or contains a control character")
        if filename is not None and len(filename) > MAX_FILENAME_CHARS:
            raise InvalidError(f"filename is longer than {MAX_FILENAME_CHARS} characters")
        if content_type is not None and not is_media_type(content_type):
            raise InvalidError("content_type is no media type, such as application/pdf")
        at = now()
        record = FileRecord(
            id=str(uuid4()),
            organization_id=caller.organization_id,
            flow_id=flow_id,
            filename=filename,
            content_type=content_type,
            created_at=at,
            created_by=caller.modified_by,
            upload_until=at + LINK_LIFETIME,
        )
        token = self._links.sign("upload", _link_to(record), record.upload_until)
        await self._files.announce(record)
        return SignedLink(record.id, token, record.upload_until)

    async def upload(
        self, token: str, chunks: AsyncIterator[bytes], content_type: str | None
    ) -> FileRecord:
        """Store the one file of an upload link; nothing is left of an upload that breaks off.

        Args:
            content_type: What the upload itself says; counts where nobody said it before.

        Raises:
            FileUrlRefusedError: The link does not hold.
            FlowNotFoundError: The flow was deleted meanwhile.
            FileStoredError: The link was used.
            TooLargeError: What ``chunks`` raises when there are too many.
        """
        link = self._links.opened("upload", token)
        content_id = uuid4().hex
        record = await self._files.begin(link.organization_id, link.file_key, content_id)
        measured = _Measured(chunks)
        try:
            await self._flows.latest(record.organization_id, record.flow_id)
            async with asyncio.timeout(UPLOAD_TIMEOUT.total_seconds()):
                await self._contents.write(content_id, aiter(measured))
        except TimeoutError as error:
            await self._discard(record, content_id)
            raise UnavailableError("storing the file took too long") from error
        except BaseException:
            await asyncio.shield(self._discard(record, content_id))
            raise
        # From here on the bytes may be the file's, whatever is raised, unless the answer is clear.
        try:
            return await self._files.complete(
                record.organization_id,
                record.id,
                content_id,
                content_type=record.content_type or _usable(content_type),
                size=measured.size,
                sha256=measured.digest.hexdigest(),
            )
        except (FileStoredError, StoredFileNotFoundError):
            await self._discard(record, content_id)
            raise

    async def list(self, caller: Caller, flow_id: str) -> Sequence[FileRecord]:
        """Return the stored files of a flow, newest first.

        Raises:
            FlowNotFoundError: No such flow in the caller's organization.
        """
        await self._access.latest(caller, flow_id, tells_foreign=False)
        return await self._files.list(caller.organization_id, flow_id)

    async def link(self, caller: Caller, file_key: str) -> SignedLink:
        """Return a link by which a file can be downloaded within the hour.

        Raises:
            StoredFileNotFoundError: No such file in the caller's organization.
        """
        if len(file_key) > MAX_FILE_KEY_CHARS:
            file_key = file_key[:MAX_FILE_KEY_CHARS]  # which is no key either
        record = await self._files.get(caller.organization_id, file_key)
        if not caller.sees(record.flow_id):
            raise StoredFileNotFoundError("no such file", file_key=file_key)
        until = now() + LINK_LIFETIME
        return SignedLink(record.id, self._links.sign("download", _link_to(record), until), until)

    async def linked(self, token: str) -> FileRecord:
        """Return the file of a download link.

        Raises:
            FileUrlRefusedError: The link does not hold.
            StoredFileNotFoundError: The file is gone.
        """
        link = self._links.opened("download", token)
        return await self._files.get(link.organization_id, link.file_key)

    def read(self, record: FileRecord, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield a stored file's bytes from one position up to another."""
        return self._contents.read(record.content_id or "", start, stop)

    async def _discard(self, record: FileRecord, content_id: str) -> None:
        """Delete what an upload wrote; while the store is down, the sweep is left to do it."""
        with suppress(UnavailableError):
            await self._contents.delete(content_id)
            await self._files.forget_upload(record.organization_id, record.id, content_id)


class FileSweep:
    """Deletes what uploads left behind that never ended."""

    def __init__(self, files: FileRepository, contents: FileContents) -> None:
        """Borrow both."""
        self._files = files
        self._contents = contents

    async def sweep(self, limit: int) -> int:
        """Clean up after announcements that are over; return how many were looked at."""
        found = await self._files.leftovers(now(), limit)
        for leftovers in found:
            for content_id in leftovers.content_ids:
                await self._contents.delete(content_id)
            await self._files.swept(leftovers.organization_id, leftovers.file_key)
        return len(found)


def is_media_type(text: str) -> bool:
    """Return whether a text is a media type, with parameters or without."""
    return len(text) <= MAX_CONTENT_TYPE_CHARS and _MEDIA_TYPE.fullmatch(text) is not None


class _Measured:
    """Counts and hashes what passes through."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.size = 0
        self.digest = hashlib.sha256()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            self.digest.update(chunk)
            yield chunk


def _usable(content_type: str | None) -> str:
    """Return what an upload says of itself, unless it says nothing, or what tools always say."""
    if content_type is None or not is_media_type(content_type):
        return DEFAULT_CONTENT_TYPE
    return DEFAULT_CONTENT_TYPE if content_type.lower().startswith(_FORM) else content_type


def _link_to(record: FileRecord) -> Link:
    return Link(record.organization_id, record.id)
