"""Where placeholders stand in a text, and which value a path names.

``{{...}}`` names a dynamic variable, ``[[...]]`` one of the run. What stands between the brackets
is a path, ``a.b[1].c``, and perhaps filters after a bar.

Source: docs/workflow-language.md, "Templates".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from pydantic import JsonValue


class Absence(Enum):
    """The one value that says that there is none."""

    ABSENT = "absent"


ABSENT: Final = Absence.ABSENT
Found = JsonValue | Literal[Absence.ABSENT]

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]")
_ROOT = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder as it was written.

    Attributes:
        kind: Which variables it names.
        path: What stands before the first bar.
        filters: What stands after it, bars between them included; empty without.
    """

    kind: Literal["dynamic", "runtime"]
    path: str
    filters: str
    text: str


def pieces(text: str) -> Iterator[str | Placeholder]:
    """Yield a text's literal pieces and its placeholders, in order."""
    start = position = 0
    while True:
        position = _next_opening(text, position)
        if position < 0:
            break
        found = placeholder_at(text, position)
        if found is None:
            position += 1
            continue
        if position > start:
            yield text[start:position]
        yield found
        start = position = position + len(found.text)
    if start < len(text):
        yield text[start:]


def placeholder_at(text: str, position: int) -> Placeholder | None:
    """Return the placeholder that begins at a position; None if there is none."""
    opening = text[position : position + 2]
    if opening not in ("{{", "[["):
        return None
    end = _end(text, position + 2, closing="}}" if opening == "{{" else "]]")
    if end < 0:
        return None
    inner = text[position + 2 : end]
    bar = inner.find("|")
    path, filters = (inner, "") if bar < 0 else (inner[:bar], inner[bar + 1 :])
    if not path.strip():
        return None
    kind: Literal["dynamic", "runtime"] = "dynamic" if opening == "{{" else "runtime"
    return Placeholder(kind, path.strip(), filters.strip(), text[position : end + 2])


def steps(path: str) -> tuple[str | int, ...] | None:
    """Return a path's steps, or None if it is none: ``a.b[1]`` is ``("a", "b", 1)``."""
    root = _ROOT.match(path)
    if root is None:
        return None
    found: list[str | int] = [root.group().strip()]
    position = root.end()
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return None
        key, index = step.groups()
        found.append(key.strip() if key is not None else int(index))
        position = step.end()
    return tuple(found)


def value_at(values: Mapping[str, JsonValue], path: str) -> Found:
    """Return what a path names among some values; a name that is the whole path comes first."""
    if path in values:
        return values[path]
    taken = steps(path)
    if taken is None or taken[0] not in values:
        return ABSENT
    value: Found = values[str(taken[0])]
    for step in taken[1:]:
        value = stepped(value, step)
    return value


def stepped(value: Found, step: str | int) -> Found:
    """Return what one step leads to: a key's value, or a list's item."""
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, ABSENT)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return ABSENT


def _next_opening(text: str, position: int) -> int:
    found = [text.find(opening, position) for opening in ("{{", "[[")]
    return min((each for each in found if each >= 0), default=-1)


def _end(text: str, position: int, closing: str) -> int:
    """Return where a placeholder closes; brackets of indexes and quoted text do not close it."""
    depth = 0
    quote = ""
    in_filters = False
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif in_filters and character in "'\"":
            quote = character
        elif depth == 0 and text.startswith(closing, position):
            return position
        elif character in "\n{}" or text.startswith("[[", position):
            return -1
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if depth < 0:
                return -1
        elif character == "|":
            in_filters = True
        position += 1
    return -1
