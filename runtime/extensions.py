"""Task executors that other packages bring, found by their entry points.

Source: docs/adding-an-executor.md.
"""

from importlib.metadata import EntryPoint, entry_points

from flows.errors import StartUpError
from flows.executors.catalogue import register
from flows.executors.extension import Extension
from flows.executors.spec import Kind

GROUP = "perdure.task_executors"

_WORKED_BY_THE_ENGINE = (Kind.WAITING, Kind.REMOTE)


def load_extensions() -> list[Extension]:
    """Add every installed extension to this process's catalogue, in the order of their names.

    To be called once, by whatever a process begins with. Repeatable.

    Raises:
        StartUpError: One cannot be loaded, is none, or takes a name that is known already.
    """
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    extensions = [_loaded(entry) for entry in found]
    for extension in extensions:
        register(extension.executor)
    return extensions


def _loaded(entry: EntryPoint) -> Extension:
    """Return what an entry point names."""
    try:
        extension = entry.load()
    except Exception as error:
        raise StartUpError(f"task executor {entry.value} cannot be loaded: {error}") from error
    if not isinstance(extension, Extension):
        raise StartUpError(f"{entry.value} is no Extension of a task executor")
    kind = extension.executor.kind
    if kind in _WORKED_BY_THE_ENGINE:
        raise StartUpError(f"{entry.value} is of kind {kind}, which only the engine runs")
    if (extension.activity is None) != (kind is Kind.INPUT):
        raise StartUpError(f"{entry.value} needs an activity, unless it is an input")
    return extension
