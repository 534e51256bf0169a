"""From a definition in any published shape to a Flow, with everything that is wrong with it.

Source: docs/flow-language.md, "Documents" and "Validation".
"""

from dataclasses import dataclass

from pydantic import JsonValue

from flows.canonical import canonical_bytes
from flows.elements import read_edge, read_task
from flows.errors import Fault, InvalidDefinitionError, TooLargeError
from flows.faults import Faults, Location
from flows.model import MAX_DEFINITION_BYTES, MAX_TASKS, Edge, Flow, Task
from flows.reading import Media, read_document
from flows.shapes import Shape, read_shape
from flows.validate import validate
from flows.values import value_faults

__all__ = ["Media", "Parsed", "accepted", "check", "parse_definition", "read_document"]


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
        TooLargeError: It is longer than a definition may be.
        InvalidDefinitionError: It has faults that reject it.
    """
    flow, faults = check(document)
    rejecting = [fault for fault in faults if fault.rejects]
    for fault in rejecting:
        if fault.type == "too_large":
            raise TooLargeError(fault.reason)
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
    is_without_tasks = not shape.tasks and any(fault.rejects for fault in faults)
    if len(shape.tasks) > MAX_TASKS:
        reason = f"{len(shape.tasks)} tasks; a flow may have {MAX_TASKS} at most"
        faults.add(("tasks",), reason, "too_many_tasks")
    tasks: dict[str, tuple[int, Task]] = {}
    for index, raw in enumerate(shape.tasks[:MAX_TASKS]):
        task = read_task(raw, ("tasks", index), faults)
        if task is not None and task.name in tasks:
            first = tasks[task.name][0]
            reason = f"the name '{task.name}' is taken by task {first}"
            faults.add(("tasks", index, "name"), reason, "duplicate_name", input=task.name)
        elif task is not None:
            tasks[task.name] = (index, task)
    edges: list[tuple[int, Edge]] = []
    for index, raw in enumerate(shape.edges):
        edge = read_edge(raw, ("edges", index), faults)
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
