"""A definition as its author wrote it: where its tasks stand, and what may be put into them.

Source: docs/flow-language.md, "Shapes of a definition".
"""

import copy
from collections.abc import Mapping

from pydantic import JsonValue

from flows.errors import InvalidError

COMPUTED_KEYS = frozenset(
    {"default_reference_modes", "output_schema", "input_schema", "dynamic_data"}
)
"""Keys of a task that only answers carry; they are dropped when sent back."""

Document = dict[str, JsonValue]


def tasks_of(document: Document) -> list[JsonValue] | None:
    """Return the list of tasks, the one inside the document itself; None if there is none."""
    tasks = _holder(document).get("tasks")
    return tasks if isinstance(tasks, list) else None


def without_computed(document: Document) -> Document:
    """Return a definition without what answers add to its tasks; the original stays as it is."""
    cleaned = copy.deepcopy(document)
    for task in tasks_of(cleaned) or ():
        if isinstance(task, dict):
            for key in COMPUTED_KEYS & task.keys():
                del task[key]
    return cleaned


def with_computed(document: Document, by_task: Mapping[str, Document]) -> Document:
    """Return a copy of a definition whose tasks carry more keys, given by task name."""
    expanded = copy.deepcopy(document)
    for task in tasks_of(expanded) or ():
        if isinstance(task, dict):
            task.update(by_task.get(str(task.get("name")), {}))
    return expanded


def with_task(document: Document, task: Document) -> Document:
    """Return a definition in which the task of that name is replaced, or appended.

    Raises:
        InvalidError: The task has no name, or the definition no list of tasks.
    """
    name = task.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidError("the task needs a name")
    changed = copy.deepcopy(document)
    tasks = tasks_of(changed)
    if tasks is None:
        raise InvalidError("the definition has no list of tasks")
    for position, present in enumerate(tasks):
        if isinstance(present, dict) and present.get("name") == name:
            tasks[position] = task
            return changed
    tasks.append(task)
    return changed


def _holder(document: Document) -> Document:
    """Return the object that holds ``tasks``: the innermost of the nested form, or the document."""
    configs = document.get("flow_configs")
    if not isinstance(configs, list) or not configs or not isinstance(configs[0], dict):
        return document
    config = configs[0].get("config")
    return config if isinstance(config, dict) else document
