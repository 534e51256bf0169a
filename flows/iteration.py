"""Which references of a task are taken item by item, and what each item's parameters are.

A reference in ``single`` mode that yields a list makes the task run once per item; in
``collection`` mode the task gets the list as it is. Any other value is the same in both modes.

Source: docs/flow-language.md, "Collections and iteration".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, JsonValue

from flows.errors import TaskFailedError
from flows.executors.catalogue import executor_named
from flows.executors.spec import JsonSchema, Kind, TaskExecutor
from flows.model import ReferenceMode, Task
from flows.references import occurrences, resolve
from flows.schemas import alternatives, may_be_list, schemas_at, types_of

RUNS_ONCE = frozenset({"branch", "webhook_receiver"})
"""Executors that never iterate: one task cannot take several ways, and who submits data names a
task, not an item."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """What a task that iterates runs over.

    Attributes:
        iterated: For each parameter, the texts of the references in it that are iterated.
        items: For each iterated reference, by its text, one value per item; all equally long.
        shared: Value of each reference that every item sees whole, by its text. One that is
            iterated in one parameter may be shared in another.
        length: Number of items; may be 0.
    """

    iterated: dict[str, list[str]]
    items: dict[str, list[JsonValue]]
    shared: dict[str, JsonValue]
    length: int

    def at(self, index: int) -> dict[str, JsonValue]:
        """Return the value of each iterated reference for one item."""
        return {text: values[index] for text, values in self.items.items()}


def plan(task: Task, values: Mapping[str, JsonValue]) -> Iteration | None:
    """Return what a task iterates over; None if it runs once, with every value as it is.

    A list in ``single`` mode is taken apart, whatever its length. Any other value in that mode
    (null and objects included) is shared by all items, or used as it is when nothing is a list.

    Args:
        task: The task, its parameters not yet resolved.
        values: Value of each of its references, by ``Reference.text``.

    Raises:
        TaskFailedError: Lists of different lengths; type ``LengthMismatch``, not retryable.
    """
    iterated: dict[str, list[str]] = {}
    items: dict[str, list[JsonValue]] = {}
    shared: dict[str, JsonValue] = {}
    for name, texts in single_references(task).items():
        for text, is_single in texts.items():
            value = values.get(text)
            if is_single and isinstance(value, list):
                iterated.setdefault(name, []).append(text)
                items[text] = value
            elif text in values:
                shared[text] = value
    if not items:
        return None
    lengths = {text: len(found) for text, found in items.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{{{{{text}}}}} has {length}" for text, length in lengths.items())
        raise TaskFailedError(
            f"lists that are iterated together differ in length: {counts}", type="LengthMismatch"
        )
    return Iteration(iterated, items, shared, next(iter(lengths.values())))


def item_parameters(
    task: Task,
    iterated: Mapping[str, Sequence[str]],
    shared: Mapping[str, JsonValue],
    item: Mapping[str, JsonValue],
) -> dict[str, JsonValue]:
    """Return the resolved parameters of one item.

    Args:
        task: The task, its parameters not yet resolved.
        iterated: As in Iteration.
        shared: As in Iteration.
        item: Value of each iterated reference for this item, by its text.

    Raises:
        TaskFailedError: As ``references.resolve``.
    """
    return {
        name: resolve(value, item_values(name, iterated, shared, item))
        for name, value in task.parameters.items()
    }


def item_values(
    name: str,
    iterated: Mapping[str, Sequence[str]],
    shared: Mapping[str, JsonValue],
    item: Mapping[str, JsonValue],
) -> dict[str, JsonValue]:
    """Return the values of references in one parameter of one item; as ``item_parameters``."""
    return {**shared, **{text: item[text] for text in iterated.get(name, ()) if text in item}}


def single_references(task: Task) -> dict[str, dict[str, bool]]:
    """Return, for each parameter with references, whether each of them is in ``single`` mode.

    A mode that the task states for a parameter holds for all references in it. Otherwise a string
    that is one reference is single where the executor's model has no room for a list, and a
    reference inside longer text never is: there, a list is put as JSON.
    """
    executor = executor_named(task.executor)
    found: dict[str, dict[str, bool]] = {}
    for name, value in task.parameters.items():
        stated = task.reference_modes.get(name)
        for occurrence in occurrences(value):
            if executor is None or executor.name in RUNS_ONCE or executor.kind is Kind.INPUT:
                is_single = False
            elif stated is not None:
                is_single = stated == "single"
            else:
                is_single = occurrence.is_whole and not _has_room_for_list(
                    executor, (name, *occurrence.location)
                )
            texts = found.setdefault(name, {})
            texts[occurrence.text] = texts.get(occurrence.text, False) or is_single
    return found


def default_reference_modes(executor: TaskExecutor) -> dict[str, ReferenceMode]:
    """Return, for each parameter of an executor, how a reference given to it is taken."""
    schema = parameters_schema(executor.parameters)
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    if executor.name in RUNS_ONCE:
        return dict.fromkeys(properties, "collection")
    return {
        name: "collection" if may_be_list(alternatives(member, schema)) else "single"
        for name, member in properties.items()
    }


@cache
def parameters_schema(parameters: type[BaseModel]) -> JsonSchema:
    """Return the JSON Schema of a parameters model, made once. Not to be changed."""
    return parameters.model_json_schema()


def _has_room_for_list(executor: TaskExecutor, path: tuple[str | int, ...]) -> bool:
    """Tell whether a list can stand at a place in an executor's parameters; unknown places can."""
    if path[0] in _free_parameters(executor.parameters):
        return True
    found = schemas_at(parameters_schema(executor.parameters), path)
    return not found or may_be_list(found)


@cache
def _free_parameters(parameters: type[BaseModel]) -> frozenset[str]:
    """Return the parameters that take any JSON, so that nobody need look inside them."""
    schema = parameters_schema(parameters)
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return frozenset()
    return frozenset(
        name
        for name, member in properties.items()
        if any(not types_of(found) for found in alternatives(member, schema))
    )
