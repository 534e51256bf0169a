"""References to secrets, and how they stay apart from the parameters that they stand in.

Two spellings stand between double braces: ``secrets.<name>`` is a credential of the organization;
``secret:<id>`` is what the platform stores in place of a parameter's text that is marked secret,
and nobody else may write it. Both are opened where a task runs. Until then its parameters show a
mask.

A task's name counts first: in a flow with a task called ``secrets``, ``{{secrets.x}}`` is its
output.

Source: docs/secrets.md; decision 0014.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from flows.executors.catalogue import executor_named
from flows.marks import has_marks, is_marked
from flows.model import Task
from flows.references import Path, as_text, pieces, task_named_in

MASK = "********"
CREDENTIALS = "secrets"
CREDENTIAL_NAME = r"[A-Za-z0-9_-]{1,100}"

_CREDENTIAL = re.compile(rf"secrets\.({CREDENTIAL_NAME})")
_SEALED = re.compile(r"secret:([0-9a-f]{32})")


class SecretPart(BaseModel):
    """Part of a text that was set aside: a reference to open, or what another task put there."""

    model_config = ConfigDict(extra="ignore")

    reference: str = ""
    text: str = ""


class SecretUse(BaseModel):
    """Where a mask stands in a task's parameters, and what belongs there.

    It travels beside the parameters, so stored histories hold it: fields are only ever added.

    Attributes:
        path: Of the string, inside the parameters.
        start: Position of the mask in that string.
        parts: What to put there, in order.
    """

    model_config = ConfigDict(extra="ignore")

    path: list[str | int]
    start: int = 0
    parts: list[SecretPart] = Field(default_factory=list)

    def hashed(self) -> JsonValue:
        """Return what counts for a fingerprint; its form never changes, or nothing is reused."""
        parts: JsonValue = [[part.reference, part.text] for part in self.parts]
        return [[*self.path], self.start, parts]


def credential_in(text: str) -> str | None:
    """Return the name of the credential that stands between double braces; None for all else."""
    match = _CREDENTIAL.fullmatch(text)
    return match[1] if match else None


def sealed_in(text: str) -> str | None:
    """Return the id of the stored secret that stands between double braces; None for all else."""
    match = _SEALED.fullmatch(text)
    return match[1] if match else None


def is_secret_reference(text: str) -> bool:
    """Tell whether what stands between double braces refers to a secret."""
    return credential_in(text) is not None or sealed_in(text) is not None


def sealed_reference(secret_id: str) -> str:
    """Return the text that stands for a stored secret."""
    return f"{{{{secret:{secret_id}}}}}"


def sealed_ids(value: JsonValue) -> Iterator[str]:
    """Yield the ids of the stored secrets that a value refers to, in order."""
    for _, string in strings(value):
        for text, is_reference in pieces(string):
            found = sealed_in(text) if is_reference else None
            if found is not None:
                yield found


def credentials_of(task: Task, task_names: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Yield where a task refers to credentials, and their names; known tasks count first."""
    for path, string in strings(task.parameters):
        for text, is_reference in pieces(string):
            name = credential_in(text) if is_reference else None
            if name is not None and task_named_in(text, task_names) is None:
                yield path, name


def masked(value: JsonValue) -> JsonValue:
    """Return a value as it may be shown: text that holds a stored secret is a mask."""
    if isinstance(value, str):
        return MASK if next(sealed_ids(value), None) is not None else value
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def strings(value: JsonValue, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the strings of a value with their places, in order."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))


@dataclass(frozen=True, slots=True)
class _Place:
    """One authored string that needs care."""

    path: Path
    template: str
    is_marked: bool


class Asides:
    """Keeps the secrets of one task out of its resolved parameters.

    Only what the author wrote is looked at, never what a reference yielded: data that spells a
    reference to a secret stays data.
    """

    def __init__(self, task: Task) -> None:
        """Find the places that need care; most tasks have none."""
        executor = executor_named(task.executor)
        marks = executor is not None and has_marks(executor.parameters)
        self._places: list[_Place] = []
        if not marks and not _may_refer(task.parameters):
            return
        self._places = [
            _Place(path, string, is_secret)
            for path, string in strings(task.parameters)
            if (is_secret := marks and is_marked(task.executor, path)) or _refers(string)
        ]

    def take(
        self, resolved: dict[str, JsonValue], values: Callable[[str], Mapping[str, JsonValue]]
    ) -> list[SecretUse]:
        """Put masks into freshly resolved parameters, in place, and return what they stand for.

        Args:
            resolved: The task's parameters, every reference to a task replaced.
            values: The values of those references in one parameter, by their texts.
        """
        uses: list[SecretUse] = []
        for place in self._places:
            known = values(str(place.path[0]))
            shown = _set_aside(place, known, uses)
            put(resolved, place.path, shown)
        return uses


# The values walked here are JSON; naming each level's type would hide the walk.
def put(value: Any, path: Path, item: JsonValue) -> None:
    """Replace what stands at a place that exists, in place."""
    *way, last = path
    for step in way:
        value = value[step]
    value[last] = item


def replaced(value: JsonValue, path: Sequence[str | int], item: JsonValue) -> JsonValue:
    """Return a value in which another stands at a place; what lies off the path is shared.

    Raises:
        LookupError: There is no such place.
    """
    if not path:
        return item
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(step, str):
        return {**value, step: replaced(value[step], rest, item)}
    if isinstance(value, list) and isinstance(step, int):
        return [*value[:step], replaced(value[step], rest, item), *value[step + 1 :]]
    raise LookupError(step)


def _set_aside(place: _Place, values: Mapping[str, JsonValue], uses: list[SecretUse]) -> JsonValue:
    """Return what is shown at a place, and add what was set aside."""
    split = [*pieces(place.template)]
    if place.is_marked:
        if len(split) == 1 and split[0][1] and split[0][0] in values:
            value = values[split[0][0]]
            if not isinstance(value, str):
                return value
        parts = [_part(text, is_reference, values) for text, is_reference in split]
        if not any(part.reference or part.text for part in parts):
            return ""
        uses.append(SecretUse(path=[*place.path], parts=parts))
        return MASK
    shown = ""
    for text, is_reference in split:
        part = _part(text, is_reference, values)
        if part.reference:
            uses.append(SecretUse(path=[*place.path], start=len(shown), parts=[part]))
        shown += MASK if part.reference else part.text
    return shown


def _part(text: str, is_reference: bool, values: Mapping[str, JsonValue]) -> SecretPart:
    """Return a piece of a template as a part; a reference that nobody knows stays as it is."""
    if not is_reference:
        return SecretPart(text=text)
    if text in values:
        return SecretPart(text=as_text(values[text]))
    if is_secret_reference(text):
        return SecretPart(reference=text)
    return SecretPart(text=f"{{{{{text}}}}}")


def _may_refer(value: JsonValue) -> bool:
    """Tell, sooner than ``_refers``, that nothing in a value refers to a secret."""
    if isinstance(value, str):
        return "{{" in value and "secret" in value
    if isinstance(value, dict):
        return any(map(_may_refer, value.values()))
    return isinstance(value, list) and any(map(_may_refer, value))


def _refers(string: str) -> bool:
    """Tell whether an authored string refers to a secret."""
    return "{{" in string and any(
        is_reference and is_secret_reference(text) for text, is_reference in pieces(string)
    )
