"""The part of YAML that says the same as JSON, built from the events of libyaml.

Plain scalars follow the core schema of YAML 1.2: ``no`` and ``12:30`` are text, as is a date.
Building from events keeps depth and the size of expanded aliases in our hands.
"""

import re
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard

import yaml
from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError, TooLargeError
from flows.model import MAX_DEFINITION_BYTES, MAX_NESTING

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
NO_TEXT = re.compile(
    "|".join(
        f"(?:{each.pattern})"
        for each in (_NULL, _TRUE, _FALSE, _INT, _OCTAL, _HEX, _FLOAT, _NOT_FINITE)
    )
)
"""What matches as a whole is read as no text, unless it is quoted."""

_PREFIX = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset(_PREFIX + name for name in ("str", "int", "float", "bool", "null"))
_MAX_DIGITS = 400


class _Mark(Protocol):
    """A place in the text; lines and columns count from 0."""

    @property
    def line(self) -> int:
        """Line."""

    @property
    def column(self) -> int:
        """Column."""


def read_yaml(
    text: str, *, max_bytes: int = MAX_DEFINITION_BYTES, max_nesting: int = MAX_NESTING
) -> JsonValue:
    """Read one YAML document.

    Args:
        max_bytes: Roughly what it may have as JSON, its aliases expanded.
        max_nesting: How many levels it may have.

    Raises:
        InvalidDefinitionError: It is no YAML, or says what JSON cannot.
        TooLargeError: Too deep, or too large once its aliases are expanded.
    """
    builder = _Builder(max_bytes, max_nesting)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        reason = f"not YAML: {error.problem or error.context}"
        raise _fault_at(error.problem_mark, reason, "yaml_invalid") from error
    except yaml.YAMLError as error:
        raise _fault_at(None, f"not YAML: {error}", "yaml_invalid") from error
    return builder.document


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being filled.

    Attributes:
        key: The key that waits for its value, in a mapping.
        weight: Roughly the characters that everything inside takes as JSON.
        height: Levels of nesting inside.
    """

    value: dict[str, JsonValue] | list[JsonValue]
    anchor: str | None
    key: str | None = None
    weight: int = 2
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A finished value that aliases may repeat."""

    value: JsonValue
    weight: int
    height: int


@dataclass(slots=True)
class _Builder:
    """Builds a JSON value from events, one at a time."""

    max_bytes: int
    max_nesting: int
    document: JsonValue = None
    _documents: int = 0
    _stack: list[_Open] = field(default_factory=list)
    _anchors: dict[str, _Anchored] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _fault_at(event.start_mark, "more than one document", "yaml_documents")
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._stack.pop()
                self._place(event, done.value, done.weight, done.height, done.anchor)
            case _:
                pass

    def _too_deep(self) -> TooLargeError:
        """Return the error for one level too many."""
        return TooLargeError(
            f"more than {self.max_nesting} levels of nesting", levels=self.max_nesting
        )

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        """Begin a mapping or a sequence."""
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        expected = _PREFIX + ("map" if is_mapping else "seq")
        if event.tag not in (None, "!", expected):
            raise _unknown_tag(event)
        if self._expects_key():
            raise _fault_at(event.start_mark, "a key must be text", "yaml_key")
        if len(self._stack) >= self.max_nesting:
            raise self._too_deep()
        self._stack.append(_Open({} if is_mapping else [], event.anchor))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        """Read a scalar, and take it as key or value."""
        value = _scalar_value(event)
        if not self._expects_key():
            self._place(event, value, len(event.value) + 2, 0, event.anchor)
            return
        if not isinstance(value, str):
            reason = f"a key must be text: put '{event.value}' into quotes"
            raise _fault_at(event.start_mark, reason, "yaml_key")
        self._take_key(event, value)

    def _take_key(self, event: yaml.ScalarEvent, key: str) -> None:
        """Remember a key until its value comes."""
        top = self._stack[-1]
        if key == "<<" and event.implicit[0]:
            raise _fault_at(event.start_mark, "merge keys are not supported", "yaml_merge_key")
        if key in top.value:
            raise _fault_at(event.start_mark, f"key '{key}' stands twice", "duplicate_key")
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(key, len(key), 0)
        top.key = key
        top.weight += len(key) + 4

    def _alias(self, event: yaml.AliasEvent) -> None:
        """Repeat an anchored value."""
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            reason = f"alias '*{event.anchor}' stands for nothing finished before it"
            raise _fault_at(event.start_mark, reason, "yaml_alias")
        if self._expects_key():
            raise _fault_at(event.start_mark, "a key must not be an alias", "yaml_key")
        self._place(event, _copy(anchored.value), anchored.weight, anchored.height, None)

    def _expects_key(self) -> bool:
        """Tell whether the next scalar is a key."""
        return (
            bool(self._stack)
            and self._stack[-1].key is None
            and (isinstance(self._stack[-1].value, dict))
        )

    def _place(
        self, event: yaml.Event, value: JsonValue, weight: int, height: int, anchor: str | None
    ) -> None:
        """Put a finished value where it belongs."""
        if anchor:
            self._anchors[anchor] = _Anchored(value, weight, height)
        if not self._stack:
            self.document = value
            return
        top = self._stack[-1]
        top.weight += weight
        top.height = max(top.height, height + 1)
        if top.weight > self.max_bytes:
            raise TooLargeError("too large once aliases are expanded")
        if len(self._stack) + height > self.max_nesting:
            raise self._too_deep()
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is not None:
            top.value[top.key] = value
            top.key = None


def _scalar_value(event: yaml.ScalarEvent) -> JsonValue:
    """Return what a scalar means."""
    tag, text = event.tag, event.value
    if tag is None:
        return _plain_value(event) if event.implicit[0] else text
    if tag == "!" or tag == _PREFIX + "str":
        return str(text)
    if tag not in _CORE_TAGS:
        raise _unknown_tag(event)
    value = _plain_value(event)
    if tag == _PREFIX + "float" and _is_safe_int(value):
        value = float(value)
    if _tag_of(value) != tag:
        reason = f"'{text}' is no {tag.removeprefix(_PREFIX)}"
        raise _fault_at(event.start_mark, reason, "yaml_value")
    return value


def _plain_value(event: yaml.ScalarEvent) -> JsonValue:
    """Read a plain scalar by the core schema."""
    text = event.value
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _NOT_FINITE.fullmatch(text):
        raise _fault_at(event.start_mark, f"'{text}' is not a finite number", "bad_number")
    if len(text) > _MAX_DIGITS and (_INT.fullmatch(text) or _HEX.fullmatch(text)):
        raise _fault_at(event.start_mark, "number is out of range", "bad_number")
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    return float(text) if _FLOAT.fullmatch(text) else str(text)


def _tag_of(value: JsonValue) -> str:
    """Return the core schema's tag of a scalar."""
    names = {bool: "bool", int: "int", float: "float", str: "str"}
    return _PREFIX + names.get(type(value), "null")


def _is_safe_int(value: JsonValue) -> TypeGuard[int]:
    """Tell whether a value is an integer that a float can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 1_024


def _copy(value: JsonValue) -> JsonValue:
    """Copy a value, so that no two places share it."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _unknown_tag(
    event: yaml.ScalarEvent | yaml.CollectionStartEvent,
) -> InvalidDefinitionError:
    """Return the error for a tag that means nothing here."""
    return _fault_at(event.start_mark, f"tag '{event.tag}' is not known here", "yaml_tag")


def _fault_at(mark: _Mark | None, reason: str, type: str) -> InvalidDefinitionError:
    """Return the error for what stands at a mark."""
    if mark is not None:
        reason = f"line {mark.line + 1}, column {mark.column + 1}: {reason}"
    return InvalidDefinitionError(
        f"the document cannot be read: {reason}", [Fault((), reason, type)]
    )
