"""How many items a task that iterates has, told from what it reads."""

from collections.abc import Mapping

from pydantic import JsonValue

from cli.client import JsonObject
from flows.errors import TaskFailedError
from flows.iteration import plan
from flows.model import Flow, Task
from flows.references import Reference, references_in, value_at

Rows = Mapping[str, list[JsonObject]]


class ItemCounter:
    """Learns the length of each iteration as soon as what it runs over is there."""

    def __init__(self, flow: Flow) -> None:
        """Find out which tasks read which."""
        names = {task.name for task in flow.tasks}
        self._unknown: dict[str, tuple[Task, list[Reference]]] = {}
        for task in flow.tasks:
            references = references_in(task.parameters, names)
            if references:
                self._unknown[task.name] = (task, references)
        self.counts: dict[str, int] = {}

    def learn(self, rows: Rows, *, is_final: bool) -> Mapping[str, int]:
        """Return the number of items by task, for tasks that iterate and have begun.

        Args:
            rows: Rows of each task, by its name.
            is_final: Whether the execution has ended; then a task without rows may have had
                nothing to run over.
        """
        begun = [name for name in self._unknown if is_final or rows.get(name)]
        for name in begun:
            task, references = self._unknown.pop(name)
            # It has begun, so whatever it reads is final: a task without rows was skipped.
            outputs = {each.task_name: self._output(each.task_name, rows) for each in references}
            values = {
                each.text: value_at(outputs[each.task_name], each.path) for each in references
            }
            try:
                iteration = plan(task, values)
            except TaskFailedError:
                continue
            if iteration is not None:
                self.counts[name] = iteration.length
        return self.counts

    def _output(self, name: str, rows: Rows) -> JsonValue:
        """Return a task's output; of one that iterated a list, its order left open."""
        completed = [row.get("output") for row in rows.get(name, []) if _word(row) == "completed"]
        if name in self.counts:
            return completed
        return completed[-1] if completed else None


def _word(row: JsonObject) -> str:
    """Return the state of a task execution."""
    return str(row.get("processing_status") or row.get("status"))
