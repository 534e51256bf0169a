"""What a JSON value must be like so that it can be stored, hashed and sent anywhere.

Source: docs/flow-language.md, "Limits".
"""

import math
import re
from collections.abc import Iterator

from pydantic import JsonValue

from flows.errors import Fault, TaskFailedError
from flows.model import MAX_NESTING

MAX_VALUE_NESTING = 128
"""Levels that an output may have. A template's levels come on top where it is referred to, and the
sum stays below what decoders on the way accept (200)."""

_MAX_INT_BITS = 1_024
_NUL_OR_HALF = re.compile("[\x00\ud800-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")


def value_faults(
    value: JsonValue, *, max_nesting: int = MAX_NESTING, allows_nul: bool = False
) -> Iterator[Fault]:
    """Yield what is wrong with a value, in order; locations start inside it.

    Refused are levels beyond the limit, numbers beyond an IEEE double, NUL characters unless they
    are allowed, and halves of surrogate pairs, the latter two in keys as well.
    """
    unsayable = _HALF if allows_nul else _NUL_OR_HALF
    stack: list[tuple[tuple[str | int, ...], JsonValue]] = [((), value)]
    while stack:
        location, current = stack.pop()
        reason = _reason(current, unsayable)
        if reason is not None:
            yield Fault(location, reason[1], reason[0])
        if not isinstance(current, dict | list):
            continue
        if len(location) >= max_nesting:
            yield Fault(location[:1], f"more than {max_nesting} levels of nesting", "too_deep")
            continue
        if isinstance(current, dict) and any(map(unsayable.search, current)):
            yield Fault(location, "a key holds a NUL or half of a surrogate pair", "bad_text")
        stack.extend(((*location, key), item) for key, item in reversed(_members(current)))


def ensure_carriable(value: JsonValue, what: str) -> None:
    """Refuse an output that could not travel on. Documents do hold NUL characters, so those may.

    Raises:
        TaskFailedError: Of type ``InvalidValue``, not retryable; says what and where.
    """
    fault = next(value_faults(value, max_nesting=MAX_VALUE_NESTING, allows_nul=True), None)
    if fault is not None:
        where = ".".join(map(str, fault.location))
        place = f" at {where[:200]}" if where else ""
        raise TaskFailedError(
            f"the {what} cannot be kept: {fault.reason}{place}", type="InvalidValue"
        )


def _members(
    value: dict[str, JsonValue] | list[JsonValue],
) -> list[tuple[str | int, JsonValue]]:
    """Return keys or positions with their values, in order."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value))


def _reason(value: JsonValue, unsayable: re.Pattern[str]) -> tuple[str, str] | None:
    """Return type and reason of a fault in a scalar, None for anything that is fine."""
    if isinstance(value, str) and unsayable.search(value):
        kind = "a NUL character" if "\x00" in value else "half of a surrogate pair"
        return "bad_text", f"text holds {kind}"
    if isinstance(value, float) and not math.isfinite(value):
        return "bad_number", "not a finite number"
    if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
        return "bad_number", "number is out of range"
    return None
