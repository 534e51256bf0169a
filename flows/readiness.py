"""Whether a task may run, must wait, or is skipped, from the state of what it depends on.

Source: docs/flow-language.md, "Branches and skipped tasks".
"""

from collections.abc import Container, Iterable, Mapping
from enum import StrEnum

from pydantic import JsonValue

from flows.graph import Dependency


class Readiness(StrEnum):
    """What to do with a task that has not started."""

    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"


def readiness(
    dependencies: Iterable[Dependency],
    completed: Container[str],
    skipped: Container[str],
    chosen: Mapping[str, str | None],
) -> Readiness:
    """Decide about one task.

    It waits until everything it depends on is completed or skipped. It is skipped when nothing of
    that is live, or when it hangs on cases of branches and none of those cases was chosen. A task
    that depends on nothing runs at once.

    Args:
        dependencies: What the task depends on.
        completed: Names of completed tasks, an input task that fired included.
        skipped: Names of skipped tasks, input tasks that did not fire included.
        chosen: By completed branch task the chosen case, None where no case was chosen; see
            ``chosen_case``.
    """
    is_live, hangs_on_case, case_is_live = False, False, False
    has_dependency = False
    for dependency in dependencies:
        has_dependency = True
        is_completed = dependency.task_name in completed
        if not is_completed and dependency.task_name not in skipped:
            return Readiness.WAIT
        hangs_on_case |= bool(dependency.branches)
        is_live |= is_completed and dependency.is_unconditional
        case_is_live |= is_completed and chosen.get(dependency.task_name) in dependency.branches
    if not has_dependency:
        return Readiness.RUN
    if hangs_on_case:
        return Readiness.RUN if case_is_live else Readiness.SKIP
    return Readiness.RUN if is_live else Readiness.SKIP


def chosen_case(output: JsonValue) -> str | None:
    """Return the case that the output of a ``branch`` task names; None for none. Total."""
    case = output.get("case") if isinstance(output, dict) else None
    return case if isinstance(case, str) else None
