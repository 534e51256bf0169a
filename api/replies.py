"""JSON answers, written once and never validated again; and the same as YAML."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from starlette.responses import Response

from flows.yaml_writing import write_yaml

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


def reply(
    content: object, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response; instants are written in ISO 8601, UTC, with a ``Z``."""
    return Response(encode(content), status_code, headers, media_type="application/json")


def in_yaml(response: Response, media_type: str) -> Response:
    """Return a JSON answer as YAML of this media type; any other answer as it is."""
    if response.media_type != "application/json" or not response.body:
        return response
    text = write_yaml(json.loads(bytes(response.body)))
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in ("content-length", "content-type")
    }
    return Response(text, response.status_code, headers, f"{media_type}; charset=utf-8")


def encode(content: object) -> bytes:
    """Return JSON in UTF-8. Integers beyond 64 bits keep all their digits."""
    try:
        return orjson.dumps(content, option=_OPTIONS)
    except orjson.JSONEncodeError:
        # Callers may send integers that orjson does not write; they come back as they were.
        text = json.dumps(content, default=_plain, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no JSON form")
