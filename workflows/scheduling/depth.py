"""Keeps values shallow enough to be read back wherever they travel.

JSON that nests more than 200 levels deep can be written but not read again, and messages add a few
levels of their own. A value that is too deep fails its task; otherwise it would stop whoever has to
read it, again and again.
"""

from collections.abc import Iterable

from pydantic import JsonValue

from flows.canonical import canonical_bytes
from flows.errors import TaskFailedError

MAX_DEPTH = 150


def check_depth(value: JsonValue, what: str, encoded: bytes | None = None) -> None:
    """Refuse a value that nests too deeply.

    Args:
        what: What nests, and the verb, for the message.
        encoded: The value, or something around it, as JSON, if that exists already.

    Raises:
        TaskFailedError: It is deeper than ``MAX_DEPTH``; type ``TooDeeplyNested``.
    """
    data = canonical_bytes(value) if encoded is None else encoded
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _is_too_deep(value):
        raise TaskFailedError(f"{what} more than {MAX_DEPTH} levels deep", type="TooDeeplyNested")


def _is_too_deep(value: JsonValue) -> bool:
    """Walk a value level by level."""
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(inner, dict | list) for inner in level)


def _inside(value: JsonValue) -> Iterable[JsonValue]:
    """Return what a value holds directly."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
