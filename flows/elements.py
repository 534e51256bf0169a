"""One task or edge as written, to the model; whatever is wrong is noted and counts as absent.

Source: docs/flow-language.md, "Tasks" and "Edges".
"""

from collections.abc import Sequence

from pydantic import JsonValue, ValidationError

from flows.canonical import canonical_bytes
from flows.errors import Fault
from flows.executors.catalogue import executor_named
from flows.faults import Faults, Location, shown
from flows.model import MAX_TASK_NAME_CHARS, Edge, RetryPolicy, Task
from flows.shapes import EXPANDED_KEYS, note_unknown_keys
from flows.suggestions import did_you_mean

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
_POLICY_KEYS = tuple(RetryPolicy.model_fields)


def read_task(raw: JsonValue, location: Location, faults: Faults) -> Task | None:
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
        normalised = found.normalised if found is not None else None
        update["parameters"] = normalised(parameters) if normalised is not None else parameters
    return task.model_copy(update=update)


def read_edge(raw: JsonValue, location: Location, faults: Faults) -> Edge | None:
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


def _authored(location: Sequence[int | str]) -> Sequence[int | str]:
    """Leave out what pydantic adds to the path of a mapping's key."""
    return location[:-1] if location[-1:] == ["[key]"] else location
