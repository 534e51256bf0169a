"""Requests made of what authors write: nothing in them can change the request around it."""

import json
import re
from collections.abc import Collection, Mapping, Sequence

import httpx
from pydantic import JsonValue

from activities.exchange import shown_url, url_fault
from activities.redirects import is_web_url
from flows.errors import TaskFailedError
from flows.executors.http_request import Scalar

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({"connection", "content-length", "host", "te", "transfer-encoding", "upgrade"})


def request_headers(
    authored: Mapping[str, Scalar], reserved: Collection[str] = ()
) -> dict[str, str]:
    """Return headers in lower case; none may break out of its line or change the framing.

    Args:
        reserved: Names in lower case that authors may not set.

    Raises:
        TaskFailedError: ``InvalidRequest``; the message names the header and never its value.
    """
    headers: dict[str, str] = {}
    for name, value in authored.items():
        text = scalar_text(value)
        if not _HEADER_NAME.match(name) or _CONTROL.search(text):
            raise _invalid(f"header {name!r} holds characters that a header cannot")
        if name.lower() in _FRAMING or name.lower() in reserved:
            raise _invalid(f"header {name!r} cannot be set")
        if not text.isascii():
            raise _invalid(f"header {name!r} is not ASCII")
        headers[name.lower()] = text.strip()
    return headers


def web_request(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
    query: Sequence[tuple[str, str]] = (),
) -> httpx.Request:
    """Build a request to an http or https URL.

    Args:
        query: Pairs to add to those of the URL.

    Raises:
        TaskFailedError: ``InvalidRequest``.
    """
    try:
        target = httpx.URL(url)
        if query:
            target = target.copy_merge_params([*query])
        if not is_web_url(target):
            raise _invalid(f"{shown_url(target)!r} is not an http or https URL")
        return client.build_request(method, target, content=content, headers=[*headers.items()])
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise _invalid(f"the URL cannot be used: {url_fault(error)}") from None


def json_bytes(value: JsonValue) -> bytes:
    """Return the value as compact JSON in UTF-8."""
    return encoded(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def encoded(text: str) -> bytes:
    """Return the text in UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _invalid("the body holds half of a surrogate pair") from None


def scalar_text(value: Scalar) -> str:
    """Write a scalar as JSON would."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _invalid(message: str) -> TaskFailedError:
    return TaskFailedError(message, type="InvalidRequest")
