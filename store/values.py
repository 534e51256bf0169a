"""Free-form JSON values as bytes: keys with ``$`` or ``.``, big integers and key order survive.

The first byte says how the rest is to be read. Values too large for a document live in GridFS, and
the document holds a reference to them.

Source: docs/decisions/0007-json-values-as-bytes.md.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import orjson
from motor.motor_asyncio import AsyncIOMotorDatabase, AsyncIOMotorGridFSBucket
from pydantic import JsonValue

from flows.canonical import sayable

Document = dict[str, Any]
Database = AsyncIOMotorDatabase

COMPRESS_ABOVE_BYTES = 4 * 1024
INLINE_BELOW_BYTES = 4 * 1024 * 1024
BUCKET = "values"

_ORJSON = b"j"
_PYTHON = b"p"
_ZLIB = b"z"


def encode(value: JsonValue) -> bytes | None:
    """Return a value as bytes; null is None, so that documents can say "nothing" cheaply."""
    if value is None:
        return None
    encoded = _encode(value)
    if len(encoded) <= COMPRESS_ABOVE_BYTES:
        return encoded
    packed = _ZLIB + zlib.compress(encoded, level=1)
    return packed if len(packed) < len(encoded) else encoded


def decode(data: bytes | None) -> JsonValue:
    """Return the value that ``encode`` was given.

    Raises:
        ValueError: The bytes were not written by ``encode``.
    """
    if data is None:
        return None
    if data[:1] == _ZLIB:
        data = zlib.decompress(memoryview(data)[1:])
    kind, text = data[:1], memoryview(data)[1:]
    if kind == _ORJSON:
        return orjson.loads(text)  # type: ignore[no-any-return]  # JSON is all it returns
    if kind == _PYTHON:
        return json.loads(bytes(text))  # type: ignore[no-any-return]  # JSON is all it returns
    raise ValueError(f"unknown encoding {kind!r}")


def _encode(value: JsonValue) -> bytes:
    """Prefer the fast encoder; it refuses big integers, lone surrogates and deep nesting."""
    try:
        return _ORJSON + orjson.dumps(value)
    except TypeError:
        text = json.dumps(sayable(value), separators=(",", ":"), allow_nan=False)
        return _PYTHON + text.encode("ascii")


class Values:
    """Moves encoded values that do not fit a document to GridFS, and back."""

    def __init__(self, database: Database) -> None:
        """Borrow a database."""
        self._bucket: Any = AsyncIOMotorGridFSBucket(database, bucket_name=BUCKET)

    async def put(self, owner_id: str, data: bytes | None) -> bytes | Document | None:
        """Return what the document shall hold: the bytes, or a reference to them.

        Args:
            owner_id: What the value belongs to, such as an execution.
            data: From ``encode``.
        """
        if data is None or len(data) < INLINE_BELOW_BYTES:
            return data
        blob_id = uuid4().hex
        await self._bucket.upload_from_stream_with_id(
            blob_id, owner_id, data, metadata={"owner_id": owner_id}
        )
        return {"blob": blob_id, "bytes": len(data)}

    async def get(self, held: bytes | Mapping[str, Any] | None) -> JsonValue:
        """Return the value that a document holds or refers to."""
        if held is None or isinstance(held, bytes):
            return decode(held)
        stream = await self._bucket.open_download_stream(held["blob"])
        return decode(await stream.read())

    async def load(self, documents: Iterable[Document], fields: Iterable[str]) -> None:
        """Replace, in place, what each document holds in these fields by the values themselves."""
        names = tuple(fields)
        for document in documents:
            for name in names:
                if name in document:
                    held = document[name]
                    if held is None or isinstance(held, bytes):
                        document[name] = decode(held)
                    else:
                        document[name] = await self.get(held)
