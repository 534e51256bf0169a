"""From JSON or YAML text to a JSON value, refusing what the two leave open.

Source: docs/flow-language.md, "Documents".
"""

import json
from collections import Counter
from typing import Literal

from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError, TooLargeError
from flows.faults import Faults
from flows.model import MAX_DEFINITION_BYTES, MAX_NESTING
from flows.values import value_faults
from flows.yaml_reading import read_yaml

Media = Literal["json", "yaml"]


def read_document(text: str | bytes, *, media: Media) -> JsonValue:
    """Read a definition, or a flow input, from text.

    Refuses duplicate keys, numbers that JSON cannot hold, NUL characters and halves of surrogate
    pairs; in YAML also tags, keys that are no text, merge keys, more than one document and aliases
    that would grow beyond the limit.

    Raises:
        InvalidDefinitionError: The text cannot be read; its faults say where.
        TooLargeError: More than 1 MiB, or more than 64 levels.
    """
    encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(encoded) > MAX_DEFINITION_BYTES:
        raise TooLargeError(f"a document may have {MAX_DEFINITION_BYTES} bytes at most")
    try:
        decoded = encoded.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"not UTF-8 at byte {error.start}", "bad_text") from error
    value = read_yaml(decoded) if media == "yaml" else _read_json(decoded)
    faults = list(value_faults(value))
    too_deep = next((fault for fault in faults if fault.type == "too_deep"), None)
    if too_deep is not None:
        raise TooLargeError(too_deep.reason)
    if faults:
        raise InvalidDefinitionError("the document cannot be read", faults)
    return value


class _Twice(dict[str, JsonValue]):
    """An object in which a key stands twice."""

    def __init__(self, pairs: list[tuple[str, JsonValue]]) -> None:
        """Keep the last of each key, and which stood before."""
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.repeated = [key for key, count in counts.items() if count > 1]


def _read_json(text: str) -> JsonValue:
    """Read JSON strictly."""
    try:
        value: JsonValue = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        reason = f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise _unreadable(reason, "json_invalid") from error
    except RecursionError as error:
        raise TooLargeError(f"more than {MAX_NESTING} levels of nesting") from error
    except ValueError as error:
        raise _unreadable(f"not JSON: {error}", "json_invalid") from error
    faults = _duplicates(value)
    if faults:
        raise InvalidDefinitionError("the document cannot be read", faults)
    return value


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """Build an object; remember if a key stands twice."""
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else _Twice(pairs)


def _refuse_constant(name: str) -> JsonValue:
    """Refuse NaN and the infinities."""
    raise ValueError(f"{name} is not a JSON number")


def _duplicates(value: JsonValue) -> list[Fault]:
    """Return one fault per repeated key."""
    faults = Faults()
    stack: list[tuple[tuple[str | int, ...], JsonValue]] = [((), value)]
    while stack:
        location, current = stack.pop()
        if isinstance(current, _Twice):
            for key in current.repeated:
                faults.add((*location, key), f"key '{key}' stands twice", "duplicate_key")
        if isinstance(current, dict):
            stack.extend(((*location, key), item) for key, item in current.items())
        elif isinstance(current, list):
            stack.extend(((*location, index), item) for index, item in enumerate(current))
    return list(faults)


def _unreadable(reason: str, type: str) -> InvalidDefinitionError:
    """Return the error for text that is no document at all."""
    return InvalidDefinitionError(
        f"the document cannot be read: {reason}", [Fault((), reason, type)]
    )
