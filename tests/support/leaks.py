"""Looks for a value wherever it must not be, in every way in which it could be written."""

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

from motor.motor_asyncio import AsyncIOMotorDatabase
from temporalio.client import Client


def shows(data: bytes | str, value: str) -> bool:
    """Return whether data holds a value: plain, escaped, in hex, or in Base64 at any alignment."""
    held = data.encode(errors="replace") if isinstance(data, str) else data
    return any(form in held for form in _forms(value))


def _forms(value: str) -> Iterator[bytes]:
    plain = value.encode()
    yield plain
    yield json.dumps(value)[1:-1].encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    yield plain.hex().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(plain)
        for shift in range(3):
            whole = encode(b" " * shift + plain + b" " * 3)
            yield whole[4 if shift else 0 : -8]


async def history_of(client: Client, workflow_id: str) -> bytes:
    """Return every event of a workflow as the server holds it, children's included."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    data = history.to_json().encode()
    for event in history.events:
        data += event.SerializeToString()
        child = event.child_workflow_execution_started_event_attributes.workflow_execution
        if child.workflow_id:
            data += await history_of(client, child.workflow_id)
    return data


async def dump_of(database: AsyncIOMotorDatabase, organization_id: str | None = None) -> bytes:
    """Return all that a database holds, compressed values unpacked.

    Given an organization, without what belongs to others: many tests share a database.
    """
    held = {} if organization_id is None else {"organization_id": {"$in": [organization_id, None]}}
    pieces: list[bytes] = []
    for name in sorted(await database.list_collection_names()):
        async for document in database[name].find(held):
            pieces += _pieces(document)
    return b"\n".join(pieces)


def _pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key).encode()
            yield from _pieces(item)
    elif isinstance(value, list):
        for item in value:
            yield from _pieces(item)
    elif isinstance(value, bytes):
        yield value
        if value[:1] == b"z":
            with suppress(zlib.error):
                yield zlib.decompress(value[1:])
    else:
        yield str(value).encode(errors="replace")
