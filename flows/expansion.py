"""What answers add to a definition when asked: order, schemas, modes, faults.

Maps are keyed by task name; a task that cannot be described (its executor is unknown) is left out.

Source: docs/flow-language.md, "What can be asked about a definition".
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy

from pydantic import JsonValue

from flows.errors import Fault, InvalidDefinitionError
from flows.executors.catalogue import executor_named
from flows.graph import Graph
from flows.inputs import flow_input_schema
from flows.iteration import default_reference_modes
from flows.model import Flow
from flows.outputs import output_schema
from flows.shapes import map_tasks

ByTaskName = dict[str, JsonValue]


def ordered_task_names(flow: Flow) -> list[str] | None:
    """Return the task names in an order of running; None if a circle leaves no order."""
    graph = Graph(flow)
    return None if graph.cycles() else graph.order()


def output_schemas_of(flow: Flow) -> ByTaskName:
    """Return the schema of one result of each task."""
    return {
        task.name: output_schema(task)
        for task in flow.tasks
        if executor_named(task.executor) is not None
    }


def input_schemas_of(flow: Flow) -> ByTaskName:
    """Return the schema of the flow input that each input task takes."""
    schemas = {task.name: flow_input_schema(task) for task in flow.tasks}
    return {name: schema for name, schema in schemas.items() if schema is not None}


def default_reference_modes_of(flow: Flow) -> ByTaskName:
    """Return, for each task, the mode of each of its executor's parameters."""
    modes: ByTaskName = {}
    for task in flow.tasks:
        executor = executor_named(task.executor)
        if executor is not None:
            modes[task.name] = dict(default_reference_modes(executor))
    return modes


def expanded(
    document: Mapping[str, JsonValue], added: Mapping[str, Mapping[str, JsonValue]]
) -> dict[str, JsonValue]:
    """Return a document with keys added to its tasks.

    Args:
        document: A definition of any shape; it is not changed.
        added: By key of a task, e.g. ``output_schema``, the value for each task that gets it.
    """

    def add(tasks: list[JsonValue]) -> list[JsonValue]:
        return [
            {**task, **_additions(task.get("name"), added)} if isinstance(task, dict) else task
            for task in tasks
        ]

    try:
        return map_tasks(document, add)
    except InvalidDefinitionError:
        return dict(document)


def error_details(faults: Iterable[Fault]) -> list[dict[str, JsonValue]]:
    """Return faults as answers show them: ``type``, ``loc``, ``msg`` and ``input``."""
    return [
        {
            "type": fault.type,
            "loc": list(fault.location),
            "msg": fault.reason,
            "input": fault.input,
        }
        for fault in faults
    ]


def _additions(
    name: JsonValue, added: Mapping[str, Mapping[str, JsonValue]]
) -> dict[str, JsonValue]:
    """Return what is added to the task of a name."""
    if not isinstance(name, str):
        return {}
    return {key: deepcopy(values[name]) for key, values in added.items() if name in values}
