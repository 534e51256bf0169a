"""Secret parameters in documents: where they stand, and what a mask that comes back stands for.

A mask means "as it was". It is matched by the task's name, its executor and the parameter's path;
of a task whose name is new, with the one task of the same executor that has gone and held a secret
at that path, or else the one among them whose other parameters are the same. Anything else is told
rather than guessed: a secret must not end up where its author did not put it.

Source: docs/secrets.md, "The mask".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from flows.canonical import canonical_bytes
from flows.errors import Fault
from flows.executors.catalogue import executor_named
from flows.marks import is_marked
from flows.references import Path, pieces
from flows.secrets import MASK, masked, replaced, sealed_ids, sealed_reference, strings
from flows.shapes import map_tasks

Document = Mapping[str, JsonValue]
Place = tuple[int, Path]
"""Position of a task, and path of a string inside its parameters."""


@dataclass(frozen=True, slots=True)
class RawTask:
    """One task as it stands in a document that was accepted."""

    index: int
    name: str
    executor: str
    parameters: dict[str, JsonValue]

    def text_at(self, path: Path) -> str | None:
        """Return the string at a path; None for anything else."""
        value: JsonValue = self.parameters
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value if isinstance(value, str) else None

    def sealed_at(self, path: Path) -> str | None:
        """Return the string at a path if it holds a stored secret."""
        text = self.text_at(path)
        return text if text is not None and next(sealed_ids(text), None) is not None else None


def tasks_in(document: Document) -> list[RawTask]:
    """Return the tasks of a document that was accepted, in order."""
    found: list[RawTask] = []

    def read(tasks: list[JsonValue]) -> list[JsonValue]:
        for index, task in enumerate(tasks):
            if not isinstance(task, dict):
                continue
            name, written = task.get("name"), task.get("task_executor_name")
            parameters = task.get("parameters")
            executor = executor_named(written) if isinstance(written, str) else None
            if isinstance(name, str) and isinstance(parameters, dict):
                called = executor.name if executor is not None else str(written)
                found.append(RawTask(index, name, called, parameters))
        return tasks

    map_tasks(document, read)
    return found


def with_texts(document: Document, texts: Mapping[Place, str]) -> dict[str, JsonValue]:
    """Return a document in which some strings of tasks' parameters are replaced."""

    def change(tasks: list[JsonValue]) -> list[JsonValue]:
        changed = [*tasks]
        for (index, path), text in texts.items():
            changed[index] = replaced(changed[index], ("parameters", *path), text)
        return changed

    return map_tasks(document, change)


def forged(document: Document) -> list[Fault]:
    """Return where an author wrote what only the platform may: references to stored secrets."""
    return [
        Fault(
            ("tasks", task.index, "parameters", *path),
            "a reference to a stored secret cannot be written by hand",
            "forged_reference",
        )
        for task in tasks_in(document)
        for path, text in strings(task.parameters)
        if next(sealed_ids(text), None) is not None
    ]


def unmasked(document: Document, previous: Document | None) -> tuple[dict[Place, str], list[Fault]]:
    """Return what the masks of a document stand for, and which of them stand for nothing.

    Args:
        previous: As it is stored; None where there is none.
    """
    earlier = {task.name: task for task in tasks_in(previous)} if previous is not None else {}
    tasks = tasks_in(document)
    gone = [task for name, task in earlier.items() if name not in {each.name for each in tasks}]
    texts: dict[Place, str] = {}
    faults: list[Fault] = []
    for task in tasks:
        for path, text in strings(task.parameters):
            if text != MASK:
                continue
            known = earlier.get(task.name)
            source = known if known is not None else _renamed(task, path, gone)
            meant = source.sealed_at(path) if source and source.executor == task.executor else None
            if meant is not None:
                texts[task.index, path] = meant
            elif is_marked(task.executor, path):
                reason = f"'{MASK}' stands for a stored secret, and there is none here"
                place = ("tasks", task.index, "parameters", *path)
                faults.append(Fault(place, reason, "no_stored_secret"))
    return texts, faults


def secret_texts(document: Document) -> Iterator[tuple[RawTask, Path, str]]:
    """Yield the strings that are to be sealed: secret, not sealed yet, and no mere reference."""
    for task in tasks_in(document):
        for path, text in strings(task.parameters):
            if text and is_marked(task.executor, path) and not _needs_no_seal(text):
                yield task, path, text


def literals(text: str) -> Iterator[str]:
    """Yield what of a text is the author's own, between references."""
    return (piece for piece, is_reference in pieces(text) if not is_reference)


def with_references(text: str, secret_ids: Iterable[str]) -> str:
    """Return a text whose literals are replaced by references to stored secrets, in order."""
    ids = iter(secret_ids)
    return "".join(
        f"{{{{{piece}}}}}" if is_reference else sealed_reference(next(ids))
        for piece, is_reference in pieces(text)
    )


def with_literals(text: str, opened: Mapping[str, str]) -> str:
    """Return a stored text as its author wrote it.

    Args:
        opened: Texts by what stands between their references' braces.
    """
    return "".join(
        opened.get(piece, f"{{{{{piece}}}}}") if is_reference else piece
        for piece, is_reference in pieces(text)
    )


def _needs_no_seal(text: str) -> bool:
    """Tell whether a text is a reference and nothing else, or sealed already."""
    split = [*pieces(text)]
    return (len(split) == 1 and split[0][1]) or next(sealed_ids(text), None) is not None


def _renamed(task: RawTask, path: Path, gone: list[RawTask]) -> RawTask | None:
    """Return the earlier task that a task with a new name must have been; None if unsure."""
    same = [each for each in gone if each.executor == task.executor and each.sealed_at(path)]
    if len(same) == 1:
        return same[0]
    shown = canonical_bytes(task.parameters)
    alike = [each for each in same if canonical_bytes(masked(each.parameters)) == shown]
    return alike[0] if len(alike) == 1 else None
