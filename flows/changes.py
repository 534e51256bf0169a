"""What became of the tasks of a flow from one version to another.

Source: docs/corrections.md.
"""

from dataclasses import dataclass

from flows.graph import Graph
from flows.model import Flow, Task


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of tasks, as sets.

    Attributes:
        added: Only the later version has them.
        changed: Both have them, but what they yield may differ: another executor, other parameters,
            another way of iterating, or other dependencies.
        removed: Only the earlier version has them.
        outdated: Those that both have and that changed, or stand behind tasks that changed or were
            added.
    """

    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]
    outdated: frozenset[str]


def changes(before: Flow, after: Flow) -> Changes:
    """Compare two versions; titles, retries, timeouts and concurrency do not count."""
    graphs = Graph(before), Graph(after)
    earlier = {task.name: task for task in before.tasks}
    later = {task.name: task for task in after.tasks}
    common = earlier.keys() & later.keys()
    changed = {
        name
        for name in common
        if _essence(earlier[name]) != _essence(later[name])
        or graphs[0].dependencies[name] != graphs[1].dependencies[name]
    }
    added = later.keys() - earlier.keys()
    behind = graphs[1].reachable(sorted(changed | added))
    return Changes(
        added=frozenset(added),
        changed=frozenset(changed),
        removed=frozenset(earlier.keys() - later.keys()),
        outdated=frozenset(behind & common),
    )


def _essence(task: Task) -> object:
    """Return what a task's result depends on, besides what it reads."""
    return task.executor, task.parameters, task.reference_modes
