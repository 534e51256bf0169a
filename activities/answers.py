"""The body of an answer, read and decoded within a limit.

A service chooses what it sends: a body without end, or a few kilobytes that unpack to gigabytes,
once or in several layers. What is held at any moment stays within the limit.

Source: docs/security.md, "Outgoing connections".
"""

import asyncio
import zlib
from collections.abc import AsyncIterable, Iterable

from flows.errors import TaskFailedError

MAX_LAYERS = 2
ACCEPTED_ENCODINGS = "gzip, deflate"

_GZIP = 31
_ZLIB = 15
_BARE_DEFLATE = -15
_GZIP_MAGIC = b"\x1f\x8b"


class UndecodableError(Exception):
    """The body is not what its ``Content-Encoding`` says."""


async def read_bounded(parts: AsyncIterable[bytes], host: str, max_bytes: int) -> bytes:
    """Return the whole body as it was sent.

    Raises:
        TaskFailedError: ``ResponseTooLarge``; the rest was not read.
    """
    content = bytearray()
    async for part in parts:
        content += part
        if len(content) > max_bytes:
            raise too_large(host, max_bytes)
    return bytes(content)


def encodings_of(header: str) -> list[str] | None:
    """Return the layers in the order in which they are taken off; None if one is unknown."""
    names = [name.strip().lower() for name in header.split(",")]
    layers = [name.removeprefix("x-") for name in names if name not in {"", "identity"}]
    return layers[::-1] if set(layers) <= {"gzip", "deflate"} else None


async def decoded(content: bytes, layers: Iterable[str], host: str, max_bytes: int) -> bytes:
    """Return the body without its encodings.

    Raises:
        TaskFailedError: ``ResponseTooLarge``; nothing beyond the limit was unpacked. Or
            ``ConnectionFailed``, worth a retry: the body is cut short or broken.
    """
    names = list(layers)
    try:
        if len(names) > MAX_LAYERS:
            raise UndecodableError("too many encodings")
        for name in names:
            # Not on the loop, which other tasks share.
            content = await asyncio.to_thread(_unpacked, content, name, max_bytes)
            if len(content) > max_bytes:
                raise too_large(host, max_bytes)
    except (zlib.error, UndecodableError) as error:
        raise TaskFailedError(
            f"{host} answered with a body that cannot be decoded: {error}",
            type="ConnectionFailed",
            retryable=True,
        ) from None
    return content


def _unpacked(content: bytes, name: str, max_bytes: int) -> bytes:
    """Take one layer off, up to one byte beyond the limit."""
    if not content:
        return content
    if name == "gzip":
        return _inflated(content, _GZIP, max_bytes)
    try:
        return _inflated(content, _ZLIB, max_bytes)
    except zlib.error:  # many servers leave the wrapper out that the standard asks for
        return _inflated(content, _BARE_DEFLATE, max_bytes)


def _inflated(content: bytes, window_bits: int, max_bytes: int) -> bytes:
    """Inflate; gzip may consist of several members."""
    whole = bytearray()
    while True:
        member = zlib.decompressobj(wbits=window_bits)
        whole += member.decompress(content, max_bytes + 1 - len(whole))
        if len(whole) > max_bytes:
            return bytes(whole)
        if not member.eof:
            raise UndecodableError("it is cut short")
        content = member.unused_data
        if window_bits != _GZIP or not content.startswith(_GZIP_MAGIC):
            return bytes(whole)


def too_large(host: str, max_bytes: int) -> TaskFailedError:
    """Return the failure of a body beyond its limit."""
    return TaskFailedError(
        f"{host} answered with more than {max_bytes} bytes", type="ResponseTooLarge"
    )
