"""The request that a tool of type ``external_api`` makes.

Arguments stand in it as ``{name}``, variables as everywhere. All is put in at once, so what one
value holds is never taken for the place of another.

Source: docs/workflow-language.md, "Tools".
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import JsonValue

from dialogs.effects import HttpReply
from dialogs.events import JsonObject
from dialogs.placeholders import ABSENT, Placeholder, pieces
from dialogs.templates import Lookup, as_text, resolved
from dialogs.tool_arguments import ArgumentError
from dialogs.tools import ApiTool

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request, in the words of an effect."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    body: str | None = None


def request_of(tool: ApiTool, arguments: Mapping[str, JsonValue], lookup: Lookup) -> Request:
    """Return the request; arguments that it names nowhere are its query, or its JSON body.

    Raises:
        ArgumentError: Headers or body are not written as they have to be.
    """
    used: set[str] = set()

    def place(name: str) -> JsonValue:
        used.add(name)
        return arguments[name]

    filler = _Filler(arguments, lookup, place)
    url = filler.text(tool.api_endpoint, lambda value: quote(as_text(value), safe=""))
    headers = {
        name: filler.text(as_text(value), as_text)
        for name, value in _object(tool.api_headers, "api_headers").items()
    }
    body = None
    if tool.api_body not in (None, "", {}):
        body = json.dumps(filler.value(_written(tool.api_body)), ensure_ascii=False)
    left: JsonObject = {name: value for name, value in arguments.items() if name not in used}
    if tool.api_method not in _WITHOUT_BODY:
        if body is None and left:
            body = json.dumps(left, ensure_ascii=False)
        left = {}
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    return Request(url, headers, _pairs(left), body)


def result_of(reply: HttpReply) -> tuple[JsonValue, str | None]:
    """Return what a service answered, as JSON if it is, and what is wrong with it."""
    if reply.error is not None or reply.status_code is None:
        return None, reply.error or "the service did not answer"
    value: JsonValue
    try:
        value = json.loads(reply.body, parse_constant=_refused) if reply.body.strip() else None
    except (ValueError, RecursionError):
        value = reply.body
    is_good = 200 <= reply.status_code < 300
    return value, None if is_good else f"the service answered {reply.status_code}"


class _Filler:
    """Puts arguments and variables into texts, in one pass."""

    def __init__(
        self,
        arguments: Mapping[str, JsonValue],
        lookup: Lookup,
        place: Callable[[str], JsonValue],
    ) -> None:
        self._arguments = arguments
        self._lookup = lookup
        self._place = place

    def text(self, text: str, written: Callable[[JsonValue], str]) -> str:
        """Return a text with all put in; ``written`` says how an argument is."""

        def named(match: re.Match[str]) -> str:
            name = match[1]
            return written(self._place(name)) if name in self._arguments else match[0]

        filled = ""
        for piece in pieces(text):
            if isinstance(piece, Placeholder):
                value = resolved(piece, self._lookup)
                filled += piece.text if value is ABSENT else as_text(value)
            else:
                filled += _NAME.sub(named, piece)
        return filled

    def value(self, value: JsonValue) -> JsonValue:
        """Return JSON with all put in; a string that is one argument becomes its value."""
        if isinstance(value, str):
            alone = _NAME.fullmatch(value)
            if alone is not None and alone[1] in self._arguments:
                return self._place(alone[1])
            return self.text(value, as_text)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {name: self.value(each) for name, each in value.items()}
        return value


def _written(body: JsonValue) -> JsonValue:
    """Return a body as JSON: authors write it so, or as a text that holds it."""
    if not isinstance(body, str):
        return body
    try:
        value: JsonValue = json.loads(body, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"api_body is not valid JSON: {error}") from error
    return value


def _object(written: JsonValue, field: str) -> JsonObject:
    value = written
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ArgumentError(f"{field} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentError(f"{field} is a JSON object")
    return value


def _pairs(arguments: JsonObject) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, as_text(each))
        for name, value in arguments.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    )


def _refused(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON")
