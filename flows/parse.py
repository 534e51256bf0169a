"""From a definition in any published shape to a Flow, with everything that is wrong with it.

Source: docs/flow-language.md, "Documents" and "Validation".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from flows.canonical import canonical_bytes
from flows.errors import Fault, InvalidDefinitionError
from flows.executors.catalogue import executor_named
from flows.faults import Faults, Location, shown
from flows.model import (
    MAX_DEFINITION_BYTES,
    MAX_TASK_NAME_CHARS,
    MAX_TASKS,
    Edge,
    Flow,
    RetryPolicy,
    Task,
)
from flows.reading import Media, read_document
from flows.shapes import EXPANDED_KEYS, Shape, note_unknown_keys, read_shape
from flows.suggestions import did_you_mean
from flows.validate import validate
from flows.values import value_faults

__all__ = ["Media", "Parsed", "accepted", "check", "parse_definition", "read_document"]

_FIELD_BY_KEY = {
    "name": "name",
    "task_executor_name": "executor",
    "task_title": "title",
    "parameters": "parameters",
    "retry_policy": "retry_policy",
    "timeout_seconds": "timeout_seconds",
    "reference_modes": "reference_modes",
    "concurrency": "concurrency",
}
_KEY_BY_FIELD = {field: key for key, field in _FIELD_BY_KEY.items()}
_TASK_IGNORED = (*EXPANDED_KEYS, "visual_properties", "is_schedulable_executor", "id", "notes")
_TASK_WRONG_WORDS = {
    "executor": "task_executor_name",
    "params": "parameters",
    "inputs": "parameters",
    "retry": "retry_policy",
    "retries": "retry_policy",
    "timeout": "timeout_seconds",
    "depends_on": "edges",
}
_EDGE_KEYS = ("source", "target", "from", "to", "branch")
_EDGE_IGNORED = ("id", "label", "type", "visual_properties")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A definition as far as it could be read.

    Attributes:
        flow: What could be read. Tasks without a usable name, repeated tasks and edges without
            both ends are left out.
        faults: What is wrong with single tasks and edges; rules across them are ``validate``'s.
        task_positions: For each task of the flow its position in the definition.
        edge_positions: The same for edges.
        is_complete: Whether nothing was left out.
    """

    flow: Flow
    faults: tuple[Fault, ...]
    task_positions: tuple[int, ...] = ()
    edge_positions: tuple[int, ...] = ()
    is_complete: bool = True

    def located(self, fault: Fault) -> Fault:
        """Return a fault of the flow with its position in the definition."""
        match fault.location:
            case ("tasks", int() as index, *rest):
                place: Location = ("tasks", self.task_positions[index], *rest)
            case ("edges", int() as index, *rest):
                place = ("edges", self.edge_positions[index], *rest)
            case _:
                return fault
        return Fault(place, fault.reason, fault.type, fault.rejects, fault.input)


def parse_definition(document: JsonValue) -> Parsed:
    """Read a definition of any shape. Never raises; every fault is collected."""
    faults = Faults()
    blocking = [*value_faults(document)]
    if not any(fault.type == "too_deep" for fault in blocking):
        size = len(canonical_bytes(document))
        if size > MAX_DEFINITION_BYTES:
            reason = f"{size} bytes; a definition may have {MAX_DEFINITION_BYTES} at most"
            blocking.append(Fault((), reason, "too_large"))
    if blocking:
        faults.extend(_without_prefix(fault) for fault in blocking)
        return Parsed(Flow(), tuple(faults), is_complete=False)
    return _parse_shape(read_shape(document, faults), faults)


def check(document: JsonValue) -> tuple[Flow, list[Fault]]:
    """Return what a definition says and all that is wrong with it, in document order."""
    parsed = parse_definition(document)
    faults = list(parsed.faults)
    known = {(fault.location, fault.type) for fault in faults}
    for fault in map(parsed.located, validate(parsed.flow)):
        is_follow_up = fault.type in _NEEDS_ALL_TASKS and not parsed.is_complete
        if not is_follow_up and (fault.location, fault.type) not in known:
            faults.append(fault)
    return parsed.flow, sorted(faults, key=_place)


def accepted(document: JsonValue) -> Flow:
    """Return what a definition says.

    Raises:
        InvalidDefinitionError: It has faults that reject it.
    """
    flow, faults = check(document)
    rejecting = [fault for fault in faults if fault.rejects]
    if rejecting:
        count = len(rejecting)
        noun = "fault" if count == 1 else "faults"
        raise InvalidDefinitionError(f"the flow definition has {count} {noun}", rejecting)
    return flow


_NEEDS_ALL_TASKS = frozenset({"no_tasks", "no_input_task", "unreachable_task"})


def _without_prefix(fault: Fault) -> Fault:
    """Leave out where the nested shape keeps its tasks."""
    prefix = ("flow_configs", 0, "config")
    if fault.location[:3] != prefix:
        return fault
    return Fault(fault.location[3:], fault.reason, fault.type, fault.rejects, fault.input)


def _place(fault: Fault) -> tuple[int, int]:
    """Return where a fault stands: the whole first, then tasks, then edges."""
    match fault.location:
        case ("tasks", int() as index, *_):
            return 1, index
        case ("edges", int() as index, *_):
            return 2, index
        case _:
            return 0, 0


def _parse_shape(shape: Shape, faults: Faults) -> Parsed:
    """Read tasks and edges one by one."""
    is_without_tasks = any(fault.location == ("tasks",) for fault in faults)
    if len(shape.tasks) > MAX_TASKS:
        reason = f"{len(shape.tasks)} tasks; a flow may have {MAX_TASKS} at most"
        faults.add(("tasks",), reason, "too_many_tasks")
    tasks: dict[str, tuple[int, Task]] = {}
    for index, raw in enumerate(shape.tasks[:MAX_TASKS]):
        task = _task(raw, ("tasks", index), faults)
        if task is not None and task.name in tasks:
            first = tasks[task.name][0]
            reason = f"the name '{task.name}' is taken by task {first}"
            faults.add(("tasks", index, "name"), reason, "duplicate_name", input=task.name)
        elif task is not None:
            tasks[task.name] = (index, task)
    edges: list[tuple[int, Edge]] = []
    for index, raw in enumerate(shape.edges):
        edge = _edge(raw, ("edges", index), faults)
        if edge is not None:
            edges.append((index, edge))
    return Parsed(
        Flow(
            name=shape.name,
            description=shape.description,
            tasks=tuple(task for _, task in tasks.values()),
            edges=tuple(edge for _, edge in edges),
        ),
        tuple(faults),
        task_positions=tuple(index for index, _ in tasks.values()),
        edge_positions=tuple(index for index, _ in edges),
        is_complete=len(tasks) == len(shape.tasks) and not is_without_tasks,
    )


def _task(raw: JsonValue, location: Location, faults: Faults) -> Task | None:
    """Read one task; None if it has no usable name. Other faulty keys count as absent."""
    if not isinstance(raw, dict):
        faults.add(location, "a task must be an object", "dict_type", input=raw)
        return None
    slips = note_unknown_keys(
        raw, _FIELD_BY_KEY, _TASK_IGNORED, location, faults, _TASK_WRONG_WORDS
    )
    raw = {**raw, **{meant: raw[key] for key, meant in slips.items()}}
    name = _required_text("name", raw, location, faults, max_chars=MAX_TASK_NAME_CHARS)
    executor = _required_text("task_executor_name", raw, location, faults)
    parameters = raw.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        faults.add((*location, "parameters"), "must be an object", "dict_type", input=parameters)
    if name is None:
        return None
    found = executor_named(executor) if executor is not None else None
    optional = ("task_title", "retry_policy", "timeout_seconds", "reference_modes", "concurrency")
    given = {_FIELD_BY_KEY[key]: raw[key] for key in optional if raw.get(key) is not None}
    task = _model(Task, {"name": name, "executor": "", **given}, location, faults)
    update: dict[str, object] = {"executor": found.name if found is not None else executor or ""}
    if isinstance(parameters, dict):
        update["parameters"] = parameters
    return task.model_copy(update=update)


def _edge(raw: JsonValue, location: Location, faults: Faults) -> Edge | None:
    """Read one edge or connection; None if an end is missing."""
    if not isinstance(raw, dict):
        faults.add(location, "an edge must be an object", "dict_type", input=raw)
        return None
    slips = note_unknown_keys(raw, _EDGE_KEYS, _EDGE_IGNORED, location, faults)
    raw = {**raw, **{meant: raw[key] for key, meant in slips.items()}}
    source_key = "from" if "from" in raw and "source" not in raw else "source"
    target_key = "to" if "to" in raw and "target" not in raw else "target"
    source = _required_text(source_key, raw, location, faults)
    target = _required_text(target_key, raw, location, faults)
    branch = raw.get("branch")
    if branch is not None and not isinstance(branch, str):
        faults.add((*location, "branch"), "must be text", "string_type", input=branch)
        return None
    if source is None or target is None:
        return None
    return Edge(source=source, target=target, branch=branch)


def _required_text(
    key: str,
    raw: dict[str, JsonValue],
    location: Location,
    faults: Faults,
    *,
    max_chars: int | None = None,
) -> str | None:
    """Return the text under a key; None, with a fault, if there is none."""
    value = raw.get(key)
    if value is None:
        faults.add((*location, key), "missing", "missing")
    elif not isinstance(value, str):
        reason = "must be text (in YAML, put it into quotes)"
        faults.add((*location, key), reason, "string_type", input=value)
    elif not value.strip():
        faults.add((*location, key), "must not be empty", "string_too_short", input=value)
    elif max_chars is not None and len(value) > max_chars:
        reason = f"{len(value)} characters; at most {max_chars} are allowed"
        faults.add((*location, key), reason, "string_too_long", input=value)
    else:
        return value
    return None


def _model(
    model: type[Task], given: dict[str, JsonValue], location: Location, faults: Faults
) -> Task:
    """Build a task from what is valid, noting what is not."""
    try:
        return model.model_validate_json(canonical_bytes(given), strict=True)
    except ValidationError as error:
        wrong = {str(details["loc"][0]) for details in error.errors(include_url=False)}
        for details in error.errors(include_url=False):
            field, *rest = details["loc"]
            place = (*location, _KEY_BY_FIELD[str(field)], *_authored(rest))
            reason = details["msg"][:1].lower() + details["msg"][1:]
            if details["type"] == "extra_forbidden":
                reason = f"unknown key '{rest[-1]}'" + did_you_mean(str(rest[-1]), _POLICY_KEYS)
            faults.extend([Fault(place, reason, details["type"], True, shown(details["input"]))])
    return model.model_validate({key: value for key, value in given.items() if key not in wrong})


_POLICY_KEYS = tuple(RetryPolicy.model_fields)


def _authored(location: Sequence[int | str]) -> Sequence[int | str]:
    """Leave out what pydantic adds to the path of a mapping's key."""
    return location[:-1] if location[-1:] == ["[key]"] else location
