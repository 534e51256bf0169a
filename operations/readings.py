"""What tasks would read if they ran now: the scheduler's own arithmetic, on stored results.

Source: docs/corrections.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from flows.canonical import digest
from flows.errors import TaskFailedError
from flows.executors.catalogue import executor_named
from flows.executors.spec import TaskExecutor
from flows.graph import Graph
from flows.iteration import Iteration, plan
from flows.model import Flow, Task
from flows.secrets import Asides
from workflows.scheduling.resolution import (
    ItemReader,
    edge_outputs_digest,
    resolved_once,
    values_of,
)


@dataclass(frozen=True, slots=True)
class Work:
    """What one task would do.

    Attributes:
        iteration: What it runs over; None if it runs once.
    """

    task: Task
    executor: TaskExecutor
    values: Mapping[str, JsonValue]
    edge_digest: str
    iteration: Iteration | None

    def fingerprint(self) -> str:
        """Return the fingerprint of a task that runs once.

        Raises:
            TaskFailedError: Its parameters cannot be resolved.
        """
        return resolved_once(self.task, self.executor, self.values, self.edge_digest).fingerprint

    def fingerprints(self, first: int = 0) -> Iterator[str]:
        """Yield the fingerprints of an iteration's items, from one on.

        Raises:
            TaskFailedError: An item's parameters cannot be resolved.
        """
        iteration = self.iteration
        if iteration is None:
            return
        reader = ItemReader(
            task=self.task,
            executor=self.executor,
            iterated=iteration.iterated,
            shared=iteration.shared,
            edge_digest=self.edge_digest,
            asides=Asides(self.task),
        )
        for item in range(first, iteration.length):
            yield reader.resolved(iteration.at(item)).fingerprint


class Readings:
    """Finds out what the tasks of one flow read.

    Attributes:
        graph: Of the flow.
    """

    def __init__(self, flow: Flow) -> None:
        """Read the flow."""
        self.graph = Graph(flow)
        self._tasks = {task.name: task for task in flow.tasks}

    def needed_by(self, task_name: str) -> list[str]:
        """Return the tasks that a task directly depends on."""
        return [needed.task_name for needed in self.graph.dependencies[task_name]]

    def work(self, task_name: str, outputs: Mapping[str, JsonValue]) -> Work:
        """Return what a task would do.

        Args:
            outputs: Of every task that it depends on, but for those that were skipped.

        Raises:
            TaskFailedError: It could not run on that, or its executor is not known here.
        """
        task = self._tasks[task_name]
        executor = executor_named(task.executor)
        if executor is None:
            raise TaskFailedError(
                f"task '{task.name}' names an unknown executor: {task.executor}",
                type="UnknownExecutor",
            )
        values = values_of(self.graph.references[task_name], outputs)
        digests = {
            needed.task_name: digest(outputs[needed.task_name])
            if needed.task_name in outputs
            else ""
            for needed in self.graph.dependencies[task_name]
            if not needed.by_reference
        }
        return Work(task, executor, values, edge_outputs_digest(digests), plan(task, values))

    def fingerprint(
        self, task_name: str, item: int | None, outputs: Mapping[str, JsonValue]
    ) -> str | None:
        """Return the fingerprint that a task, or an item of it, has now; None if there is none.

        There is none where the task could not run, or runs over fewer items.
        """
        try:
            work = self.work(task_name, outputs)
            if (work.iteration is None) != (item is None):
                return None
            return work.fingerprint() if item is None else next(work.fingerprints(item), None)
        except TaskFailedError:
            return None
