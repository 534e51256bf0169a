"""Stored files as responses: streamed, named safely, whole or in part.

Nothing that somebody uploaded may act as a page of ours: it is always an attachment, its type is
not guessed, and a browser that shows it nevertheless runs nothing.
"""

import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from api.envelope import error_reply
from operations.files import DEFAULT_CONTENT_TYPE
from store.models import FileRecord

Reader = Callable[[FileRecord, int, int], AsyncIterator[bytes]]

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)
_UNSAFE_IN_QUOTES = re.compile(r"[^ !#-$&-\[\]-~]")


def content_disposition(filename: str | None) -> str:
    """Return the header that names a download, as RFC 6266 writes it.

    The exact name travels in ``filename*``; readers that do not know it get one in ASCII. Folders
    in the name are left out: no reader has a use for them.
    """
    name = re.split(r"[/\\]", filename or "")[-1].strip()
    if name in ("", ".", ".."):
        return "attachment"
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    header = f'attachment; filename="{plain}"'
    if plain != name:
        header += f"; filename*=UTF-8''{quote(name, safe='')}"
    return header


def file_response(
    record: FileRecord, read: Reader, headers: Headers, *, request_id: str | None, is_head: bool
) -> Response:
    """Return a file, the part that was asked for, or word that the caller's copy is current."""
    etag = f'"{record.sha256}"'
    described = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(record.filename),
        "Content-Type": record.content_type or DEFAULT_CONTENT_TYPE,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-cache",
    }
    if _is_known(etag, headers.get("if-none-match")):
        return Response(None, 304, {"ETag": etag, "Cache-Control": described["Cache-Control"]})
    part = _part(record, headers) if headers.get("if-range", etag) == etag else None
    if part == ():
        return error_reply(
            416,
            f"the file has {record.size} bytes",
            "bad_request",
            request_id=request_id,
            headers={"Content-Range": f"bytes */{record.size}"},
        )
    start, stop = part or (0, record.size)
    described["Content-Length"] = str(stop - start)
    if part is not None:
        described["Content-Range"] = f"bytes {start}-{stop - 1}/{record.size}"
    status = 200 if part is None else 206
    if is_head:
        return Response(None, status, described)
    return StreamingResponse(read(record, start, stop), status, described)


def _is_known(etag: str, known: str | None) -> bool:
    if known is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag in tags or "*" in tags


def _part(record: FileRecord, headers: Headers) -> tuple[int, int] | tuple[()] | None:
    """Return first byte and end of the range; nothing if it is empty, None to send it all."""
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), record.size)
        start, stop = record.size - length, record.size
    else:
        start = int(first)
        stop = min(int(last) + 1, record.size) if last else record.size
        if last and int(last) < start:
            return None
    return (start, stop) if start < stop else ()
