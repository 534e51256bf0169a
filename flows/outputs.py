"""Schemas of what tasks produce, as far as they are known before anything ran.

Source: docs/flow-language.md, "Outputs".
"""

from collections.abc import Container, Mapping

from flows.executors.catalogue import executor_named
from flows.executors.spec import JsonSchema
from flows.graph import Graph
from flows.iteration import single_references
from flows.model import Flow, Task
from flows.schemas import is_list, may_be_list, schemas_at


def output_schema(task: Task) -> JsonSchema:
    """Return the schema of one result of a task; anything goes if its executor is unknown."""
    executor = executor_named(task.executor)
    return executor.output_schema(task.parameters) if executor is not None else {}


def output_schemas(flow: Flow, graph: Graph, sound: Container[str]) -> dict[str, JsonSchema]:
    """Return, by task name, the schema of a task's whole output: a list where the task iterates.

    Tasks that are not sound (their parameters have faults) are left out, and so is every task when
    there is no order to go by.
    """
    found: dict[str, JsonSchema] = {}
    if graph.cycles():
        return found
    task_by_name = {task.name: task for task in flow.tasks}
    for name in graph.order():
        if name in sound:
            found[name] = _aggregate(task_by_name[name], graph, found)
    return found


def _aggregate(task: Task, graph: Graph, outputs: Mapping[str, JsonSchema]) -> JsonSchema:
    """Return the schema of a task's whole output, given those of the tasks before it."""
    schema = output_schema(task)
    modes = single_references(task)
    single = {text for texts in modes.values() for text, is_single in texts.items() if is_single}
    sources = [
        schemas_at(outputs.get(reference.task_name, {}), reference.path)
        for reference in graph.references[task.name]
        if reference.text in single
    ]
    if not any(may_be_list(source) for source in sources):
        return schema
    if any(is_list(source) for source in sources):
        return {"type": "array", "items": schema}
    return {"anyOf": [schema, {"type": "array", "items": schema}]}
