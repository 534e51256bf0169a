"""What counts as a JSON value, for data that comes from outside."""

import json
import math
from typing import Never

from pydantic import JsonValue

MAX_DEPTH = 64

_MAX_INTEGER_BITS = 13_287  # 4,000 decimal digits


class NotJsonError(ValueError):
    """Not a value that JSON can hold; the message says where and why."""


def parse_json(text: str) -> JsonValue:
    """Return the value that a JSON text holds.

    Raises:
        NotJsonError: Not JSON, or one that the platform cannot pass on: deeper than 64 levels, NaN,
            infinite, or with half of a surrogate pair in a string.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None
    return checked_json(value)


def checked_json(value: object) -> JsonValue:
    """Return a Python value if it is JSON; tuples become lists.

    Raises:
        NotJsonError: It, or something inside it, is not.
    """
    return _checked(value, "result", 0)


def _refuse(constant: str) -> Never:
    """Refuse NaN and Infinity, which Python's parser would take."""
    raise NotJsonError(f"{constant} is not JSON")


def _checked(value: object, where: str, depth: int) -> JsonValue:
    """Return the value at ``where``, checked down to its leaves."""
    if depth > MAX_DEPTH:
        raise NotJsonError(f"nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _checked_integer(value, where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJsonError(f"{where} is {value}, which is not JSON")
        return value
    if isinstance(value, str):
        return _checked_text(value, where)
    if isinstance(value, list | tuple):
        return [_checked(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _key(key, where): _checked(item, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    raise NotJsonError(f"{where} is a {type(value).__name__}, which is not JSON")


def _checked_integer(value: int, where: str) -> int:
    """Return the number if others can write it down; Python itself stops at 4,300 digits."""
    if value.bit_length() > _MAX_INTEGER_BITS:
        raise NotJsonError(f"{where} is an integer of more than 4,000 digits")
    return value


def _key(key: object, where: str) -> str:
    """Return a key of an object, which must be text."""
    if not isinstance(key, str):
        raise NotJsonError(f"a key of {where} is a {type(key).__name__}, not text")
    return _checked_text(key, f"a key of {where}")


def _checked_text(text: str, where: str) -> str:
    """Return the text if it can be encoded."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotJsonError(f"{where} holds half of a surrogate pair") from None
    return text
