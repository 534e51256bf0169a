"""Whether what a reference yields can be what the parameter takes, as far as schemas tell.

Source: docs/flow-language.md, "Validation".
"""

from flows.canonical import canonical_bytes
from flows.errors import Fault
from flows.executors.catalogue import executor_named
from flows.executors.spec import JsonSchema, TaskExecutor
from flows.graph import Graph
from flows.iteration import parameters_schema, single_references
from flows.model import Flow, Task
from flows.outputs import output_schemas
from flows.parameters import parameter_faults
from flows.references import occurrences, read_reference
from flows.schemas import alternatives, schemas_at, types_of


def incompatible_references(flow: Flow) -> list[Fault]:
    """Return one fault per reference that can only yield what its parameter does not take.

    Only a string that is exactly one reference has a type of its own; inside longer text everything
    becomes text. Locations count tasks as they stand in the flow. None of the faults rejects.
    """
    graph = Graph(flow)
    sound = {
        task.name
        for task in flow.tasks
        if (executor := executor_named(task.executor)) is not None
        and not parameter_faults(executor, task.parameters)
    }
    outputs = output_schemas(flow, graph, sound)
    return [
        fault
        for index, task in enumerate(flow.tasks)
        if (executor := executor_named(task.executor)) is not None
        for fault in _of_task(index, task, executor, outputs)
    ]


def _of_task(
    index: int, task: Task, executor: TaskExecutor, outputs: dict[str, JsonSchema]
) -> list[Fault]:
    """Return the faults of one task."""
    faults: list[Fault] = []
    modes = single_references(task)
    taken = parameters_schema(executor.parameters)
    for occurrence in occurrences(task.parameters):
        reference = read_reference(occurrence.text, outputs)
        if not occurrence.is_whole or reference is None:
            continue
        is_single = modes[str(occurrence.location[0])].get(occurrence.text, False)
        yields = _types(_sources(outputs[reference.task_name], reference.path, is_single))
        takes = _types(schemas_at(taken, occurrence.location))
        if yields and takes and not _meet(yields, takes):
            reason = (
                f"'{{{{{occurrence.text}}}}}' yields {_listed(yields)}, "
                f"where {_listed(takes)} is taken"
            )
            place = ("tasks", index, "parameters", *occurrence.location)
            faults.append(Fault(place, reason, "incompatible_type", False, occurrence.text))
    return faults


def _sources(output: JsonSchema, path: tuple[str | int, ...], is_single: bool) -> list[JsonSchema]:
    """Return the schemas of what a reference yields: of a list's items, where those are taken."""
    found = schemas_at(output, path)
    if not is_single:
        return found
    items: dict[bytes, JsonSchema] = {}
    for schema in found:
        is_list = types_of(schema) == {"array"}
        members = alternatives(schema.get("items", True), output) if is_list else [schema]
        items.update((canonical_bytes(member), member) for member in members)
    return list(items.values())


def _types(schemas: list[JsonSchema]) -> set[str]:
    """Return every type that one of the schemas allows; empty where anything may stand."""
    types = [types_of(schema) for schema in schemas]
    return set().union(*types) if all(types) else set()


def _meet(yields: set[str], takes: set[str]) -> bool:
    """Return whether some value is of both; a number may well be a whole one."""
    numbers = {"integer", "number"}
    return bool(yields & takes) or bool(yields & numbers and takes & numbers)


def _listed(types: set[str]) -> str:
    """Return types in words."""
    return " or ".join(sorted(types))
