"""What a body may be: how deep, which JSON, and which YAML."""

import asyncio
import json
import sys
from math import isinf

from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import Receive, Scope

from api.intake import MAX_DEFINITION_BODY_BYTES
from api.media_types import is_yaml
from flows.errors import InvalidError, TooLargeError
from flows.yaml_reading import read_yaml

MAX_DEPTH = 64

_MAX_DOUBLE = int(sys.float_info.max)


class JsonRequest(Request):
    """A request whose JSON is read by our own rules, once.

    Where YAML is taken, a YAML body stands for the JSON that says the same: whoever looks at the
    request sees the content type of that.
    """

    def __init__(self, scope: Scope, receive: Receive, *, takes_yaml: bool = False) -> None:
        """Wrap a request that was received."""
        self._is_yaml = takes_yaml and is_yaml(Headers(scope=scope).get("content-type"))
        if self._is_yaml:
            scope = {**scope, "headers": [*scope["headers"]]}
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        super().__init__(scope, receive)

    async def json(self) -> JsonValue:
        """Return the parsed body; raises what ``read_json`` or ``read_yaml_body`` raises."""
        if not hasattr(self, "_json"):
            body = await self.body()
            # Reading YAML takes a hundred times as long; others are served meanwhile.
            self._json = (
                await asyncio.to_thread(read_yaml_body, body) if self._is_yaml else read_json(body)
            )
        value: JsonValue = self._json
        return value

    @property
    def says_json(self) -> bool:
        """Return whether the body is, or may be, JSON; a missing content type counts as JSON."""
        declared = self.headers.get("content-type")
        return declared is None or "json" in declared


def refuse_encoded(headers: Headers) -> None:
    """Refuse a body that is compressed, which nobody here would unpack.

    Raises:
        InvalidError: ``Content-Encoding`` names an encoding.
    """
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise InvalidError("Content-Encoding is not supported; send the body as it is")


def read_yaml_body(body: bytes) -> JsonValue:
    """Return the value of a YAML document, which is held to the same rules as JSON.

    Raises:
        InvalidDefinitionError: It is no YAML, or says what JSON cannot; the fault names the line.
        TooLargeError: Too large once its aliases are expanded.
        InvalidError: As ``read_json``.

    Source: docs/api.md, "YAML".
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError("the body is not UTF-8") from error
    try:
        value = read_yaml(text, max_bytes=MAX_DEFINITION_BODY_BYTES, max_nesting=MAX_DEPTH + 1)
    except TooLargeError as error:
        if "levels" in error.facts:
            raise InvalidError(_TOO_DEEP) from error
        raise
    _check(value)
    return value


def read_json(body: bytes) -> JsonValue:
    """Return the value of a JSON document.

    Integers keep all their digits. A key that occurs twice in one object is refused, because
    dropping one of the two values silently would run something else than what was sent.

    Raises:
        RequestValidationError: It is no JSON.
        InvalidError: It is JSON that we do not take: not UTF-8, nested deeper than 64 levels,
            NaN or infinity, a number outside the range of a double, NUL or a lone surrogate in
            a string, a duplicate key.

    Source: docs/api.md, "Bodies".
    """
    try:
        value: JsonValue = _DECODER.decode(body.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise RequestValidationError([_syntax_error(error)]) from error
    except UnicodeDecodeError as error:
        raise InvalidError("the body is not UTF-8") from error
    except RecursionError as error:
        raise InvalidError(_TOO_DEEP) from error
    except ValueError as error:  # Python refuses to convert integers of thousands of digits
        raise InvalidError(_TOO_BIG) from error
    _check(value)
    return value


_TOO_DEEP = f"the body is nested deeper than {MAX_DEPTH} levels"
_TOO_BIG = "a number in the body is outside the range of a double"


def _syntax_error(error: json.JSONDecodeError) -> dict[str, object]:
    return {
        "type": "json_invalid",
        "loc": ("body", error.pos),
        "msg": "JSON decode error",
        "ctx": {"error": error.msg},
    }


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise InvalidError("an object in the body has the same key twice")
    return unique


def _refuse_constant(name: str) -> JsonValue:
    raise InvalidError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _check(value: JsonValue) -> None:
    """Walk a value level by level; the outermost object, the request's own, is not counted."""
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH + 2):
        deeper: list[JsonValue] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _check_text(key)
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
            else:
                _check_scalar(item)
        if not deeper:
            return
        level = deeper
    raise InvalidError(_TOO_DEEP)


def _check_scalar(value: str | bool | int | float | None) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif (isinstance(value, float) and isinf(value)) or (
        isinstance(value, int) and not -_MAX_DOUBLE <= value <= _MAX_DOUBLE
    ):
        raise InvalidError(_TOO_BIG)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidError("a string in the body contains NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidError("a string in the body contains a lone surrogate") from error
