"""The bytes of files, to and from the URLs that the API gives: a piece at a time, in either way.

Source: docs/api.md, "Files".
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import httpx

from cli.client import ClientError, JsonObject, refusal

CHUNK_BYTES = 1024 * 1024

_ENCODED_NAME = re.compile(r"filename\*=UTF-8''([^;]+)")
_PLAIN_NAME = re.compile(r'filename="([^"]*)"')

# The API's key is not sent along: the URL says enough, and may lead to another host.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


def upload(url: str, path: Path, content_type: str | None) -> JsonObject:
    """Send a file to an upload URL, and return what the API says of it.

    Raises:
        ClientError: The file cannot be read, or the upload was refused or broke off.
    """
    headers = {} if content_type is None else {"Content-Type": content_type}
    with _said_in_one_line(url), path.open("rb") as file:
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
        pieces = iter(lambda: file.read(CHUNK_BYTES), b"")
        response = httpx.put(
            url, content=pieces, headers=headers, timeout=_TIMEOUT, trust_env=False
        )
    if not response.is_success:
        raise refusal(response)
    stored: JsonObject = response.json()
    return stored


def download(url: str, place: Callable[[str], Path]) -> Path:
    """Fetch a download URL's file; it is in its place when it is whole, and not before.

    Args:
        place: Where it goes, given the name that it was uploaded under, empty if it had none.

    Raises:
        ClientError: It cannot be fetched or written, or arrived damaged.
    """
    with (
        _said_in_one_line(url),
        httpx.stream("GET", url, timeout=_TIMEOUT, trust_env=False) as response,
    ):
        if not response.is_success:
            response.read()
            raise refusal(response)
        target = place(_name_of(response))
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            _write(response, part)
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return target


def _write(response: httpx.Response, part: Path) -> None:
    """Write a body, and hold it against its digest.

    Raises:
        ClientError: It is not what was stored.
    """
    digest = hashlib.sha256()
    with part.open("xb") as file:
        for piece in response.iter_bytes(CHUNK_BYTES):
            digest.update(piece)
            file.write(piece)
    if response.headers.get("ETag", "").strip('"') != digest.hexdigest():
        raise ClientError("the file arrived damaged; try again")


def _name_of(response: httpx.Response) -> str:
    """Return the last part of the name that a file was uploaded under, whatever system's it is."""
    said = response.headers.get("Content-Disposition", "")
    encoded, plain = _ENCODED_NAME.search(said), _PLAIN_NAME.search(said)
    name = unquote(encoded[1]) if encoded else plain[1] if plain else ""
    return PureWindowsPath(PurePosixPath(name).name).name.strip(". ")


@contextmanager
def _said_in_one_line(url: str) -> Iterator[None]:
    """Turn what goes wrong on the way into our own error.

    Raises:
        ClientError: A file, or the place behind the URL, cannot be reached.
    """
    try:
        yield
    except httpx.TransportError as error:
        host = httpx.URL(url).host
        raise ClientError(
            f"no answer from {host} ({str(error) or type(error).__name__})"
        ) from error
    except OSError as error:
        name = error.filename or "the file"
        raise ClientError(f"cannot use {name}: {error.strerror or error}") from error
