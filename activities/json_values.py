"""JSON that comes from outside: services' answers, results of authors' code."""

import json
from typing import Never

from pydantic import JsonValue

from flows.values import MAX_VALUE_NESTING, value_faults


class NotJsonError(ValueError):
    """Not a value that JSON can hold and the platform can pass on; the message says why."""


def parse_json(text: str) -> JsonValue:
    """Return the value that a JSON text holds; of a key that stands twice the last counts.

    Raises:
        NotJsonError: Not JSON, or nothing that could be an output: too deep, a number that is no
            IEEE double, or half of a surrogate pair.
    """
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise NotJsonError("too many levels of nesting") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from None
    for fault in value_faults(value, max_nesting=MAX_VALUE_NESTING, allows_nul=True):
        raise NotJsonError(str(fault)[:300])
    return value


def _refuse(constant: str) -> Never:
    """Refuse NaN and Infinity, which Python's parser would take."""
    raise NotJsonError(f"{constant} is no JSON number")
