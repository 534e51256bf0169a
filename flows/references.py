"""References between tasks: ``{{task.output}}``, ``{{task.field}}``, ``{{task.output.field}}``.

What a reference yields is never scanned again. Keys of objects are never resolved.

Source: docs/flow-language.md, "References".
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from flows.canonical import canonical_bytes
from flows.errors import TaskFailedError
from flows.model import MAX_TASK_NAME_CHARS

Path = tuple[str | int, ...]

MAX_RESOLVED_CHARS = 64 * 1024 * 1024
"""Text that resolving one task's parameters may produce; a template can multiply a large output."""

MAX_REFERENCE_CHARS = 2_000

_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")
_UNCLOSED = re.compile(r"\{\{\s*([^{}]{1,300})")
_STEP = re.compile(r"\.([\w-]+)|\[([0-9]{1,9})\]")
_INDEX = re.compile(r"[0-9]{1,9}")
_BOUNDARY = re.compile(r"[.\[\s]")


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference to a task's output.

    Attributes:
        text: What stands between the braces, without outer blanks; the key of its value.
        task_name: The task that it reads.
        path: Steps into that task's output; empty for the whole output.
    """

    text: str
    task_name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place where a reference is written.

    Attributes:
        location: Path of the string inside the scanned value.
        text: As in Reference.
        is_whole: Whether the string is this reference and nothing else, so that it keeps its type.
    """

    location: Path
    text: str
    is_whole: bool


def occurrences(value: JsonValue) -> Iterator[Occurrence]:
    """Yield every place in a value where something stands between double braces, in order."""
    for location, string in _strings(value):
        for match in _TEMPLATE.finditer(string):
            is_whole = match.start() == 0 and match.end() == len(string)
            yield Occurrence(location, match[1].strip(), is_whole)


def pieces(string: str) -> Iterator[tuple[str, bool]]:
    """Yield a string piece by piece: plain text, or what stands between double braces.

    The flag tells the latter, whose text comes without braces and outer blanks.
    """
    position = 0
    for match in _TEMPLATE.finditer(string):
        if match.start() > position:
            yield string[position : match.start()], False
        yield match[1].strip(), True
        position = match.end()
    if position < len(string):
        yield string[position:], False


def unclosed_references(
    value: JsonValue, task_names: Collection[str]
) -> Iterator[tuple[Path, str]]:
    """Yield where braces open before the name of a known task and never close: a likely slip."""
    for location, string in _strings(value):
        for match in _UNCLOSED.finditer(_TEMPLATE.sub("", string)):
            if task_named_in(match[1], task_names) is not None:
                yield location, match[1]


def is_template(value: JsonValue) -> bool:
    """Tell whether a value is a string with something between double braces."""
    return isinstance(value, str) and _TEMPLATE.search(value) is not None


def has_template(value: JsonValue) -> bool:
    """Tell whether any string in a value has something between double braces."""
    return any(_TEMPLATE.search(string) for _, string in _strings(value))


def task_named_in(text: str, task_names: Collection[str]) -> str | None:
    """Return the longest known task name that a reference's text starts with, None without one.

    A name counts only up to a dot, a bracket, a blank or the end. Pass a set or a mapping.
    """
    if text in task_names:
        return text
    ends = [match.start() for match in _BOUNDARY.finditer(text, 0, MAX_TASK_NAME_CHARS + 1)]
    return next((text[:end] for end in reversed(ends) if text[:end] in task_names), None)


def read_reference(text: str, task_names: Collection[str]) -> Reference | None:
    """Read what stands between double braces; None if no task is known by it or it is malformed.

    ``output`` right behind the name means the whole output: a field of that name is reached as
    ``output.output``.
    """
    task_name = task_named_in(text, task_names)
    if task_name is None or len(text) > MAX_REFERENCE_CHARS:
        return None
    path = _read_path(text[len(task_name) :])
    if path is None:
        return None
    return Reference(text, task_name, path[1:] if path[:1] == ("output",) else path)


def references_in(value: JsonValue, task_names: Collection[str]) -> list[Reference]:
    """Return the references to known tasks in a value, each text once, in order."""
    known = task_names if isinstance(task_names, set | frozenset | Mapping) else set(task_names)
    texts = dict.fromkeys(occurrence.text for occurrence in occurrences(value))
    read = (read_reference(text, known) for text in texts)
    return [reference for reference in read if reference is not None]


def value_at(output: JsonValue, path: Iterable[str | int]) -> JsonValue:
    """Follow a path into an output; null where it leads nowhere. Total.

    A number picks an item of a list. A field of a list is the list of that field of its items.
    """
    for step in path:
        output = _step_into(output, step)
    return output


def resolve(value: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """Replace every reference in a value, once; one without a value stays as it is.

    A string that is exactly one reference becomes the referenced value with its type. Inside longer
    text strings are put as they are and everything else as JSON.

    Args:
        value: Parameters, or any part of them.
        values: Value of each reference, by ``Reference.text``.

    Raises:
        TaskFailedError: The result would be larger than ``MAX_RESOLVED_CHARS``; type
            ``ParametersTooLarge``, not retryable.
    """
    return _Resolution(values).of(value)


class _Resolution:
    """Keeps the text of each value, and counts what it produces."""

    def __init__(self, values: Mapping[str, JsonValue]) -> None:
        self._values = values
        self._text_by_reference: dict[str, str] = {}
        self._uses: dict[str, int] = {}
        self._chars_left = MAX_RESOLVED_CHARS

    def of(self, value: JsonValue) -> JsonValue:
        """Resolve a value of any kind."""
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item) for item in value]
        return value

    def _string(self, string: str) -> JsonValue:
        if "{{" not in string:
            return string
        whole = _TEMPLATE.fullmatch(string)
        if whole is not None:
            text = whole[1].strip()
            if text not in self._values:
                return string
            self._count_whole(text)
            return self._values[text]
        return _TEMPLATE.sub(self._embedded, string)

    def _embedded(self, match: re.Match[str]) -> str:
        text = match[1].strip()
        if text not in self._values:
            return match[0]
        rendered = self._rendered(text)
        self._spend(len(rendered))
        return rendered

    def _count_whole(self, text: str) -> None:
        """Charge for a value from its second use on: the first adds nothing to what exists."""
        self._uses[text] = self._uses.get(text, 0) + 1
        if self._uses[text] > 1:
            self._spend(len(self._rendered(text)))

    def _rendered(self, text: str) -> str:
        if text not in self._text_by_reference:
            self._text_by_reference[text] = as_text(self._values[text])
        return self._text_by_reference[text]

    def _spend(self, chars: int) -> None:
        self._chars_left -= chars
        if self._chars_left < 0:
            raise TaskFailedError(
                f"resolved parameters would exceed {MAX_RESOLVED_CHARS} characters",
                type="ParametersTooLarge",
            )


def as_text(value: JsonValue) -> str:
    """Return how a value reads inside longer text: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else canonical_bytes(value).decode()


def _strings(value: JsonValue) -> Iterator[tuple[Path, str]]:
    """Yield the strings of a value that hold a double brace, with their locations, in order."""
    stack: list[tuple[Path, JsonValue]] = [((), value)]
    while stack:
        place, current = stack.pop()
        if isinstance(current, str):
            if "{{" in current:
                yield place, current
        elif isinstance(current, dict):
            stack.extend(((*place, key), item) for key, item in reversed(current.items()))
        elif isinstance(current, list):
            numbered = zip(range(len(current) - 1, -1, -1), reversed(current), strict=True)
            stack.extend(((*place, index), item) for index, item in numbered)


def _read_path(rest: str) -> Path | None:
    """Read ``.field`` and ``[0]`` steps up to the end; None if anything else stands there."""
    path: list[str | int] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            return None
        path.append(match[1] if match[1] is not None else int(match[2]))
        position = match.end()
    return tuple(path)


def _step_into(output: JsonValue, step: str | int) -> JsonValue:
    """Take one step; null where there is nothing to step into."""
    if isinstance(output, list):
        if isinstance(step, int) or _INDEX.fullmatch(step):
            return output[int(step)] if int(step) < len(output) else None
        return [_step_into(item, step) for item in output]
    if isinstance(output, dict):
        return output.get(str(step))
    return None
