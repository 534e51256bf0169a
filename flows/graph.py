"""What depends on what in a flow, and in which order its tasks stand.

Source: docs/flow-language.md, "Dependencies and order".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from flows.errors import Fault, InvalidDefinitionError
from flows.model import Flow
from flows.references import Reference, references_in

MAX_CYCLES = 20
MAX_SHOWN_IN_CYCLE = 10


@dataclass(frozen=True, slots=True)
class Dependency:
    """That one task needs another.

    Attributes:
        task_name: The task that is needed.
        by_reference: Whether the parameters read its output.
        by_edge: Whether an edge without a branch leads from it.
        branches: Cases of it that lead here, in document order; only where it is a ``branch``.
    """

    task_name: str
    by_reference: bool = False
    by_edge: bool = False
    branches: tuple[str, ...] = ()

    @property
    def is_unconditional(self) -> bool:
        """Whether it counts as soon as the task completed, whatever case was chosen."""
        return self.by_reference or self.by_edge


class Graph:
    """Dependencies of a flow's tasks, by reference and by edge.

    Edges and references that name unknown tasks are left out, so any flow has a graph.

    Attributes:
        references: By task name the references in its parameters, each text once.
        dependencies: By task name what it needs; each needed task once, in document order.
    """

    def __init__(self, flow: Flow) -> None:
        """Read the references of every task."""
        self._position = {task.name: index for index, task in enumerate(flow.tasks)}
        self.references: Mapping[str, list[Reference]] = {
            task.name: references_in(dict(task.parameters), self._position) for task in flow.tasks
        }
        self.dependencies: Mapping[str, list[Dependency]] = self._dependencies(flow)
        self._consumers: dict[str, list[str]] = {name: [] for name in self._position}
        for name, needed in self.dependencies.items():
            for dependency in needed:
                self._consumers[dependency.task_name].append(name)
        self._order = self._sorted()

    def order(self) -> list[str]:
        """Return the task names so that each stands behind what it needs; ties as in the document.

        Raises:
            InvalidDefinitionError: Tasks depend on each other in a circle.
        """
        if len(self._order) < len(self._position):
            raise InvalidDefinitionError("tasks depend on each other in a circle", self.cycles())
        return list(self._order)

    def consumers(self, name: str) -> list[str]:
        """Return the tasks that directly need a task, in document order."""
        return list(self._consumers[name])

    def dependants(self, name: str) -> set[str]:
        """Return every task that needs a task, directly or not; itself only in a circle."""
        return self.reachable(self._consumers[name])

    def reachable(self, names: list[str]) -> set[str]:
        """Return these tasks and every task behind them."""
        found = set(names)
        waiting = list(names)
        while waiting:
            for consumer in self._consumers[waiting.pop()]:
                if consumer not in found:
                    found.add(consumer)
                    waiting.append(consumer)
        return found

    @property
    def sinks(self) -> list[str]:
        """Tasks that nothing depends on, in document order."""
        return [name for name in self._position if not self._consumers[name]]

    def cycles(self) -> list[Fault]:
        """Return one fault per circle found, at the task of it that stands first in the document.

        Circles that share a task count once; at most ``MAX_CYCLES`` are looked for.
        """
        faults: list[Fault] = []
        remaining = self._position.keys() - set(self._order)
        while remaining and len(faults) < MAX_CYCLES:
            circle = self._circle_in(remaining)
            if circle:
                remaining -= set(circle)
                reason = f"tasks depend on each other in a circle: {_arrows(circle)}"
                faults.append(Fault(("tasks", self._position[circle[0]]), reason, "cycle"))
        return faults

    def _dependencies(self, flow: Flow) -> dict[str, list[Dependency]]:
        """Join references and edges into one dependency per needed task."""
        by_reference: dict[str, set[str]] = {
            name: {reference.task_name for reference in found}
            for name, found in self.references.items()
        }
        by_edge: dict[str, set[str]] = {name: set() for name in self._position}
        cases: dict[str, dict[str, list[str]]] = {name: {} for name in self._position}
        for edge in flow.edges:
            if edge.source not in self._position or edge.target not in self._position:
                continue
            if edge.branch is None:
                by_edge[edge.target].add(edge.source)
            else:
                cases[edge.target].setdefault(edge.source, []).append(edge.branch)
        return {
            name: [
                Dependency(
                    needed,
                    by_reference=needed in by_reference[name],
                    by_edge=needed in by_edge[name],
                    branches=tuple(dict.fromkeys(cases[name].get(needed, ()))),
                )
                for needed in sorted(
                    by_reference[name] | by_edge[name] | cases[name].keys(),
                    key=self._position.__getitem__,
                )
            ]
            for name in self._position
        }

    def _sorted(self) -> list[str]:
        """Order the tasks as far as no circle stops it."""
        names = list(self._position)
        missing = {name: len(needed) for name, needed in self.dependencies.items()}
        ready = [self._position[name] for name in names if not missing[name]]
        heapify(ready)
        ordered: list[str] = []
        while ready:
            name = names[heappop(ready)]
            ordered.append(name)
            for consumer in self._consumers[name]:
                missing[consumer] -= 1
                if not missing[consumer]:
                    heappush(ready, self._position[consumer])
        return ordered

    def _circle_in(self, remaining: set[str]) -> list[str]:
        """Return the tasks of one circle in order of running, or drop a task that is in none."""
        way = [min(remaining, key=self._position.__getitem__)]
        while True:
            needed = next(
                (
                    dependency.task_name
                    for dependency in self.dependencies[way[-1]]
                    if dependency.task_name in remaining
                ),
                None,
            )
            if needed is None:
                remaining.discard(way[-1])
                return []
            if needed in way:
                circle = way[way.index(needed) :][::-1]
                first = circle.index(min(circle, key=self._position.__getitem__))
                return circle[first:] + circle[:first]
            way.append(needed)


def _arrows(circle: list[str]) -> str:
    """Return a circle's tasks in order of running; a long one is shortened."""
    shown = [f"'{name}'" for name in circle[:MAX_SHOWN_IN_CYCLE]]
    left_out = len(circle) - len(shown)
    if left_out:
        shown.append(f"{left_out} more")
    return " -> ".join([*shown, shown[0]])
