"""The bytes of files in GridFS, written and read one chunk at a time.

The driver's own GridFS streams collect up to 48 MB before they write, and read ahead by 16 MB; a
process that serves many files at once cannot afford either. The layout is GridFS's own, so that any
tool for it reads what is stored here.

Source: docs/decisions/0019-files.md.
"""

from collections.abc import AsyncIterator
from typing import Any

from bson.binary import Binary

from store import collections
from store.clock import now
from store.faults import guarded, store_faults
from store.values import Database

CHUNK_BYTES = 1024 * 1024


class GridFSContents:
    """Keeps contents by an id that whoever writes them makes up."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._files: Any = database[f"{collections.FILE_CONTENTS}.files"]
        self._chunks: Any = database[f"{collections.FILE_CONTENTS}.chunks"]

    async def write(self, content_id: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep what the iterator yields, in pieces of any size; it is complete on return.

        Raises:
            StoreUnavailableError: MongoDB does not answer; what was written so far stays until it
                is deleted.
        """
        held = bytearray()
        count = length = 0
        async for chunk in chunks:
            held += chunk
            while len(held) >= CHUNK_BYTES:
                await self._write_chunk(content_id, count, bytes(held[:CHUNK_BYTES]))
                del held[:CHUNK_BYTES]
                count, length = count + 1, length + CHUNK_BYTES
        if held:
            await self._write_chunk(content_id, count, bytes(held))
            length += len(held)
        await self._write_file(content_id, length)

    async def read(self, content_id: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from one position up to another.

        Raises:
            LookupError: They are not there, or no longer.
            StoreUnavailableError: MongoDB does not answer.
        """
        for number in range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)):
            with store_faults():
                chunk = await self._chunks.find_one({"files_id": content_id, "n": number})
            if chunk is None:
                raise LookupError(f"chunk {number} of {content_id} is not stored")
            first = number * CHUNK_BYTES
            yield bytes(chunk["data"])[max(start - first, 0) : stop - first]

    async def delete(self, content_id: str) -> None:
        """Delete contents, whole or not; what is not there is no fault.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        with store_faults():
            await self._files.delete_one({"_id": content_id})
            await self._chunks.delete_many({"files_id": content_id})

    @guarded
    async def _write_chunk(self, content_id: str, number: int, data: bytes) -> None:
        await self._chunks.insert_one({"files_id": content_id, "n": number, "data": Binary(data)})

    @guarded
    async def _write_file(self, content_id: str, length: int) -> None:
        await self._files.insert_one(
            {
                "_id": content_id,
                "length": length,
                "chunkSize": CHUNK_BYTES,
                "uploadDate": now(),
                "filename": content_id,
            }
        )
