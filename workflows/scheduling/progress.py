"""Where each task of a flow stands, and which become ready when one ends."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from contracts.messages import TaskSettlement, TaskView
from flows.executors.spec import TaskExecutor
from flows.graph import Graph
from flows.model import Flow, Task
from flows.provenance import sources
from flows.readiness import Readiness, chosen_case, readiness
from flows.references import Reference
from workflows.scheduling.outcome import Outcome
from workflows.scheduling.settling import settlement


@dataclass(slots=True)
class TaskRun(Outcome):
    """One task of a live flow.

    Attributes:
        reads: The references in its parameters.
        edge_only: Tasks that it depends on without reading them, sorted.
        items_total: Number of items, once it is known that the task iterates.
    """

    task: Task
    executor: TaskExecutor
    reads: list[Reference]
    edge_only: list[str]
    items_total: int | None = None
    items_done: int = 0

    def word(self) -> TaskSettlement:
        """Return what the read model is to be told about it.

        The workflows that ran an iteration's items settled them, so its own word is about the
        whole: how it ended and how many items there are, without input and output.
        """
        word = settlement(self, self.task.name)
        if self.items_total is None:
            return word
        aside = {"input": None, "output": None, "output_digest": "", "attempt": None}
        return word.model_copy(update={**aside, "item_count": self.items_total})

    def view(self) -> TaskView:
        """Return it as the query shows it."""
        return TaskView(
            task_name=self.task.name,
            state=self.state,
            attempt=self.attempt,
            items_total=self.items_total,
            items_done=None if self.items_total is None else self.items_done,
        )


@dataclass(slots=True)
class Released:
    """What the end of a task sets free: tasks that may run now, and tasks that never will."""

    ready: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class Progress:
    """Follows the dependencies of a flow as its tasks end.

    Each end touches only the tasks that directly depend on the one that ended, so the cost of a
    task does not grow with the size of its flow.
    """

    def __init__(self, graph: Graph, branches: Collection[str]) -> None:
        """Begin with nothing ended; ``branches`` are the tasks whose output chooses a case."""
        self._graph = graph
        self._branches = branches
        self._missing = {name: len(needed) for name, needed in graph.dependencies.items()}
        self._completed: set[str] = set()
        self._skipped: set[str] = set()
        self._chosen: dict[str, str | None] = {}

    def begin(self, fired: str, idle_inputs: list[str]) -> Released:
        """Return what may run once one input task fired and the others did not."""
        released = Released()
        for name, missing in self._missing.items():
            if not missing and name != fired and name not in idle_inputs:
                released.ready.append(name)
        self._completed.add(fired)
        ended = [fired]
        for name in idle_inputs:
            self._skip(name, released, ended)
        self._follow(ended, released)
        return released

    def complete(self, name: str, output: JsonValue) -> Released:
        """Return what the completion of a task sets free."""
        self._completed.add(name)
        if name in self._branches:
            self._chosen[name] = chosen_case(output)
        released = Released()
        self._follow([name], released)
        return released

    def _follow(self, ended: list[str], released: Released) -> None:
        """Look at the tasks behind those that ended, and behind those that are skipped for it."""
        while ended:
            for name in self._graph.consumers(ended.pop()):
                self._missing[name] -= 1
                if not self._missing[name]:
                    self._decide(name, released, ended)

    def _decide(self, name: str, released: Released, ended: list[str]) -> None:
        """Release a task whose dependencies have all ended."""
        decision = readiness(
            self._graph.dependencies[name], self._completed, self._skipped, self._chosen
        )
        if decision is Readiness.RUN:
            released.ready.append(name)
        else:
            self._skip(name, released, ended)

    def _skip(self, name: str, released: Released, ended: list[str]) -> None:
        """Let a task count as ended without having run."""
        self._skipped.add(name)
        released.skipped.append(name)
        ended.append(name)


def task_runs(
    flow: Flow, graph: Graph, executors: Mapping[str, TaskExecutor]
) -> dict[str, TaskRun]:
    """Return every task of a flow by its name, in document order, none of them begun."""
    return {
        task.name: TaskRun(
            task=task,
            executor=executors[task.name],
            reads=graph.references[task.name],
            edge_only=list(_edge_only(graph, task.name)),
        )
        for task in flow.tasks
    }


def passed_on(run: TaskRun, runs: Mapping[str, TaskRun]) -> JsonValue:
    """Return whose outputs a pass-through task passes on; None for any other task.

    The list over an iteration's items is nobody's output: it has no task execution of its own.
    """
    name = run.executor.passes_on
    if name is None:
        return None
    places: dict[str, JsonValue] = {
        reference.text: {
            "task_name": reference.task_name,
            "task_execution_idx": (runs[reference.task_name].attempt or 1) - 1,
        }
        for reference in run.reads
        if runs[reference.task_name].items_total is None
    }
    return sources(run.task.parameters.get(name), places)


def _edge_only(graph: Graph, name: str) -> Iterator[str]:
    """Yield what a task depends on without reading it, sorted."""
    for dependency in sorted(graph.dependencies[name], key=lambda needed: needed.task_name):
        if not dependency.by_reference:
            yield dependency.task_name
