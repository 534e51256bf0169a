"""Short ways to write definitions in tests, with executors that need nothing from outside."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

Definition = dict[str, JsonValue]

START = "start"
AN_INPUT: Definition = {"text": "hello"}
"""Fits the input task that ``a_flow`` puts in front."""

_INPUT_EXECUTORS = ("custom_form_input", "receive_file")


def task(
    name: str,
    executor: str | None = None,
    parameters: Mapping[str, JsonValue] | None = None,
    *,
    reads: str | Sequence[str] = (),
    **keys: JsonValue,
) -> Definition:
    """Return a task; by default ``format_data`` that gives its own name and what it reads.

    Args:
        name: Of the task.
        executor: Another executor; needs ``parameters`` if that has required ones.
        parameters: Replaces the default template.
        reads: Tasks whose whole output the default template contains, under their names.
        keys: Other keys of the task, e.g. ``retry_policy``.
    """
    names = [reads] if isinstance(reads, str) else list(reads)
    if parameters is None and executor is None:
        parameters = {
            "template": {"name": name, **{read: f"{{{{{read}.output}}}}" for read in names}}
        }
    return {
        "name": name,
        "task_executor_name": executor or "format_data",
        "parameters": dict(parameters or {}),
        **keys,
    }


def an_input(name: str = START, *fields: Mapping[str, JsonValue]) -> Definition:
    """Return an input task; without fields it takes one optional text, as in ``AN_INPUT``."""
    optional: Definition = {"id": "text", "data_type": "str", "required": False}
    return task(
        name, "custom_form_input", {"fields": [dict(field) for field in fields or [optional]]}
    )


def edge(source: str, target: str, branch: str | None = None) -> Definition:
    """Return an edge, on a case of a branch task if one is named."""
    return {"source": source, "target": target, **({"branch": branch} if branch else {})}


def a_flow(
    *tasks: Mapping[str, JsonValue], edges: Sequence[Mapping[str, JsonValue]] = ()
) -> Definition:
    """Return a definition of these tasks.

    Without an input task among them, one called ``start`` is put in front, with an edge to every
    task that reads no other and is no other edge's target.
    """
    written = [dict(one) for one in tasks]
    drawn = [dict(one) for one in edges]
    if not any(one["task_executor_name"] in _INPUT_EXECUTORS for one in written):
        targets = {one["target"] for one in drawn}
        drawn.extend(
            edge(START, str(one["name"]))
            for one in written
            if "{{" not in str(one["parameters"]) and one["name"] not in targets
        )
        written.insert(0, an_input())
    return {"name": "a flow", "tasks": [*written], "edges": [*drawn]}
