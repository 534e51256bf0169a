"""Where tasks and edges stand in each published shape of a definition.

Three shapes are accepted: *nested* (``flow_configs`` with one element), *flat* (``name`` and
``tasks``) and *edge form* (``tasks`` and ``edges``). The last two are read alike.

Source: docs/flow-language.md, "Documents".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError
from flows.faults import Faults, Location
from flows.suggestions import closest

EXPANDED_KEYS = ("default_reference_modes", "output_schema", "input_schema", "dynamic_data")
"""Keys of a task that only answers have; dropped when they are sent back."""

_BODY_KEYS = ("tasks", "edges", "connections")
_ROOT_KEYS = ("flow_configs", *_BODY_KEYS)
_ROOT_IGNORED = ("flow", "name", "description", "version", "config", "meta", "groups", "notes")
_CONFIG_IGNORED = ("groups", "notes")
_FLOW_CONFIG_IGNORED = ("meta",)
_TYPO_CUTOFF = 0.8


@dataclass(frozen=True, slots=True)
class Shape:
    """What a document holds, not yet looked into.

    Attributes:
        tasks: As written, in order.
        edges: Entries of ``edges``, then those of ``connections``.
        prefix: Where ``tasks`` stands in the document; locations leave it out.
    """

    tasks: list[JsonValue] = field(default_factory=list)
    edges: list[JsonValue] = field(default_factory=list)
    name: str = ""
    description: str = ""
    prefix: Location = ()


def read_shape(document: JsonValue, faults: Faults) -> Shape:
    """Find tasks, edges and name in a document of any shape; notes what is missing or unknown."""
    if not isinstance(document, dict):
        faults.add((), "a definition must be an object", "definition_type", input=document)
        return Shape()
    if "flow_configs" not in document:
        return _read_body(document, document, (), faults)
    for key in _BODY_KEYS:
        if key in document:
            reason = f"'{key}' stands beside 'flow_configs', where it is not read"
            faults.add((key,), reason, "ambiguous_shape")
    note_unknown_keys(document, ("flow_configs",), (*_ROOT_IGNORED, *_BODY_KEYS), (), faults)
    holder = _only_flow_config(document["flow_configs"], faults)
    if holder is None:
        return Shape()
    config = holder.get("config")
    if not isinstance(config, dict):
        reason = "missing" if config is None else "must be an object"
        faults.add(("tasks",), f"'config' of the flow config is {reason}", "missing")
        return Shape()
    note_unknown_keys(holder, ("config",), _FLOW_CONFIG_IGNORED, (), faults)
    return _read_body(config, holder, ("flow_configs", 0, "config"), faults)


def note_unknown_keys(
    found: Iterable[str],
    known: Iterable[str],
    ignored: Iterable[str],
    location: Location,
    faults: Faults,
    wrong_words: Mapping[str, str] = {},
) -> dict[str, str]:
    """Note keys that nobody reads: one that looks like a slip rejects, any other does not.

    Args:
        found: Keys of the object.
        known: Keys that mean something.
        ignored: Keys that are accepted without being read.
        location: Of the object.
        faults: Where to note them.
        wrong_words: Keys that authors are known to mistake for another, with what they mean.

    Returns:
        What was meant by each slip, so that the rest can be read as if it were right.
    """
    slips: dict[str, str] = {}
    known_keys, ignored_keys, present = list(known), set(ignored), set(found)
    for key in found:
        if key in known_keys or key in ignored_keys:
            continue
        meant = wrong_words.get(key)
        if meant is None and not faults.is_full:
            meant = closest(key, [*known_keys, *ignored_keys], cutoff=_TYPO_CUTOFF)
        is_slip = meant is not None and meant not in present and meant not in ignored_keys
        hint = f", did you mean '{meant}'?" if meant is not None else ""
        reason = f"unknown key '{key}'{hint}"
        faults.add((*location, key), reason, "unknown_key", rejects=is_slip)
        if meant is not None and is_slip:
            slips[key] = meant
    return slips


def map_tasks(
    document: Mapping[str, JsonValue], change: Callable[[list[JsonValue]], list[JsonValue]]
) -> dict[str, JsonValue]:
    """Return a document of the same shape with its list of tasks changed; the rest is shared.

    Raises:
        InvalidDefinitionError: The document has no place for tasks.
    """
    if "flow_configs" not in document:
        tasks = document.get("tasks")
        return {**document, "tasks": change(tasks if isinstance(tasks, list) else [])}
    holders = document["flow_configs"]
    holder = holders[0] if isinstance(holders, list) and len(holders) == 1 else None
    config = holder.get("config") if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or not isinstance(config, dict):
        fault = Fault(("tasks",), "the definition has no single list of tasks", "missing")
        raise InvalidDefinitionError(str(fault), [fault])
    tasks = config.get("tasks")
    changed: JsonValue = {**config, "tasks": change(tasks if isinstance(tasks, list) else [])}
    return {**document, "flow_configs": [{**holder, "config": changed}]}


def without_expansions(document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a document as it is to be stored: without keys that only answers have."""

    def strip(tasks: list[JsonValue]) -> list[JsonValue]:
        return [
            {key: value for key, value in task.items() if key not in EXPANDED_KEYS}
            if isinstance(task, dict)
            else task
            for task in tasks
        ]

    return map_tasks(document, strip)


def with_task(
    document: Mapping[str, JsonValue], task: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return a document in which one task is replaced, found by its name, or else appended.

    Raises:
        InvalidDefinitionError: The task has no name, or the document no place for it.
    """
    name = task.get("name")
    if not isinstance(name, str) or not name:
        fault = Fault(("name",), "a task needs a name", "missing")
        raise InvalidDefinitionError(str(fault), [fault])

    def put(tasks: list[JsonValue]) -> list[JsonValue]:
        names = [found.get("name") if isinstance(found, dict) else None for found in tasks]
        at = names.index(name) if name in names else len(tasks)
        return [*tasks[:at], dict(task), *tasks[at + 1 :]]

    return map_tasks(document, put)


def _only_flow_config(flow_configs: JsonValue, faults: Faults) -> dict[str, JsonValue] | None:
    """Return the one element that a nested definition may have."""
    if not isinstance(flow_configs, list):
        faults.add(("flow_configs",), "must be a list", "list_type", input=flow_configs)
        return None
    if not flow_configs:
        faults.add(("tasks",), "missing: 'flow_configs' is empty", "missing")
        return None
    if len(flow_configs) > 1:
        reason = f"must have one element, not {len(flow_configs)}"
        faults.add(("flow_configs",), reason, "too_many_flow_configs")
    first = flow_configs[0]
    if not isinstance(first, dict):
        faults.add(("flow_configs", 0), "must be an object", "dict_type", input=first)
        return None
    return first


def _read_body(
    body: dict[str, JsonValue], holder: dict[str, JsonValue], prefix: Location, faults: Faults
) -> Shape:
    """Read the object that holds the tasks; name and description come from its ``meta``."""
    known = _BODY_KEYS if prefix else _ROOT_KEYS
    note_unknown_keys(body, known, _CONFIG_IGNORED if prefix else _ROOT_IGNORED, (), faults)
    if body.get("tasks") is None:
        faults.add(("tasks",), "missing", "missing")
    meta = holder.get("meta")
    named = meta if isinstance(meta, dict) else holder
    edges = [*_list("edges", body, faults), *_list("connections", body, faults)]
    return Shape(
        tasks=_list("tasks", body, faults),
        edges=edges,
        name=_text(named.get("name")),
        description=_text(named.get("description")),
        prefix=prefix,
    )


def _list(key: str, body: dict[str, JsonValue], faults: Faults) -> list[JsonValue]:
    """Return a list under a key; empty if it is absent or something else."""
    value = body.get(key)
    if isinstance(value, list):
        return value
    if value is not None:
        faults.add((key,), "must be a list", "list_type", input=value)
    return []


def _text(value: JsonValue) -> str:
    """Return a value if it is text; names of flows are for show only."""
    return value if isinstance(value, str) else ""
